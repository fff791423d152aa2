"""A failed conversion is one line with a hint, and the earlier IR stays loadable."""

import pytest

from fakes.command import assert_success, misuse, omz_tool, posezoo, refusal
from fakes.network import network
from fakes.zoo import IMAGE, declared_file, omz_yml, write_model
from posezoo.core.ir.openvino_import import import_openvino


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A downloaded network with its IR; each test breaks something in a copy's model.yml or flags."""
    folder = tmp_path_factory.mktemp("zoo")
    write(folder)
    assert_success(converter(folder))
    return folder


def write(folder, *arguments, content=None, **changes):
    """The model.yml with additional arguments, and its file; ``content`` is a file that model.yml declares."""
    source = folder / "public" / "net" / "net.onnx"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(network("onnx") if content is None else content)
    declared = {**declared_file(source), "source": "https://models.invalid/net.onnx"}
    said = {
        "files": [declared],
        "input_info": [IMAGE],
        "model_optimizer_args": ["--input_model=$dl_dir/net.onnx", *arguments],
        **changes,
    }
    write_model(folder / "models", "net", omz_yml(**said))
    return source


def converter(folder, *args):
    places = ("--models_dir", folder / "models", "-d", folder, "-o", folder / "out")
    return omz_tool("converter", "--name", "net", "--precisions", "FP32", *places, *args)


def asking(*arguments, **changes):
    return lambda folder: write(folder, *arguments, **changes)


BAD = {
    "of another kind": (
        asking(content=network("tflite")),
        "not an ONNX model, but a TFLite model",
        "check the framework",
    ),
    "cut by its publisher": (
        asking(content=network("onnx")[:-10]),
        "not an ONNX model",
        "check the framework",
    ),
    "a wrong frozen input": (
        asking("--freeze_placeholder_with_value=training->True"),
        "the network has no input named training that could be frozen",
        "its inputs: image",
    ),
    "a shape that does not fit": (
        asking("--input=image", "--input_shape=[1,5,12,20]", input_info=None),
        "do not match the network",
        "check the declared shape, layout, mean and scale",
    ),
    "a declared shape that is not the network's": (
        asking(input_info=[{"name": "image", "shape": [1, 3, 12, 24], "layout": "NCHW"}]),
        "input image is [1, 3, 12, 20], model.yml declares [1, 3, 12, 24]",
        "correct the shape",
    ),
    "values for other channels": (
        asking("--mean_values=image[1,2]"),
        "model.yml:",
        "",
    ),
}


def test_a_damaged_ir_is_repaired_with_the_flags_of_its_conversion(tmp_path):
    write(tmp_path)
    frames = ["--input_type", "u8", "--input_layout", "NHWC", "--resize"]
    assert_success(converter(tmp_path, *frames))
    damaged = tmp_path / "out/public/net/FP32/net.bin"
    damaged.write_bytes(b"x")
    folders = ["-d", str(tmp_path), "-o", str(tmp_path / "out")]
    registry = ["--models_dir", str(tmp_path / "models")]
    told = posezoo("verify", "net", *registry, *folders).stdout
    mends = told.splitlines()[-1].partition("; ")[2].removesuffix(" repairs the first").split()
    own_folders = ["-d", str(tmp_path), "--weights_dir", str(tmp_path / "out")]
    precision = ["--precisions", "FP32"]
    assert mends == ["posezoo", "convert", "net", *frames, *precision, *own_folders, *registry]


@pytest.mark.parametrize("what", BAD)
def test_a_failed_conversion_is_one_line_with_a_hint_and_keeps_the_earlier_ir(made, what):
    spoil, problem, hint = BAD[what]
    xml = made / "out/public/net/FP32/net.xml"
    before = xml.read_bytes(), xml.with_suffix(".bin").read_bytes()
    spoil(made)
    error = refusal(converter(made, "--force"))
    lines = error.splitlines()
    assert problem in lines[0]
    assert "Traceback" not in error
    assert len(lines) <= 2
    assert hint in error
    assert (xml.read_bytes(), xml.with_suffix(".bin").read_bytes()) == before
    assert import_openvino().Core().compile_model(xml, "CPU")


@pytest.mark.parametrize(
    "argument",
    [
        "foo",
        "",
        " ",
        "--mean_values=",
        "--input_shape=[1,3",
        "--input=x" + "y" * 5000,
        "--output=\x1b[31m",
        "[0]: x",
    ],
)
def test_an_invalid_argument_is_shown_as_it_was_given_and_a_long_one_by_its_ends(made, argument):
    write(made)
    error = refusal(converter(made, "--add_mo_arg=--silent", f"--add_mo_arg={argument}", "--force"))
    told = error.splitlines()[0]
    shown, rest = f"--add_mo_arg={argument}".partition("\x1b")[0], ""
    if len(shown) > 200:
        shown, rest = f"{shown[:130]}…", "y: is longer than 4000 characters"
    assert told.startswith(f"########## Error: {shown}") and told.endswith(rest)
    assert len(told) < 400
    assert "[0]: exp" not in told
    assert "Traceback" not in error
    assert "\x1b" not in error


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--add_mo_arg=--scale=2", "--add_mo_arg=--scale_values=[1,2,3]"], "exclude each other"),
        (["--add_mo_arg=-s=2", "--add_mo_arg=--scale=3"], "--add_mo_arg=--scale is given twice"),
        (["--dynamic", "--resize"], "give one of them"),
        (["--input_layout", "NHWC", "--add_mo_arg=--layout=nchw"], "exclude each other"),
        (["--jobs", "none"], "must be a positive integer"),
        (["--input_type", "u9"], "invalid choice"),
        (["--model_name", "x"], "--model_name requires --checkpoint"),
        (["--all"], "at most one of"),
    ],
)
def test_contradicting_flags_are_wrong_usage(made, flags, problem):
    error = misuse(converter(made, *flags))
    assert problem in error
    assert "Traceback" not in error
