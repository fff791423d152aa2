"""--mo: a real Model Optimizer as a child process, for what OpenVINO of today does not read."""

import json
import shlex
import stat
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.convert.test_against_mo import compiled
from fakes.caffe import caffe_model
from fakes.command import assert_quiet_success, assert_success, omz_tool, posezoo, printed, refusal
from fakes.model_optimizer import ENVIRONMENT, needs_mo
from fakes.network import HEIGHT, WIDTH, network
from fakes.zoo import declared_file, omz_yml, write_model
from posezoo.core.declarations.known_arguments import MODEL_OPTIMIZER
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.omz.model_optimizer import (
    HINT,
    ModelOptimizer,
    build_arguments,
    find_model_optimizer,
    refuse_unsafe_arguments,
)

ARGUMENTS = [
    "--input_model=$dl_dir/net.onnx",
    "--mean_values=image[1,2,3]",
    "--output=pafs",
    "--log_level=ERROR",  # no part in our own conversion, so that Model Optimizer is asked
]

IR_FILES = [
    {
        "name": f"FP16/published.{suffix}",
        "size": 4,
        "checksum": "0" * 96,
        "source": f"https://models.invalid/{suffix}",
    }
    for suffix in ("xml", "bin")
]


@pytest.fixture
def zoo(tmp_path):
    """A downloaded ONNX network whose model.yml has an argument that posezoo does not carry out."""
    downloads = tmp_path / "downloads" / "public" / "net"
    downloads.mkdir(parents=True)
    (downloads / "net.onnx").write_bytes(network("onnx"))
    declared = declared_file(downloads / "net.onnx")
    content = omz_yml(
        files=[{**declared, "source": "https://models.invalid/net.onnx"}],
        input_info=[{"name": "image", "shape": [1, 3, HEIGHT, WIDTH], "layout": "NCHW"}],
        model_optimizer_args=ARGUMENTS,
        model_info={"model_type": "X"},
    )
    write_model(tmp_path / "models", "net", content)
    return tmp_path


def converter(zoo, *args, **environ):
    places = ("--models_dir", zoo / "models", "-d", zoo / "downloads", "-o", zoo / "out")
    return omz_tool("converter", *places, "--name", "net", *args, **environ)


def irs(zoo):
    return sorted(path.relative_to(zoo / "out").as_posix() for path in (zoo / "out").rglob("*.xml"))


def test_without_model_optimizer_the_reason_and_the_flag_are_named(zoo):
    error = refusal(converter(zoo))
    assert "(mo, argument)" in error
    assert "--mo PATH, or POSEZOO_MO" in error


def test_a_stale_flag_is_an_error_of_the_model_that_needs_it(zoo):
    error = refusal(converter(zoo, "--mo", zoo / "nope"))
    assert f"{zoo}/nope: there is no such file" in error.partition("## Warning: ")[2]


@pytest.mark.parametrize("verb", ["convert", "get"])
def test_a_stale_flag_is_a_warning_if_no_model_needs_model_optimizer(zoo, verb):
    places = ("--models_dir", zoo / "models", "-o", zoo / "out")
    write_model(zoo / "models", "published", omz_yml(files=IR_FILES, framework="dldt"))

    def run(*flags, **environ):
        return posezoo(verb, "published", "--dry_run", *places, *flags, **environ)

    warned, alone = run("--mo", zoo / "nope"), run()
    assert warned.stderr.startswith(f"warning: --mo {zoo}/nope: there is no such file")
    assert (warned.returncode, warned.stdout) == (alone.returncode, alone.stdout)
    kept = run(POSEZOO_MO=str(zoo / "nope"))
    assert (kept.returncode, kept.stdout) == (alone.returncode, alone.stdout)
    assert "there is no such file" not in kept.stderr


@pytest.fixture
def stand_in(tmp_path):
    """The mo that pip installs with the stand-in for openvino-dev."""
    mo = tmp_path / "env" / "bin" / "mo"
    mo.parent.mkdir(parents=True)
    mo.write_text(
        f"#!{sys.executable}\nimport re\nimport sys\nfrom posezoo_openvino_dev import mo\nsys.exit(mo())\n"
    )
    mo.chmod(0o755)
    (mo.parent / "python").symlink_to(sys.executable)
    return mo


