"""Of poses of the same person, the one of the highest score is kept."""

import math

import numpy as np

from posezoo.poses.keypoints import SKELETONS, Pose
from posezoo.poses.top_down import suppress_by_oks


def pose(x, score):
    keypoints = np.ones((17, 3), np.float32)
    keypoints[:, 0] = np.arange(17) * 10 + x
    return Pose(keypoints, "coco-17", score, (0, 0, 200, 200))


def test_of_two_alike_the_surer_one_stays_and_the_surest_comes_first():
    poses = [pose(0, 0.5), pose(1, 0.9), pose(150, 0.95)]
    assert suppress_by_oks(poses, [4e4] * 3, max_similarity=0.9) == [2, 1]


def test_similarity_is_relative_to_the_area_of_the_crop():
    """HRNet's: exp(-d^2 / (2 (2 sigma)^2 area)), the mean over the keypoints, the mean of both areas."""
    areas, apart = (1e4, 3e4), 12.0
    sigmas = SKELETONS["coco-17"].sigmas
    alike = sum(math.exp(-(apart**2) / (2 * (2 * sigma) ** 2 * 2e4)) for sigma in sigmas) / 17
    both = [pose(0, 0.9), pose(apart, 0.8)]
    assert len(suppress_by_oks(both, areas, max_similarity=alike + 1e-4)) == 2
    assert len(suppress_by_oks(both, areas, max_similarity=alike - 1e-4)) == 1
