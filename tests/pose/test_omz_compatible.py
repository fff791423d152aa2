"""compatible=True returns the results of Open Model Zoo's decoders, except for one error of theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import crowds
from posezoo import decode
from posezoo.pose.keypoints import Pose

pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def published(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "facts" / "reference" / "decoding" / "post_torch.json").read_text())


def maps(shared: Path, name: str) -> dict[str, np.ndarray]:
    return {
        key: each[None] for key, each in np.load(shared / "facts/reference/decoding" / name).items()
    }


def holds(poses: list[Pose], expected: dict[str, Any]) -> None:
    assert len(poses) == len(expected["poses"])
    for pose, keypoints, score in zip(poses, expected["poses"], expected["scores"], strict=True):
        assert np.allclose(pose.keypoints, np.array(keypoints)[:, :3], atol=1e-5)
        assert pose.score == pytest.approx(score, rel=1e-5)


def test_openpose_returns_the_published_decoders_result(shared, published):
    """At a stride of 1: in cells, as that one counts. All 96 x 64 cells are the input."""
    reference = maps(shared, "openpose_maps.npz")
    outputs = {"heatmaps": reference["heatmaps"], "pafs": reference["pafs"]}
    # A stride of 8 gives the NMS of a network that is not upsampled.
    poses = decode("openpose", outputs, (8 * 96, 8 * 64), compatible=True)
    expected = published["omz_openpose_decode"]
    scaled = np.array(expected["poses"]) * (8, 8, 1)
    holds(poses, {**expected, "poses": scaled})


@pytest.mark.parametrize(
    ("key", "options"),
    [
        (
            "adjust=False,refine=False,pose_threshold=0.0",
            {"adjust": False, "refine": False, "min_score": 0.0},
        ),
        ("adjust=True,refine=True,pose_threshold=0.0", {"min_score": 0.0}),
        ("adjust=True,refine=True,pose_threshold=0.1", {}),
    ],
)
def test_embeddings_return_the_published_decoders_result(shared, published, key, options):
    reference = maps(shared, "ae_maps.npz")
    outputs = {"heatmaps": reference["heatmaps_negated"], "embeddings": reference["tags"]}
    poses = decode("associative_embedding", outputs, (96, 64), compatible=True, **options)
    holds(poses, published["omz_ae_decode"][key])


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
    truth = reference["gt"][0] + 0.5
    assert np.median(np.linalg.norm(found[:, None] - truth, axis=3), axis=2).min(axis=1).max() < 0.5


def test_the_default_finds_the_people_of_lightweight_openpose(shared, published):
    reference = maps(shared, "openpose_maps.npz")
    outputs = {"heatmaps": reference["heatmaps"], "pafs": reference["pafs"]}
    poses = decode("openpose", outputs, (8 * 96, 8 * 64))
    entries = published["lightweight_openpose"]["upsample=1"]["pose_entries"]
    peaks = np.array(published["lightweight_openpose"]["upsample=1"]["all_keypoints"])
    assert len(poses) == len(entries) == 3
    for entry in entries:
        ids = np.array(entry[:18]).astype(int)
        there = ids >= 0
        cells = peaks[ids[there], :2] + 0.5
        apart = [
            np.linalg.norm(pose.keypoints[there, :2] / 8 - cells, axis=1).max() for pose in poses
        ]
        assert min(apart) < 1


def flat(value: float = 0.0, channels: int = 17) -> np.ndarray:
    return np.full((1, channels, 64, 64), value, np.float32)


def test_removing_a_person_keeps_the_tags_of_the_others():
    """The mistake that is not copied: there the second person's wrist is looked for by the first one's tag."""
    heatmaps, tags = flat(-1e-6), flat(9)
    for number, (row, tag, score) in enumerate([(10, 0.0, 0.12), (40, 3.0, 0.9)]):
        for joint in range(16):
            heatmaps[0, joint, row, 3 * joint + 3] = score
            tags[0, joint, row, 3 * joint + 3] = tag
        heatmaps[0, 16, row, 60] = -0.05  # the right ankle: too weak to be a peak
        tags[0, 16, row, 60] = tag
        assert number < 2
    outputs = {"heatmaps": heatmaps, "embeddings": tags}
    (pose,) = decode("associative_embedding", outputs, (64, 64), compatible=True, min_score=0.2)
    assert pose.keypoints[16].tolist() == pytest.approx([60, 40, 0.05])


def test_delta_is_added_to_missing_joints_and_not_to_refined_ones():
    heatmaps, tags = flat(0), flat(9)
    for joint in range(15):
        heatmaps[0, joint, 20, 3 * joint + 3], tags[0, joint, 20, 3 * joint + 3] = 0.9, 0
    heatmaps[0, 15, 30, 30], tags[0, 15, 30, 30] = 0.05, 0
    outputs = {"heatmaps": heatmaps, "embeddings": tags}
    (pose,) = decode("associative_embedding", outputs, (64, 64), compatible=True, delta=0.5)
    assert pose.keypoints[0].tolist() == pytest.approx([3.5, 20.5, 0.9])
    assert pose.keypoints[15].tolist() == pytest.approx([30, 30, 0.05])
    assert pose.keypoints[16].tolist() == [0.5, 0.5, 0]


def test_nms_heatmaps_are_used_if_they_are_given():
    plain, tags = crowds.embedding_maps(crowds.group("plain", 2, (512, 512)), 2)
    nms = np.where(plain == crowds.pooled(plain, 2), plain, 0)
    turned = crowds.negated(plain)
    size = (512, 512)
    beside = {"heatmaps": plain, "nms_heatmaps": nms, "embeddings": tags}
    inside = {"heatmaps": turned, "embeddings": tags}
    one = decode("associative_embedding", beside, size, compatible=True)
    other = decode("associative_embedding", inside, size, compatible=True)
    assert len(one) == len(other) > 0
    assert all(np.array_equal(a.keypoints, b.keypoints) for a, b in zip(one, other, strict=True))


def openpose_case() -> tuple[np.ndarray, np.ndarray]:
    """A right arm: neck, shoulder, elbow, wrist, five cells apart, on row 10."""
    heatmaps, pafs = flat(channels=19), flat(channels=38)
    for place, joint in enumerate((1, 2, 3, 4)):
        heatmaps[0, joint, 10, 10 + 5 * place] = 0.8
    for channel in (12, 14, 16):
        pafs[0, channel, 9:12, 5:30] = 1
    return heatmaps, pafs


def test_scores_are_sums_times_the_keypoints_less_one():
    heatmaps, pafs = openpose_case()
    (pose,) = decode("openpose", {"heatmaps": heatmaps, "pafs": pafs}, (512, 512), compatible=True)
    assert pose.score == pytest.approx((4 * 0.8 + 3) * 3, rel=1e-4)
    assert pose.skeleton == "coco-17"
    # The right wrist.
    assert pose.keypoints[10].tolist() == pytest.approx([8 * 25.5, 8 * 10.5, 0.8])
    assert pose.keypoints[0].tolist() == [0, 0, 0]


def test_a_plateau_is_two_peaks_and_a_joint_that_is_replaced_counts_again():
    """Two elbows on one plateau, and a wrist that only the second of them reaches."""
    heatmaps, pafs = openpose_case()
    heatmaps[0, 3, 10, 21] = 0.8
    (ours,) = decode("openpose", {"heatmaps": heatmaps, "pafs": pafs}, (512, 512))
    reference = decode(
        "openpose", {"heatmaps": heatmaps, "pafs": pafs}, (512, 512), compatible=True
    )
    assert (ours.keypoints[:, 2] > 0).sum() == 4
    assert len(reference) == 1


def test_no_detections_give_no_people():
    assert (
        decode(
            "openpose", {"heatmaps": flat(0, 19), "pafs": flat(0, 38)}, (512, 512), compatible=True
        )
        == []
    )
    outputs = {"heatmaps": flat(), "embeddings": flat()}
    assert decode("associative_embedding", outputs, (64, 64), compatible=True) == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_maps_that_are_no_numbers_in_places_leave_the_rest(poison):
    heatmaps, pafs = openpose_case()
    heatmaps[0, 9, 2:5, 3] = pafs[0, 5, 9:12, 7] = poison
    heatmaps[0, 3, 10, 22] = poison  # beside the elbow, whose place its neighbours tell
    (pose,) = decode("openpose", {"heatmaps": heatmaps, "pafs": pafs}, (512, 512), compatible=True)
    assert np.isfinite(pose.keypoints).all() and (pose.keypoints[:, 2] > 0).sum() >= 3
    heat, tags = flat(), flat()
    heat[0, :9, 4, 4] = 1.0
    tags[0, :, 1, 1] = poison
    (pose,) = decode(
        "associative_embedding", {"heatmaps": heat, "embeddings": tags}, (64, 64), compatible=True
    )
    assert np.isfinite(pose.keypoints).all() and (pose.keypoints[:, 2] > 0).sum() == 9
