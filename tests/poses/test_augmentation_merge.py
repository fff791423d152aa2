"""Outputs for mirrored and scaled images are merged to outputs for the image."""

import numpy as np
import pytest

from fakes import crowds
from fakes.crowds import Group, group, openpose_maps
from posezoo.poses.augmentation_merge import AugmentedOutputs, merge_openpose
from posezoo.poses.decoders import decode
from posezoo.poses.keypoints import SKELETONS

pytest.importorskip("cv2")


def mirrored(people):
    """The same people in a mirror: their right hand is the left one of who is seen there."""
    order = list(range(17))
    for left, right in SKELETONS["coco-17"].flip_pairs:
        order[left], order[right] = right, left
    joints = people.joints[:, order] * (-1, 1) + (people.size[0], 0)
    return Group(joints, people.there[:, order], people.size)


def enlarged(people, scale):
    return Group(
        people.joints * scale, people.there, tuple(round(side * scale) for side in people.size)
    )


def maps_of(people, noise=0.0):
    heatmaps, pafs = openpose_maps(people, 3, noise=noise)
    return {"heatmaps": heatmaps, "pafs": pafs}


@pytest.fixture
def crowd():
    return group("crowd", 5, crowds.OPENPOSE_SIZE, 4)


def test_a_mirrored_image_turned_back_is_the_image(crowd):
    default = maps_of(crowd)
    merged = merge_openpose(
        [AugmentedOutputs(default), AugmentedOutputs(maps_of(mirrored(crowd)), mirrored=True)]
    )
    for role, maps in default.items():
        assert np.abs(merged[role] - maps).max() < 1e-5, role
    # Without turning back they would not be: the test would see a channel that is not changed.
    assert np.abs(maps_of(mirrored(crowd))["pafs"][:, :, :, ::-1] - default["pafs"]).max() > 0.5


def test_passes_at_several_scales_lie_over_each_other(crowd):
    default, fine = maps_of(crowd), maps_of(enlarged(crowd, 2))
    merged = merge_openpose([AugmentedOutputs(default), AugmentedOutputs(fine, scale=2)])
    assert merged["heatmaps"].shape == fine["heatmaps"].shape
    found = decode("openpose", merged, crowd.size)
    alone = decode("openpose", default, crowd.size)
    assert len(found) == len(alone) == len(crowd)
    truth = crowd.joints[:, 0]
    for pose in found:
        assert np.hypot(*(truth - pose.keypoints[0, :2]).T).min() < 2
