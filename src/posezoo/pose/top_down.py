"""People looked at one by one: what is said about it, and which of their poses show the same person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posezoo.errors import InferenceError
from posezoo.pose.keypoints import Pose, pose_similarity


@dataclass(frozen=True, slots=True)
class TopDownOptions:
    """What may be said of a network that is shown one person at a time, beside how its outputs are read.

    Attributes:
        padding: how many times as large as the box the crop is; 0 for what the network was trained on.
        max_people: how many boxes are looked at, the surest first.
        max_similarity: poses more alike than this (object keypoint similarity) are one, 0..1 (0.9: HRNet's).
    """

    padding: float = 0.0
    max_people: int = 100
    max_similarity: float = 0.9

    def __post_init__(self) -> None:
        if not 0 <= self.max_similarity <= 1:
            raise InferenceError(f"decoder option max_similarity: expected 0 to 1, got {self.max_similarity}")
        if not (self.padding == 0 or 0.1 <= self.padding <= 10):
            raise InferenceError(f"decoder option padding: expected 0, or 0.1 to 10, got {self.padding}")
        if self.max_people < 1:
            raise InferenceError(f"decoder option max_people: expected 1 or more, got {self.max_people}")


def suppress_by_oks(poses: Sequence[Pose], areas: Sequence[float], *, max_similarity: float) -> list[Pose]:
    """The poses without those that show a person again, surest first (HRNet's ``oks_nms``).

    Args:
        poses: of one image.
        areas: of what each was seen in, in image pixels: how far apart keypoints may lie is measured by it.
        max_similarity: of two poses more alike, the less sure one goes, 0..1.
    """
    kept: list[tuple[Pose, float]] = []
    for pose, area in sorted(zip(poses, areas, strict=True), key=lambda pair: -pair[0].score):
        if all(pose_similarity(pose, other, (area + size) / 2) <= max_similarity for other, size in kept):
            kept.append((pose, area))
    return [pose for pose, _ in kept]
