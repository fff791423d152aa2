"""Export a network for poses with Ultralytics, and find people with its own ``predict``: run_ultralytics.py FOLDER PHOTO...

``make build/ultralytics-env`` makes the environment in which it runs. Weights cannot be had offline, so they are random, but
normalized on the photos: what the network finds depends on the picture. answers.json in FOLDER has for each export its
path, and for each photo the keypoints (K, 2) of each person in pixels, which ``predict`` moves into the photo.
"""

import importlib.machinery
import json
import os
import shutil
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import openvino
import torch
import yaml

SIZE = 192
MIN_SCORE = 0.5
#: The share of all places where the network finds a person.
FOUND = 0.03

# Its wheels do not load beside PyTorch for CPUs alone; Ultralytics only takes NMS from it, which it also has itself.
torchvision = types.ModuleType("torchvision")
torchvision.__spec__ = importlib.machinery.ModuleSpec("torchvision", None)
torchvision.ops = types.SimpleNamespace()
sys.modules["torchvision"] = torchvision
os.environ["YOLO_OFFLINE"] = "true"

import ultralytics  # noqa: E402
from ultralytics import YOLO  # noqa: E402
from ultralytics.utils.nms import TorchNMS  # noqa: E402

torchvision.ops.nms = TorchNMS.nms


def make_network(folder: Path, photos: list[Path]) -> Path:
    published = Path(ultralytics.__file__).parent / "cfg" / "models" / "11" / "yolo11-pose.yaml"
    own = folder / "yolo11n-own-pose.yaml"
    own.write_text(yaml.safe_dump(yaml.safe_load(published.read_text()) | {"nc": 1}))
    torch.manual_seed(0)
    model = YOLO(own)
    images = [cv2.resize(cv2.imread(str(photo)), (SIZE, SIZE))[..., ::-1] for photo in photos]
    batch = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / 255)
    for layer in model.model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # the mean of all batches
    head = model.model.model[-1]
    with torch.inference_mode():
        model.model.train()(batch)
    with torch.no_grad():
        for branch in head.cv4:  # keypoints are near the person
            branch[-1].weight *= 0.02
        for branch in head.cv2:  # boxes are a few cells wide
            branch[-1].bias -= torch.arange(head.reg_max).repeat(4) / 2
        for branch in head.cv3:
            branch[-1].bias.zero_()
        scores = torch.logit(model.model.eval()(batch)[0][:, 4].double())
        middle, spread = float(scores.quantile(1 - FOUND)), float(scores.std())
        for branch in head.cv3:
            branch[-1].weight /= spread
            branch[-1].bias.fill_(-middle / spread)
    model.save(folder / "own-pose.pt")
    return folder / "own-pose.pt"


def write_data(folder: Path, photos: list[Path]) -> Path:
    """The photos as a data set, for INT8."""
    for part in ("images", "labels"):
        (folder / "set" / part).mkdir(parents=True)
    for photo in photos:
        shutil.copy(photo, folder / "set" / "images")
        label = folder / "set" / "labels" / f"{photo.stem}.txt"
        label.write_text("0 .5 .5 .5 .5 " + ".5 .5 2 " * 17)
    described = {"path": str(folder / "set"), "train": "images", "val": "images"}
    described |= {"kpt_shape": [17, 3], "names": {0: "person"}}
    (folder / "set.yaml").write_text(yaml.safe_dump(described))
    return folder / "set.yaml"


def run_in_f32() -> None:
    """OpenVINO computes in bf16 where it can, and posezoo does not."""
    compiled = openvino.Core.compile_model

    def compile_model(core, model, device_name="CPU", config=None):
        return compiled(core, model, "CPU", {**(config or {}), "INFERENCE_PRECISION_HINT": "f32"})

    openvino.Core.compile_model = compile_model


def main(folder: Path, *photos: Path) -> None:
    weights = make_network(folder, photos)
    data = str(write_data(folder, photos))
    run_in_f32()
    answers = {}
    for name, options in {
        "onnx": {"format": "onnx"},
        "openvino": {"format": "openvino"},
        "int8": {"format": "openvino", "quantize": 8, "data": data},
        "litert": {"format": "litert"},
    }.items():
        exported = Path(YOLO(weights).export(imgsz=SIZE, **options))
        (folder / name).mkdir()
        path = Path(shutil.move(exported, folder / name))
        network = YOLO(path, task="pose")
        people = []
        for photo in photos:
            (result,) = network.predict(str(photo), imgsz=SIZE, conf=MIN_SCORE, verbose=False)
            people.append(result.keypoints.xy.tolist())
        answers[name] = {"path": str(path), "people": people}
    (folder / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
