"""IR that users made of their own exports are recognized by their outputs, and find people in their images."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from fakes.command import posezoo as run_posezoo
from posezoo import load
from posezoo.ir.openvino_import import import_openvino

ov = import_openvino()
ops = pytest.importorskip("openvino.opset13")

#: Width and height of the image, which is not square.
IMAGE = (320, 160)


def write_ir(folder, side: int, outputs: dict[str, np.ndarray]):
    """An IR with these outputs for any image."""
    image = ops.parameter([1, 3, side, side], np.float32, name="images")
    nothing = ops.reduce_sum(ops.multiply(image, np.float32(0)), np.array([0, 1, 2, 3]))
    results = []
    for name, values in outputs.items():
        node = ops.add(nothing, ops.constant(values.astype(np.float32)))
        node.output(0).set_names({name})
        results.append(node)
    ov.save_model(ov.Model(results, [image], "own"), folder / "own.xml", compress_to_fp16=False)
    return folder / "own.xml"


def test_a_yolo_pose_runs_from_the_command_line(tmp_path):
    """Its image is in the middle of the input, with the same width; keypoints are on a line."""
    rows = np.zeros((300, 57))
    rows[0, :5] = 100, 200, 500, 400, 0.9
    keypoints = np.stack(
        [np.linspace(100, 500, 17), np.linspace(200, 400, 17), np.ones(17)], axis=1
    )
    rows[0, 6:] = keypoints.reshape(-1)
    xml = write_ir(tmp_path, 640, {"output0": rows[None]})
    cv2.imwrite(str(tmp_path / "scene.png"), np.zeros((*IMAGE[::-1], 3), np.uint8))
    ended = run_posezoo("run", xml, "-i", tmp_path / "scene.png", "-o", tmp_path / "results")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    poses = (tmp_path / "results" / "poses.json").read_text("utf-8")
    assert "coco-17" in poses and "left_ankle" in json.dumps(json.loads(poses))
    (pose,) = load(xml)(np.zeros((*IMAGE[::-1], 3), np.uint8))
    # 640 pixels are 320; above the image are 160 pixels of grey.
    expected = (keypoints[:, :2] - [0, 160]) / 2
    assert np.abs(pose.keypoints[:, :2] - expected).max() < 0.01
    assert pose.score == pytest.approx(0.9)


def test_rf_detr_stretches_its_image(tmp_path):
    queries = np.zeros((1, 100, 17, 8))
    queries[0, 0, :, 0] = np.linspace(0.1, 0.9, 17)
    queries[0, 0, :, 1] = np.linspace(0.2, 0.6, 17)
    queries[0, 0, :, 2] = 9
    queries[0, 0, :, [4, 6]] = 4
    labels = np.full((1, 100, 2), -9.0)
    labels[0, 0, 0] = 9
    outputs = {"dets": np.zeros((1, 100, 4)), "labels": labels, "keypoints": queries}
    xml = write_ir(tmp_path, 576, outputs)
    (pose,) = load(xml)(np.zeros((*IMAGE[::-1], 3), np.uint8))
    expected = queries[0, 0, :, :2] * IMAGE
    assert np.abs(pose.keypoints[:, :2] - expected).max() < 0.01