@pytest.mark.parametrize("how", ["mo", "environment", "setting", "mo and python"])
def test_the_mo_of_the_stand_in_is_ignored(zoo, stand_in, how):
    content = (zoo / "models/public/net/model.yml").read_text()
    (zoo / "models/public/net/model.yml").write_text(
        content.replace("--log_level=ERROR", "--scale=2")
    )
    given, environ = {
        "mo": (("--mo", stand_in), {}),
        "environment": (("--mo", stand_in.parents[1]), {}),
        "setting": ((), {"POSEZOO_MO": str(stand_in)}),
        "mo and python": (("--mo", stand_in, "--python", stand_in.with_name("python")), {}),
    }[how]
    assert_quiet_success(converter(zoo, *given, **environ))
    assert irs(zoo) == ["public/net/FP16/net.xml", "public/net/FP32/net.xml"]


@pytest.mark.parametrize("how", ["flag", "setting"])
def test_a_model_that_needs_model_optimizer_is_refused_with_the_stand_in(zoo, stand_in, how):
    given = {"flag": ("--mo", stand_in), "setting": ()}[how]
    error = refusal(converter(zoo, *given, **({} if given else {"POSEZOO_MO": str(stand_in)})))
    assert "(mo, argument)" in error
    assert (
        f"--mo PATH, or POSEZOO_MO; {stand_in} is that of posezoo's stand-in for openvino-dev"
        in error
    )
    assert irs(zoo) == []


