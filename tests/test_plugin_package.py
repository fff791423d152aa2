"""A package that is installed with pip adds a decoder, a source type, a format, a network, a lint rule and a verb."""

import ast
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from fakes.command import assert_success, misuse, posezoo_process, refusal, run_process
from fakes.network import HEIGHT, WIDTH, image_of, network, output_of
from fakes.waiting import HANG_S
from fakes.when_used import needs
from fakes.zoo import model_yml, write_model
from posezoo import api
from posezoo.core.declarations.model import Framework

PACKAGE = Path(__file__).parent / "plugin_package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that the package was installed to; posezoo sees it by PYTHONPATH."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for file in PACKAGE.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-build-isolation",
        "--no-deps",
    ]
    subprocess.run([*pip, "--target", target, source], check=True, timeout=HANG_S)
    return {"PYTHONPATH": str(target)}


@pytest.fixture
def registry(tmp_path):
    """One model: its file is in model.yml in hex digits, in the masked format, with a TODO."""
    outputs = [
        {"name": name, "shape": list(output_of(Framework.ONNX, name).shape)}
        for name in ("heatmaps", "pafs")
    ]
    write_masked_model(tmp_path / "zoo", "masked-net", network("onnx"), outputs)
    return tmp_path / "zoo"


def write_masked_model(zoo, name, onnx, outputs, **changes):
    """A model whose file is in model.yml, masked; its input is that of ``fakes.network``."""
    content = bytes(byte ^ 0xFF for byte in onnx)
    port = image_of(Framework.ONNX)
    file = {
        "name": "net.masked",
        "size": len(content),
        "checksum": hashlib.sha384(content).hexdigest(),
        "source": {"$type": "hex", "digits": content.hex()},
    }
    model = model_yml(
        framework="masked",
        description="TODO",
        files=[file],
        inputs=[{"name": port.name, "shape": list(port.shape), "layout": port.layout}],
        outputs=outputs,
        **changes,
    )
    write_model(zoo, name, model)


def point_network():
    """The bytes of an ONNX file that returns half of the mean of the first two channels."""
    from onnx import helper

    from fakes import graphs

    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "half"], ["point"]),
    ]
    image = ("image", graphs.FLOAT, image_of(Framework.ONNX).shape)
    half = np.float32([[0.5, 0], [0, 0.5], [0, 0]])
    return graphs.written(
        "point", nodes, [image], [("point", graphs.FLOAT, (1, 2))], {"half": half}
    )


def run_python(code, environ):
    ended = run_process(
        [sys.executable, "-c", code],
        env=environ,
        check=True,
    )
    return ended.stdout.strip()


def test_doctor_lists_the_parts_with_their_package(installed):
    plugins = json.loads(posezoo_process("doctor", "--format", "json", **installed).stdout)[
        "plugins"
    ]
    assert {plugin["group"] for plugin in plugins} == {
        "posezoo.decoder_graphs", "posezoo.decoders", "posezoo.formats", "posezoo.lint_rules", "posezoo.networks", "posezoo.source_types",
        "posezoo.verbs",
    }  # fmt: skip
    assert {plugin["package"] for plugin in plugins} == {"posezoo-example-parts 1.0"}


def test_a_model_of_an_added_format_from_an_added_source_becomes_ir(installed, registry, tmp_path):
    needs("openvino")
    places = ("--models_dir", registry, "--output_dir", tmp_path / "out")
    ended = posezoo_process("get", "masked-net", *places, cwd=tmp_path, **installed)
    assert_success(ended)
    assert (tmp_path / "out" / "public" / "masked-net" / "FP16" / "masked-net.xml").is_file()


#: As the shims start it.
MO = "import sys; from posezoo.__main__ import main; sys.exit(main('posezoo.omz.commands.mo'))"


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "posezoo", "convert", "net.masked", "-o", "net.xml"),
        ("-c", MO, "--input_model", "net.masked"),
    ],
    ids=["convert", "mo"],
)
def test_a_file_of_an_added_format_becomes_ir(installed, tmp_path, words):
    needs("openvino")

    def run():
        command = [sys.executable, *words]
        environ = {**os.environ, **installed}
        return run_process(
            command,
            cwd=tmp_path,
            env=environ,
        )

    (tmp_path / "net.masked").write_bytes(bytes(byte ^ 0xFF for byte in network("onnx")))
    ended = run()
    assert_success(ended)
    assert (tmp_path / "net.xml").is_file()
    (tmp_path / "net.masked").write_bytes(b"spoilt")
    assert "net.masked: not a masked ONNX file, but something else" in refusal(run())


def test_models_are_listed_by_an_added_format(installed, registry, tmp_path):
    words = ("list", "--models_dir", registry, "--framework")
    assert "masked-net" in posezoo_process(*words, "masked", cwd=tmp_path, **installed).stdout
    misspelt = misuse(posezoo_process(*words, "maskd", cwd=tmp_path, **installed))
    assert "--framework: invalid choice: 'maskd' (choose from 'caffe', " in misspelt


