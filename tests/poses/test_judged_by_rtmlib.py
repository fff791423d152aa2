"""Our decoders find what rtmlib's post-processing finds in the same outputs, at most 0.1 px apart.

rtmlib_results.json was written by the classes RTMPose, RTMO, YOLOX and RTMDet of rtmlib 0.0.16 for the
outputs of rtmlib_outputs.py, with a score of 0.7 (RTMO 0.72) and an overlap of 0.45.
"""

from pathlib import Path

import numpy as np
import pytest

from fakes.command import read_json
from posezoo import decode
from posezoo.core.errors import InferenceError

from .rtmlib_outputs import SIZE, rtmdet_outputs, rtmo_outputs, simcc_outputs, yolox_outputs

pytest.importorskip("cv2")

RESULTS = read_json(Path(__file__).with_name("rtmlib_results.json"))


@pytest.mark.parametrize("count", [17, 26, 133])
def test_simcc(count):
    """rtmlib returns -0.5 for a missing keypoint; its score is the mean of two maxima, MMPose's the lower one."""
    maps = simcc_outputs(count)
    (pose,) = decode("simcc", maps, SIZE)
    expected = np.array(RESULTS[f"simcc {count}"])
    is_found = pose.keypoints[:, 2] > 0
    assert np.array_equal(is_found, (expected >= 0).all(axis=1)) and 5 < is_found.sum() < count
    assert np.abs(pose.keypoints[:, :2] - expected)[is_found].max() <= 0.1
    maxima = [maps[role][0].max(axis=1)[is_found] for role in ("simcc_x", "simcc_y")]
    assert np.allclose(pose.keypoints[is_found, 2], np.minimum(*maxima))
    mean = np.array(RESULTS[f"simcc {count} mean"])[is_found]
    assert np.allclose(np.mean(maxima, axis=0), mean, atol=1e-4)


def test_the_depths_of_rtmw3d_are_those_of_its_publisher():
    """MMPose's SimCC3DLabel: the input is 288 deep, and its middle that of the hips.

    rtmlib's RTMPose3d takes the height, 384, for the depth, which moves the hips by 0.54 m.
    """
    rng = np.random.RandomState(3)
    maps = {
        f"simcc_{axis}": rng.uniform(-1, 1, (1, 133, 2 * side)).astype(np.float32)
        for axis, side in zip("xyz", (288, 384, 288), strict=True)
    }
    maps["simcc_x"][0, :9] = -1  # missing
    (pose,) = decode("simcc", maps, (288, 384))
    (flat,) = decode("simcc", {**maps, "simcc_z": maps["simcc_z"] * 0}, (288, 384))
    assert (pose.keypoints == flat.keypoints).all()
    bins_in_a_step = 2
    place = maps["simcc_z"][0].argmax(axis=1) / bins_in_a_step
    expected = (place / (288 / 2) - 1) * 2.1744869
    expected[:9] = 0
    assert np.abs(pose.depths - expected).max() < 1e-6
    written = [each["z_m"] for each in pose.to_json()["keypoints"]]
    assert np.allclose(written, expected, atol=1e-6)
    with pytest.raises(InferenceError, match="133 keypoints in x, and 17 in z"):
        decode("simcc", {**maps, "simcc_z": maps["simcc_z"][:, :17]}, (288, 384))


def test_rtmo():
    poses = decode("rtmo", rtmo_outputs(), (640, 640), min_score=0.72)
    expected = np.array(RESULTS["rtmo"])
    assert len(poses) == len(expected) == 5
    assert np.abs([pose.keypoints for pose in poses] - expected).max() <= 0.1


def test_rtmo_finds_people_from_the_usual_score_of_mmposes_demo():
    """``--bbox-thr`` of its inferencer_demo.py is 0.3; rtmlib takes 0.7."""
    dets = np.array([[[0, 0, 9, 9, 0.31], [20, 20, 29, 29, 0.29]]])
    keypoints = np.arange(2 * 17 * 3, dtype=float).reshape(1, 2, 17, 3)
    (pose,) = decode("rtmo", {"dets": dets, "keypoints": keypoints}, (640, 640))
    assert pose.score == pytest.approx(0.31)


@pytest.mark.parametrize("size", [(416, 416), (640, 640)])
def test_yolox(size):
    """Boxes are clipped to the input here, and in the image in rtmlib."""
    poses = decode("yolox", yolox_outputs(size), size, min_box_score=0.7)
    expected = np.array(RESULTS[f"yolox {size[0]}"]).clip(0, size[0])
    assert len(poses) == len(expected) > 20
    assert np.abs([pose.box for pose in poses] - expected).max() <= 0.1


def test_rtmdet():
    poses = decode("rtmdet", rtmdet_outputs(), (320, 320), min_box_score=0.7)
    expected = np.array(RESULTS["rtmdet"])
    assert len(poses) == len(expected) == 6
    assert np.abs([pose.box for pose in poses] - expected).max() <= 0.1