def test_the_python_of_the_stand_in_has_no_model_optimizer(tmp_path):
    site = tmp_path / "site"
    (site / "openvino" / "tools" / "mo").mkdir(parents=True)
    for package in ("openvino", "openvino/tools", "openvino/tools/mo"):
        (site / package / "__init__.py").write_text("")
    (site / "openvino_dev-2024.6.0+posezoo.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: openvino-dev\nVersion: 2024.6.0+posezoo\n"
    (site / "openvino_dev-2024.6.0+posezoo.dist-info" / "METADATA").write_text(metadata)
    python = tmp_path / "python"
    words = shlex.join(["env", f"PYTHONPATH={site}", sys.executable])
    python.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    python.chmod(0o755)
    with pytest.raises(
        ConversionError, match=r"has no Model Optimizer: its OpenVINO is 2024\.6\.0\+posezoo"
    ):
        find_model_optimizer(python)


@needs_mo
def test_it_is_found_by_its_path_and_makes_both_precisions_in_the_usual_place(zoo):
    assert_quiet_success(converter(zoo, "--mo", ENVIRONMENT / "bin" / "mo"))
    assert irs(zoo) == ["public/net/FP16/net.xml", "public/net/FP32/net.xml"]
    ir = import_openvino().Core().read_model(zoo / "out/public/net/FP32/net.xml")
    assert [port.any_name for port in ir.outputs] == ["pafs"]
    assert ir.get_rt_info(["model_info", "model_type"]).value == "X"
    assert ir.get_rt_info(["posezoo", "model"]).value == "net"
    sizes = {p.parent.name: p.stat().st_size for p in (zoo / "out").rglob("*.bin")}
    assert sizes["FP16"] < sizes["FP32"]
    record = json.loads((zoo / "out/public/net/FP32/provenance.json").read_text())
    assert record["key"]["model_optimizer"].startswith("2024.6")
    assert str(zoo) not in (zoo / "out/public/net/FP32/net.xml").read_text()
    again = converter(zoo, "--mo", ENVIRONMENT / "bin" / "mo")
    assert again.stdout.count("it is up to date") == 2
    without = converter(zoo)
    assert (without.returncode, without.stdout.count("it is up to date")) == (0, 2)
    assert converter(zoo, "--force").returncode == 1


@needs_mo
@pytest.mark.parametrize("how", ["environment", "setting", "python"])
def test_it_is_found_by_its_environment_a_setting_and_its_python(zoo, how):
    python = ENVIRONMENT / "bin" / "python"
    given, environ = {
        "environment": (("--mo", ENVIRONMENT), {}),
        "setting": ((), {"POSEZOO_MO": str(ENVIRONMENT)}),
        "python": (("--python", python), {}),
    }[how]
    assert_quiet_success(converter(zoo, *given, "--precisions", "FP32", **environ))
    assert irs(zoo) == ["public/net/FP32/net.xml"]


@needs_mo
def test_a_dry_run_names_the_converter_and_changes_nothing(zoo):
    output = printed(converter(zoo, "--mo", ENVIRONMENT, "--dry_run"))
    assert output.count("(DRY RUN) Converting net to IR") == 2
    assert not (zoo / "out").exists()


@needs_mo
def test_its_failure_is_reported_in_its_words_and_the_earlier_ir_is_kept(zoo):
    converter(zoo, "--mo", ENVIRONMENT)
    before = (zoo / "out/public/net/FP32/net.xml").read_bytes()
    error = refusal(converter(zoo, "--mo", ENVIRONMENT, "--add_mo_arg=--transform=nonsense"))
    assert "Model Optimizer 2024.6" in error
    assert "nonsense" in error
    assert "Traceback" not in error
    assert (zoo / "out/public/net/FP32/net.xml").read_bytes() == before


@needs_mo
def test_a_strict_lock_accepts_only_the_ir_that_it_has(zoo):
    mo, lock = ("--mo", ENVIRONMENT, "--precisions", "FP32"), ("--lock", zoo / "posezoo.lock")
    places = ("--models_dir", zoo / "models", "-d", zoo / "downloads", "-o", zoo / "out")
    assert_success(converter(zoo, *mo))
    assert_success(posezoo("lock", "net", *lock, *places))
    again = converter(zoo, *mo, *lock, "--locked", "--force")
    assert_success(again)
    before = (zoo / "out/public/net/FP32/net.xml").read_bytes()
    other = refusal(converter(zoo, *mo, *lock, "--locked", "--add_mo_arg=--scale=2"))
    assert "net: FP32/net.xml is SHA-384 " in other
    assert (zoo / "out/public/net/FP32/net.xml").read_bytes() == before
    assert_success(converter(zoo, *mo, "--add_mo_arg=--scale=2"))
    there = refusal(converter(zoo, *mo, *lock, "--locked", "--add_mo_arg=--scale=2"))
    assert "is SHA-384 " in there


def caffe_zoo(folder, kernel, *arguments):
    """A registry and downloads of a Caffe network with one convolution."""
    downloads = folder / "downloads" / "public" / "net"
    downloads.mkdir(parents=True, exist_ok=True)
    prototxt, weights = caffe_model(kernel)
    (downloads / "net.prototxt").write_text(prototxt)
    (downloads / "net.caffemodel").write_bytes(weights)
    files = [
        {**declared_file(downloads / name), "source": f"https://models.invalid/{name}"}
        for name in ("net.prototxt", "net.caffemodel")
    ]
    own = ["--input_model=$dl_dir/net.caffemodel", "--input_proto=$dl_dir/net.prototxt"]
    content = omz_yml(
        framework="caffe",
        files=files,
        input_info=[{"name": "data", "shape": [1, 3, 4, 6], "layout": "NCHW"}],
        model_optimizer_args=[*own, *arguments],
    )
    write_model(folder / "models", "net", content)


@needs_mo
def test_a_caffe_network_becomes_ir(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(2, 3, 1, 1)).astype(np.float32)
    caffe_zoo(tmp_path, kernel, "--output=conv", "--log_level=ERROR")
    assert_quiet_success(converter(tmp_path, "--mo", ENVIRONMENT, "--precisions", "FP32"))
    ir = compiled(tmp_path / "out/public/net/FP32/net.xml")
    image = np.random.default_rng(1).normal(size=(1, 3, 4, 6)).astype(np.float32)
    expected = np.einsum("oi,nihw->nohw", kernel[:, :, 0, 0], image)
    assert np.abs(ir([image])[0] - expected).max() <= 1e-5 * np.abs(expected).max()


def test_it_is_called_as_open_model_zoos_converter_calls_it(zoo):
    spec = open_registry([zoo / "models"]).find("net")
    mo = ModelOptimizer(("mo",), Path("/mo/openvino/tools/mo"), "2024.6.0")
    layout = ModelLayout(zoo / "downloads", zoo / "out")
    given = build_arguments(
        spec, layout, Path("/d/net.onnx"), mo, Precision.FP16, Path("/out/FP16")
    )
    assert given == (
        "--framework=onnx",
        "--output_dir=/out/FP16",
        "--model_name=net",
        "--input_model=/d/net.onnx",
        "--input=image",
        f"--input_shape=[1,3,{HEIGHT},{WIDTH}]",
        "--layout=image(NCHW)",
        "--mean_values=image[1.0,2.0,3.0]",
        "--output=pafs",
        "--log_level=ERROR",
        "--compress_to_fp16=True",
    )


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_python_that_is_too_new_is_reported_with_the_newest_supported(tmp_path):
    python = script(tmp_path / "python3.13", """echo '["", "", [3, 13]]'""")
    with pytest.raises(ConversionError, match="has no Model Optimizer") as refused:
        find_model_optimizer(None, python)
    assert "Python 3.13 is too new for it" in refused.value.hint
    assert "make build/mo-env PYTHON=python3.12" in refused.value.hint
    newest = script(tmp_path / "python3.12", """echo '["", "", [3, 12]]'""")
    with pytest.raises(ConversionError) as refused:
        find_model_optimizer(None, newest)
    assert refused.value.hint == HINT


def test_an_environment_without_model_optimizer_is_reported_with_its_openvino():
    with pytest.raises(ConversionError, match=r"has no Model Optimizer: its OpenVINO is 20"):
        find_model_optimizer(Path(sys.executable).parent / "python")


def test_the_search_for_it_reports_to_nobody(tmp_path, monkeypatch):
    """To find openvino.tools.mo, Python imports openvino."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    with pytest.raises(ConversionError, match="has no Model Optimizer"):
        find_model_optimizer(
            script(tmp_path / "python", f'exec {shlex.quote(sys.executable)} "$@"')
        )
    assert [*home.rglob("*")] == []


@pytest.mark.parametrize("named", ["nowhere/mo", "empty", "text"])
def test_a_file_that_is_not_model_optimizer_is_reported_in_one_line(tmp_path, named):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ConversionError) as refused:
        find_model_optimizer(tmp_path / named)
    assert "\n" not in refused.value.problem
    assert str(tmp_path) in refused.value.problem


def test_a_program_that_does_not_answer_like_python_is_refused(tmp_path):
    with pytest.raises(ConversionError, match="cannot be started as Python"):
        find_model_optimizer(script(tmp_path / "bin" / "python", "echo hello"))


HARM = [
    "--extensions=$dl_dir/code",
    "--ext=$dl_dir/code",
    "--caffe_parser_path=$dl_dir/code",
    "--output_dir={outside}",
    "--output_d={outside}",
    "-o={outside}",
    "--tensorboard_logdir={outside}",
]


@needs_mo
@pytest.mark.parametrize("argument", HARM)
def test_a_model_yml_cannot_make_it_run_code_or_write_other_files(zoo, argument):
    front = zoo / "downloads" / "public" / "net" / "code" / "front"
    front.mkdir(parents=True)
    for folder in (front.parent, front):
        (folder / "__init__.py").write_text("")
    for name in ("evil", "caffe_pb2"):
        (front / f"{name}.py").write_text(f"open({str(zoo / 'it-ran')!r}, 'w')\n")
    caffe_zoo(zoo, np.ones((2, 3, 1, 1), np.float32), argument.format(outside=zoo / "outside"))
    for dry in ([], ["--dry_run"]):
        error = refusal(converter(zoo, "--mo", ENVIRONMENT, "--precisions", "FP32", *dry))
        flag = MODEL_OPTIMIZER.find(argument.partition("=")[0])
        assert f"{flag} is not passed to Model Optimizer" in error
    assert not (zoo / "it-ran").exists()
    assert not (zoo / "outside").exists()
    assert not list(zoo.rglob("*.bin"))


@pytest.mark.parametrize(
    "argument",
    [
        ("--input_proto", "/etc/passwd"),
        ("--input_proto", "~/net.prototxt"),
        ("--mean_file", "mean.binaryproto"),
        ("--transformations_config", "/tmp/a.json"),
        ("--new_flag", "/etc/passwd"),
    ],
)
def test_only_files_of_the_model_are_passed_on(zoo, argument):
    spec = open_registry([zoo / "models"]).find("net")
    with pytest.raises(
        ConversionError, match=f"{argument[0]} is not passed to Model Optimizer: .* not verified"
    ):
        refuse_unsafe_arguments(replace(spec, mo_args=(argument,)))
    for value in ("$dl_dir/net.prototxt", "$mo_dir/extensions/front/tf/ssd_v2_support.json"):
        refuse_unsafe_arguments(
            replace(spec, mo_args=(("--transformations_config", value), ("--log_level", "a/b")))
        )


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("--input_model=net.onnx", "model.yml declares the file"),
        ("-m=net.onnx", "model.yml declares the file"),
        ("--output_dir=x", "use --output_dir of converter.py itself"),
        ("-o=x", "use --output_dir of converter.py itself"),
    ],
)
def test_an_argument_that_the_command_line_cannot_set_is_refused(zoo, argument, hint):
    error = refusal(converter(zoo, f"--add_mo_arg={argument}", POSEZOO_MO=str(ENVIRONMENT)))
    assert f"--add_mo_arg={argument}: this argument cannot be added" in error
    assert hint in error