def test_an_added_rule_is_checked_and_files_of_another_framework_than_an_added_one_are_found(
    installed, registry, tmp_path
):
    words = ("lint", "--models_dir", registry)
    shown = posezoo_process(*words, cwd=tmp_path, **installed).stdout
    assert "the description says TODO" in shown and "example-todo" in shown
    assert "framework-files" not in shown
    path = next(registry.rglob("model.yml"))
    path.write_text(path.read_text().replace("net.masked", "net.tflite"))
    shown = posezoo_process(*words, cwd=tmp_path, **installed).stdout
    assert "framework is masked, but .tflite is of tflite [framework-files]" in shown


def test_the_inputs_of_an_added_format_are_drafted(installed, tmp_path):
    needs("openvino")
    published = tmp_path / "net.masked"
    published.write_bytes(bytes(byte ^ 0xFF for byte in network("onnx")))
    words = ("--from", published, "--license", "MIT", "--models_dir", tmp_path / "models")
    ended = posezoo_process("new", "masked-net", *words, cwd=tmp_path, **installed)
    assert_success(ended)
    path = tmp_path / "models" / "public" / "masked-net" / "model.yml"
    written = yaml.safe_load(path.read_text())
    assert written["framework"] == "masked"
    assert [port["shape"] for port in written["inputs"]] == [[1, 3, HEIGHT, WIDTH]]


def test_an_added_decoder_is_put_into_an_ir(installed, tmp_path):
    openvino = needs("openvino")
    write_masked_model(
        tmp_path / "zoo",
        "point-net",
        point_network(),
        [{"name": "point", "shape": [1, 2], "role": "point"}],
        decoder={"name": "one_point", "score": 0.25},
    )
    places = ("--models_dir", tmp_path / "zoo", "--output_dir", tmp_path / "out")
    ended = posezoo_process(
        "get", "point-net", "--decode", "--precisions", "FP32", *places, cwd=tmp_path, **installed
    )
    assert_success(ended)
    xml = tmp_path / "out" / "public" / "point-net" / "FP32" / "point-net.xml"
    ir = openvino.Core().compile_model(xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    image = np.empty(image_of(Framework.ONNX).shape, np.float32)
    image[0] = np.float32([0.5, 0.25, 0])[:, None, None]
    keypoints, scores = ir(image).values()
    assert keypoints.shape == (1, 17, 3)
    assert keypoints[0, 16] == pytest.approx([0.25 * WIDTH, 0.125 * HEIGHT, 0.25], abs=1e-4)
    assert scores == pytest.approx([0.25])


def test_an_added_verb_is_run_and_in_the_help(installed, registry, tmp_path):
    ended = posezoo_process("todo", "--models_dir", registry, cwd=tmp_path, **installed)
    assert (ended.returncode, ended.stdout) == (1, "masked-net\n"), ended.stderr
    with_word = ("todo", "--models_dir", registry, "--word", "FIXME")
    assert_success(posezoo_process(*with_word, cwd=tmp_path, **installed))
    shown = posezoo_process("help", "--all", **installed).stdout
    assert "installed packages:\n  todo        list models whose description is not fin" in shown
    without = posezoo_process("help", "--all")
    assert without.returncode == 0 and "todo" not in without.stdout
    assert "todo" in misuse(posezoo_process("tofo", **installed))


def test_an_added_decoder_and_an_added_network_are_found_by_name(installed):
    decode = (
        "import numpy, posezoo\n"
        "(pose,) = posezoo.decode('one_point', {'point': numpy.array([[0.5, 0.25]], 'f4')}, (100, 200))\n"
        "print(pose.keypoints[16].tolist())"
    )
    assert run_python(decode, installed) == "[50.0, 50.0, 0.5]"
    needs("torch")
    build = (
        "import posezoo; print(type(posezoo.network('one_convolution', pretrained=False)).__name__)"
    )
    assert run_python(build, installed) == "OneConvolution"


def test_without_the_package_its_model_is_refused_by_name(registry, tmp_path):
    ended = posezoo_process("info", "masked-net", "--models_dir", registry, cwd=tmp_path)
    assert ended.returncode != 0
    assert "'masked'" in ended.stderr


def test_the_package_imports_posezoo_from_one_place():
    """So that a module of posezoo can move and breaks no plug-in."""
    imported = {
        node.module
        for path in PACKAGE.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("posezoo")
    }
    assert imported == {"posezoo.api"}


@pytest.mark.parametrize("name", [name for names in api._FOR_PLUGINS.values() for name in names])
def test_each_name_for_plug_ins_can_be_imported(name):
    assert getattr(api, name) is not None
