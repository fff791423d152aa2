"""What OpenMMLab's networks give is decoded as their publisher does it, where rtmlib differs."""

import numpy as np
import pytest

from posezoo import decode
from posezoo.core.errors import InferenceError

pytest.importorskip("cv2")


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


def test_rtmo_finds_people_from_the_usual_score_of_mmposes_demo():
    """``--bbox-thr`` of its inferencer_demo.py is 0.3; rtmlib takes 0.7."""
    dets = np.array([[[0, 0, 9, 9, 0.31], [20, 20, 29, 29, 0.29]]])
    keypoints = np.arange(2 * 17 * 3, dtype=float).reshape(1, 2, 17, 3)
    (pose,) = decode("rtmo", {"dets": dets, "keypoints": keypoints}, (640, 640))
    assert pose.score == pytest.approx(0.31)
