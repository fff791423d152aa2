"""The people that published programs found in the same maps, as ../shared has them."""

import numpy as np
import pytest

from fakes.command import read_json
from posezoo import decode
from posezoo.poses.keypoints import to_pixel_indices

pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def published(shared):
    return read_json(shared / "facts" / "reference" / "decoding" / "post_torch.json")


def maps(shared, name):
    return {
        key: each[None] for key, each in np.load(shared / "facts/reference/decoding" / name).items()
    }


def holds(poses, expected):
    assert len(poses) == len(expected["poses"])
    for pose, keypoints, score in zip(poses, expected["poses"], expected["scores"], strict=True):
        assert np.allclose(pose.keypoints, np.array(keypoints)[:, :3], atol=1e-5)
        assert pose.score == pytest.approx(score, rel=1e-5)


def test_the_default_agrees_with_the_published_groups(shared, published):
    """Better places, the same people: HigherHRNet's own grouping on the same maps."""
    reference = maps(shared, "ae_maps.npz")
    outputs = {"heatmaps": reference["heatmaps"], "embeddings": reference["tags"]}
    poses = decode("associative_embedding", outputs, (96, 64))
    expected = np.array(published["higherhrnet_parse"]["adjust=True,refine=True"]["poses"])[
        :, :, :2
    ]
    found = np.array([pose.keypoints[:, :2] for pose in poses])
    apart = np.linalg.norm(found[:, None] - expected, axis=3)
    assert len(found) == len(expected)
    for one in apart:
        assert (np.median(one, axis=1) < 1).sum() == 1
    # The drawn joints are in cells, as COCO's files.
    cells = np.array([to_pixel_indices(pose.keypoints)[:, :2] for pose in poses])
    truth = reference["gt"][0]
    assert np.median(np.linalg.norm(cells[:, None] - truth, axis=3), axis=2).min(axis=1).max() < 0.5


def test_the_default_finds_the_people_of_lightweight_openpose(shared, published):
    reference = maps(shared, "openpose_maps.npz")
    outputs = {"heatmaps": reference["heatmaps"], "pafs": reference["pafs"]}
    poses = decode("openpose", outputs, (8 * 96, 8 * 64))
    entries = published["lightweight_openpose"]["upsample=1"]["pose_entries"]
    peaks = np.array(published["lightweight_openpose"]["upsample=1"]["all_keypoints"])
    assert len(poses) == len(entries) == 3
    # A cell has 8 pixels; its middle is an index.
    found = [pose.keypoints[:, :2] / 8 - 0.5 for pose in poses]
    for entry in entries:
        ids = np.array(entry[:18]).astype(int)
        there = ids >= 0
        cells = peaks[ids[there], :2]
        apart = [np.linalg.norm(ours[there] - cells, axis=1).max() for ours in found]
        assert min(apart) < 1
