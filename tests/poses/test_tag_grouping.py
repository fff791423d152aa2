"""Peaks are grouped to people by their tags."""

import numpy as np
import pytest

from posezoo.poses.associative_embedding import group_by_tags
from posezoo.poses.peaks import Peaks

NOSE, WRIST = 0, 9


def owners(*peaks):
    """The person of each peak, given by its joint and its tag; tags further apart than 1 differ."""
    joints = np.array([joint for joint, _ in peaks], np.int64)
    tags = np.array([[tag] for _, tag in peaks], np.float32)
    cells = np.arange(len(peaks))
    scores = np.full(len(peaks), 0.9, np.float32)
    points = np.stack([cells, cells, scores], axis=1).astype(np.float32)
    return group_by_tags(Peaks(joints, cells, cells, scores), points, tags, 1.0).tolist()


def test_no_peaks_belong_to_nobody():
    assert owners() == []


@pytest.mark.parametrize(
    "peaks",
    [
        [(NOSE, 0), (NOSE, 5), (NOSE, 10), (WRIST, 0), (WRIST, 5), (WRIST, 10)],  # all are clear
        [(NOSE, 0), (NOSE, 5), (NOSE, 5.9), (WRIST, 0), (WRIST, 5), (WRIST, 5.9)],
        [(NOSE, 0), (NOSE, 0.9), (NOSE, 5), (NOSE, 5.9), (WRIST, 0), (WRIST, 5)],  # none is
    ],
    ids=["clear", "one is unclear", "two are unclear"],
)
def test_people_are_numbered_from_zero_without_a_gap(peaks):
    found = owners(*peaks)
    assert sorted(set(found)) == list(range(max(found) + 1))
    pairs = list(zip([joint for joint, _ in peaks], found, strict=True))
    assert len(set(pairs)) == len(pairs)  # nobody has two noses
