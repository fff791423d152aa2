"""Networks that other programs exported, through every verb: Ultralytics, PaddlePaddle, and OpenVINO for PyTorch."""

import subprocess
from pathlib import Path

import cv2
import numpy as np
import openvino
import pytest

from fakes.command import posezoo, read_json, succeeded
from judges.agreement import pairs
from judges.packages import python_of
from posezoo import load

SCRIPT = Path(__file__).with_name("run_ultralytics.py")

#: How far a point may be from that of ``predict``, in pixels of the photo. Few people differ: those whose overlap is at
#: the limit of the suppression.
NEAR_PX = 1
ALIKE = 0.95

HEATMAPS = ("--decoder", "heatmap", "--detector", "none", "--scale_values", "255")


@pytest.fixture(scope="module")
def photos(shared):
    return sorted((shared / "data" / "photos").glob("*.jpg"))[:3]


@pytest.fixture(scope="module")
def answers(photos, tmp_path_factory):
    """The path of each of Ultralytics' exports, and whom its own ``predict`` finds."""
    folder = tmp_path_factory.mktemp("ultralytics")
    command = [python_of("ultralytics-env", "ultralytics-env"), SCRIPT, folder, *photos]
    subprocess.run(command, check=True, capture_output=True, timeout=1800)
    return read_json(folder / "answers.json")


def export_torch(folder):
    """Heat maps of 17 keypoints; OpenVINO gives neither input nor output a name."""
    torch = pytest.importorskip("torch", reason="needs torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=4, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 17, 1)
    )
    example = torch.zeros(1, 3, 128, 96)
    model = openvino.convert_model(network.eval(), example_input=example, input=example.shape)
    openvino.save_model(model, folder / "torch.xml")
    return folder / "torch.xml"


def export_paddle(folder):
    script = SCRIPT.with_name("run_paddle.py")
    command = [python_of("paddle-env", "paddle-env"), script, folder]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return folder / "paddle.pdmodel"


@pytest.fixture(scope="module")
def networks(request, tmp_path_factory):
    """The path of an export by its name, and the flags that it needs."""

    def find(name):
        if name == "torch":
            return export_torch(tmp_path_factory.mktemp("torch")), HEATMAPS
        if name == "paddle":
            return export_paddle(tmp_path_factory.mktemp("paddle")), HEATMAPS
        return Path(request.getfixturevalue("answers")[name]["path"]), ()

    return find


@pytest.mark.parametrize("name", ["onnx", "openvino", "litert"])
def test_people_are_those_of_ultralytics_own_predict(answers, photos, tmp_path, name):
    path = Path(answers[name]["path"])
    if name == "litert":
        output = tmp_path / "litert.xml"
        succeeded(posezoo("convert", path, "-o", output, "--precisions", "FP32"))
        path = output
    estimator = load(path, listener=None)
    compared = 0
    for photo, judged in zip(photos, answers[name]["people"], strict=True):
        image = cv2.imread(str(photo))
        limits = image.shape[1::-1]
        # Ultralytics moves keypoints outside the photo to its sides.
        people = [pose for pose in estimator(image) if pose.score >= 0.5]
        found = [pose.keypoints[:, :2].clip(0, limits) for pose in people]
        judged = [np.array(points) for points in judged]
        near = [
            np.abs(judged[one] - found[other]).max() < NEAR_PX
            for one, other in pairs(judged, found)
        ]
        assert sum(near) >= ALIKE * max(len(judged), len(found)), (len(judged), len(found))
        compared += len(near)
    assert compared > 20


#: What each verb adds to its name and the network, and what it says of exports that it does not take.
VERBS = {
    "info": ("", {}),
    "run": ("--input PHOTO --output out", {}),
    "evaluate": ("--images FOLDER --annotations FOLDER/person_keypoints.json --output out", {}),
    "quantize": (
        "--dataset_dir FOLDER --output out",
        # Random weights are no good ones for INT8.
        {
            "onnx": "is no IR",
            "paddle": "is no IR",
            "openvino": "required 75%",
            "torch": "required 75%",
        }
        | {"int8": "quantized already"},
    ),
    "benchmark": ("--seconds 0.1", {}),
    "export": ("--to onnx out", {"int8": "--to cpp runs its IR"}),
    "convert": ("--output out.xml", {"torch": "is an IR, which is not read here"}),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", ["onnx", "openvino", "int8", "litert", "torch", "paddle"])
def test_each_verb_takes_the_export_or_says_what_to_type(networks, photos, tmp_path, name, verb):
    path, flags = networks(name)
    words, refused = VERBS[verb]
    words = [
        word.replace("PHOTO", str(photos[0])).replace("FOLDER", str(photos[0].parent))
        for word in words.split()
    ]
    if flags and verb == "run":
        words += flags
    elif flags and verb not in ("info", "convert", "benchmark"):
        succeeded(posezoo("new", path, *flags, cwd=tmp_path))
        words += ["--as", path.with_suffix(".yml")]
    ended = posezoo(verb, path, *words, cwd=tmp_path)
    problem = refused.get(name, "")
    if name == "litert" and verb != "convert":
        problem = "posezoo convert"
    if ended.returncode in (1, 2) and problem:
        assert problem in ended.stderr
    else:
        succeeded(ended)
