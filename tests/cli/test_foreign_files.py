"""Files of other programs that are named in place of a model: what they are, and what to do."""

import json
import re
import zipfile

import pytest

from fakes.checkout import ROOT
from fakes.command import omz_tool, posezoo, refusal
from fakes.when_used import needs

KINDS = {
    "net.h5": ("a network of Keras", "keras.models.load_model('net.h5').export('net')"),
    "net.keras": ("a network of Keras", "posezoo convert net -o net.xml"),
    "net.pt2": ("a network that torch.export wrote", "torch.onnx.export"),
    "net.engine": ("an engine of TensorRT", "get the .onnx"),
    "net.mlpackage": ("a network of Core ML", "get the .onnx"),
    "net.nb": ("a network of Paddle Lite", "get the .onnx"),
    "pose.task": ("a bundle of MediaPipe", "unzip pose.task"),
    "net.dlc": ("a network for Qualcomm's devices", "get the .onnx"),
    "net.torchscript": ("a program of TorchScript", "torch.onnx.export"),
    "pose.zip": ("an archive", "unpack it"),
    "net.bin": ("weights without their network", "the .xml beside it"),
    "net.tflite": ("a network of TensorFlow Lite", "posezoo convert net.tflite -o net.xml"),
}


@pytest.mark.parametrize("verb", ["run", "evaluate", "info", "benchmark"])
@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_another_program_is_named(tmp_path, verb, name):
    (tmp_path / name).write_bytes(bytes(100))
    kind, advice = KINDS[name]
    error = refusal(posezoo(verb, name, cwd=tmp_path))
    assert f"error: {name}: is {kind}" in error
    assert advice in error
    assert "no model is called" not in error


def write_paddle_3(path):
    """A network of one input, as PaddlePaddle 3.3.1 writes it."""
    data = {"#": "1.data", "A": [{"AT": {"#": "0.a_str", "D": "x"}, "N": "name"}], "I": [], "O": []}
    block = {"#": "block_0", "args": [], "ops": [data]}
    network = {
        "base_code": {"magic": "pir", "trainable": True, "version": 4},
        "program": {"regions": [{"#": "region_0", "blocks": [block]}]},
    }
    path.write_text(json.dumps(network, separators=(",", ":")), encoding="utf-8")


def write_exported(path):
    """An archive with the members that torch.export writes (PyTorch 2.13)."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/archive_format", "pt2")
        archive.writestr("net/models/model.json", "{}")
        archive.writestr("net/data/sample_inputs/model.pt", b"PK")


NEW_KINDS = {
    "inference.json": (
        write_paddle_3,
        "a network of PaddlePaddle 3 in its new format (PIR)",
        "FLAGS_enable_pir_api=0",
    ),
    "net.pt2": (write_exported, "a network that torch.export wrote", "torch.onnx.export"),
}
COMMANDS = {
    "mo": ["--input_model"],
    "mo with the framework": ["--framework=pytorch", "--input_model"],
    "convert to a file": ["convert", "-o", "net.xml"],
    "run": ["run"],
    "convert": ["convert"],
}


@pytest.mark.parametrize("name", NEW_KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_new_formats_of_frameworks_are_named(tmp_path, command, name):
    write, kind, advice = NEW_KINDS[name]
    write(tmp_path / name)
    words = [*COMMANDS[command], name]
    ended = (
        omz_tool("mo", *words, cwd=tmp_path) if "mo" in command else posezoo(*words, cwd=tmp_path)
    )
    assert ended.returncode == 1
    if "framework" not in command:
        assert f"{name}: is {kind}, which is not read here" in ended.stderr
    assert advice in ended.stderr
    assert not list(tmp_path.glob("*.xml"))


@pytest.mark.parametrize("verb", ["run", "info"])
def test_a_name_that_is_no_file_is_no_model(tmp_path, verb):
    assert "net.h5: no such file" in refusal(posezoo(verb, "net.h5", cwd=tmp_path))


def test_a_network_of_ultralytics_is_exported_with_their_program(tmp_path):
    torch = needs("torch")

    kind = type("PoseModel", (torch.nn.Module,), {"__module__": "ultralytics.nn.tasks"})
    module = type(torch)("ultralytics.nn.tasks")
    module.PoseModel = kind
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ultralytics", "ultralytics.nn", "ultralytics.nn.tasks"):
            patch.setitem(__import__("sys").modules, name, module)
        torch.save({"model": kind(), "epoch": -1}, tmp_path / "yolo11n-pose.pt")
    for words in (["run", "yolo11n-pose.pt"], ["convert", "yolo11n-pose.pt"]):
        error = refusal(posezoo(*words, cwd=tmp_path))
        assert "refers to 'ultralytics.nn.tasks.PoseModel'" in error
        assert "yolo export model=yolo11n-pose.pt format=onnx" in error
    (tmp_path / "torch.py").write_text("raise ImportError")
    without_torch = posezoo("run", "yolo11n-pose.pt", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert "yolo export model=yolo11n-pose.pt format=onnx" in without_torch.stderr


def test_a_bundle_of_mediapipe_tasks_leads_to_the_models_and_the_page_of_tasks(tmp_path):
    (tmp_path / "pose_landmarker.task").write_bytes(b"PK")
    ended = posezoo("run", "pose_landmarker.task", cwd=tmp_path)
    (pattern,) = re.findall(r"posezoo list '([^']+)'", ended.stderr)
    assert "blazepose-full" in posezoo("list", pattern).stdout
    page, heading = re.search(r"(docs/\S+\.md)#(\S+)", ended.stderr).groups()
    headings = re.findall("^## (.+)", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    assert heading in [each.lower().replace(" ", "-") for each in headings]
