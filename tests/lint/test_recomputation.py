"""What is declared of a model is held against its files and its IR: each planted mistake is found."""

import shutil

import pytest

from fakes.command import posezoo, succeeded
from fakes.network import HEIGHT, WIDTH, network
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.pipeline.get import get
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import Registry
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.settings import read_settings, to_settings
from posezoo.core.versions import package_version
from posezoo.figures.measured import digest_irs
from posezoo.lint.recomputation import recompute_artifacts

NAME = "tiny-pose"


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A model that is declared as it is, and its IR."""
    folder = tmp_path_factory.mktemp("converted")
    origin = folder / "tiny.tflite"
    origin.write_bytes(network())
    image = {
        "name": "image", "shape": [1, HEIGHT, WIDTH, 3], "layout": "NHWC", "color": "RGB",
        "mean": [100, 120, 140], "scale": [50, 60, 70], "reverse_input_channels": True,
    }  # fmt: skip
    outputs = [
        {"name": name, "shape": [1, HEIGHT, WIDTH, 2], "layout": "NHWC"}
        for name in ("heatmaps", "pafs")
    ]
    declare(folder, files=[declared_file(origin)], inputs=[image], outputs=outputs)

    said = {
        "models_dir": (folder / "models",),
        "weights_dir": folder / "out",
        "cache_dir": folder / "cache",
    }
    made = open_context(to_settings(read_settings(said)))
    precisions = (Precision.FP32, Precision.FP16)
    get(resolve_model(made.registry.find(NAME), precisions, made), made)
    return folder


@pytest.fixture
def zoo(converted, tmp_path):
    """A copy of them that a test may change."""
    return shutil.copytree(converted, tmp_path, dirs_exist_ok=True)


def declare(folder, **changes):
    write_model(folder / "models", NAME, model_yml(**changes))


def change(folder, old, new):
    path = folder / "models" / "public" / NAME / "model.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def found(folder):
    registry = Registry([folder / "models"])
    return {artifact.rule for artifact in recompute_artifacts(registry, None, folder / "out")}


def test_what_is_declared_as_it_is_has_no_finding(zoo):
    assert found(zoo) == set()
    assert (zoo / "out" / "public" / NAME / "FP16" / f"{NAME}.xml").is_file()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("name: pafs", "name: paths", "artifact-names"),
        (f"- {WIDTH}\n  - 3\n", f"- {WIDTH + 2}\n  - 3\n", "artifact-shape"),
        ("- 120", "- 121", "artifact-preprocessing"),
        ("reverse_input_channels: true", "reverse_input_channels: false", "artifact-preprocessing"),
        (
            "framework:",
            "published: {gflops: 60.1, mparams: 33.2}\nframework:",
            "artifact-complexity",
        ),
    ],
)
def test_what_is_declared_otherwise_is_found(zoo, old, new, rule):
    change(zoo, old, new)
    assert rule in found(zoo)


def test_figures_that_were_measured_on_another_ir_are_found(zoo):
    measured = "complexity: [{precision: FP16, figures: {gflops: 1.5, mparams: 0.1}}]\n"
    (zoo / "models" / "public" / NAME / "measured.yml").write_text(measured)
    assert found(zoo) == {"artifact-complexity"}


def test_an_accuracy_of_another_ir_is_found_and_a_speed_is_a_warning(zoo):
    xml = zoo / "out" / "public" / NAME / "FP16" / f"{NAME}.xml"

    def findings(digest, version, kind="accuracy", people="the whole image", made="FP16"):
        row = f"precision: {made}, irs: {digest!r}, tools: {{openvino: {version!r}}}, machine: m"
        row += f", settings: {{people_from: {people}}}"
        figures = {"accuracy": "{AP: 0.5}", "speed": "{throughput_fps: 9.5}"}[kind]
        text = f"{kind}: [{{{row}, figures: {figures}}}]\n"
        (zoo / "models" / "public" / NAME / "measured.yml").write_text(text)
        found = recompute_artifacts(Registry([zoo / "models"]), None, zoo / "out")
        return [(each.rule, each.severity) for each in found]

    here = package_version("openvino")
    assert findings("0" * 16, here) == [("artifact-measured", "error")]
    assert findings("0" * 16, here, "speed") == [("artifact-measured", "warning")]
    assert findings(digest_irs([xml]), here) == []
    assert findings("0" * 16, "2024.6.0") == []  # its IR may have other bytes
    assert findings("0" * 16, here, made="FP16-INT8") == []  # it is not here
    both = digest_irs([xml, xml])  # as if it were its own detector
    assert findings(both, here, people=NAME) == []
    assert findings(digest_irs([xml]), here, people=NAME) == [("artifact-measured", "error")]


def test_bytes_that_changed_are_found(zoo):
    path = zoo / "out" / "public" / NAME / "tiny.tflite"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert found(zoo) == {"artifact-digest"}


def test_an_ir_that_is_none_is_found(zoo):
    xml = zoo / "out" / "public" / NAME / "FP16" / f"{NAME}.xml"
    xml.write_text("<net")
    assert found(zoo) == {"artifact-digest", "artifact-readable"}


def test_weights_in_another_precision_are_found(tmp_path):
    import numpy as np
    from openvino import opset13 as ops

    image = ops.parameter([1, 3, 8, 8], np.float32, name="image")
    weights = ops.constant(np.random.default_rng(0).normal(size=(64, 3, 8, 8)).astype(np.float32))
    result = ops.convolution(image, weights, [1, 1], [0, 0], [0, 0], [1, 1])
    image.output(0).set_names({"image"})
    result.output(0).set_names({"maps"})
    model = import_openvino().Model([ops.result(result)], [image], "wide")
    folder = tmp_path / "out" / "intel" / "wide" / "FP16"
    folder.mkdir(parents=True)
    import_openvino().save_model(model, folder / "wide.xml", compress_to_fp16=False)
    files = [
        declared_file(folder / f"wide{suffix}", name=f"FP16/wide{suffix}")
        for suffix in (".xml", ".bin")
    ]
    ends = {
        "inputs": [{"name": "image", "shape": [1, 3, 8, 8], "layout": "NCHW"}],
        "outputs": [{"name": "maps", "shape": [1, 64, 1, 1]}],
    }
    write_model(
        tmp_path / "models",
        "wide",
        model_yml(framework="dldt", files=files, **ends),
        family="intel",
    )
    assert found(tmp_path) == {"artifact-precision"}
    shutil.rmtree(folder)
    assert found(tmp_path) == set()


def test_our_own_registry_is_what_it_says(mirror, tmp_path):
    """Of every model whose files are at hand: its IR is made, and nothing declared of it is otherwise."""
    names = ("person-detection-retail-0013", "tf-pose-mobilenet-v2-small", "blazepose-full")
    succeeded(
        posezoo("get", *names, "-o", tmp_path, "--mirror", mirror, "--precisions", "FP32,FP16")
    )
    ended = posezoo("lint", "--artifacts", tmp_path)
    assert ended.returncode == 0, ended.stdout
