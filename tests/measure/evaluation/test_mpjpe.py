"""3D poses are compared with the ground truth with their necks aligned."""

import cv2
import numpy as np
import pytest

from fakes.coco import annotations, person, read_written
from posezoo.core.errors import DatasetError
from posezoo.measure.evaluation import evaluate
from posezoo.poses.keypoints import SKELETONS, Pose, Pose3D

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")

NAMES = SKELETONS["panoptic-19"].keypoints
FLAT = np.column_stack([100 + 9 * np.arange(19), 50 + 20 * np.arange(19), np.full(19, 2)]).astype(
    float
)
SPACE_MM = np.random.default_rng(2).normal((0, 0, 3000), 400, (19, 3))


def dataset(tmp_path, space=SPACE_MM, known=None):
    known = np.ones(19) if known is None else known
    in_space = np.column_stack([space, known]).ravel().tolist()
    found = person(1, 1, FLAT, bbox=(100, 50, 170, 360), keypoints_3d=in_space)
    content = annotations(1, [found])
    content["categories"] = [{"id": 1, "name": "person", "keypoints": list(NAMES)}]
    cv2.imwrite(str(tmp_path / "000000000001.jpg"), np.zeros((480, 640, 3), np.uint8))
    return read_written(tmp_path, content)


def finds(space_mm):
    neck = NAMES.index("neck")
    relative = ((space_mm - space_mm[neck]) / 10).astype(np.float32)
    keypoints = FLAT.astype(np.float32) * (1, 1, 0.5)
    pose = Pose3D(
        keypoints, "panoptic-19", 0.9, (0, 0, 9, 9), relative, np.array([1, 2, 300], np.float32)
    )
    return lambda image: [pose]


def test_a_correct_pose_has_no_error_wherever_the_camera_is(tmp_path):
    metrics = evaluate(
        finds(SPACE_MM), dataset(tmp_path, SPACE_MM + np.array([500, -20, 1000]))
    ).figures
    assert metrics["MPJPE_mm"] == pytest.approx(0, abs=1e-3)
    assert metrics["AP"] == pytest.approx(1)


def test_the_error_is_the_mean_over_the_labelled_joints(tmp_path):
    off, known = SPACE_MM.copy(), np.ones(19)
    off[NAMES.index("left_wrist")] += (30, 0, 40)
    off[NAMES.index("left_ankle")] += (999, 0, 0)
    known[NAMES.index("left_ankle")] = 0
    truth = dataset(tmp_path, known=known)
    metrics = evaluate(finds(off), truth, keep=tmp_path / "kept.jsonl").figures
    assert metrics["MPJPE_mm"] == pytest.approx(50 / 17, abs=1e-3)
    # The cached predictions give the same metrics without the model.
    again = evaluate(lambda image: 1 / 0, truth, keep=tmp_path / "kept.jsonl")
    assert (again.cached_count, again.figures) == (1, metrics)


def test_a_model_without_3d_poses_has_no_mpjpe(tmp_path):
    pose = Pose(FLAT.astype(np.float32), "panoptic-19", 0.9, (0, 0, 9, 9))
    assert "MPJPE_mm" not in evaluate(lambda image: [pose], dataset(tmp_path)).figures


def test_a_wrong_number_of_3d_joints_is_refused(tmp_path):
    with pytest.raises(
        DatasetError, match=r"annotations\[0\].keypoints_3d: expected 76 numbers, got 72"
    ):
        dataset(tmp_path, SPACE_MM[:18], np.ones(18))
