"""Options and non-maximum suppression of top-down decoders, which see one person at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posezoo.pose.decoder_type import check_options, is_share
from posezoo.pose.keypoints import Pose, pose_similarity


@dataclass(frozen=True, slots=True)
class TopDownOptions:
    """Options that all top-down decoders have.

    Attributes:
        padding: the crop's size relative to the box; 0 for the one that the network was trained on.
        max_people: the boxes to use, those of the highest scores.
        max_similarity: poses more similar than this (object keypoint similarity) are one person, 0..1 (0.9:
            HRNet's).
    """

    padding: float = 0.0
    max_people: int = 100
    max_similarity: float = 0.9

    def __post_init__(self) -> None:
        check_options(self, "0 to 1", is_share, "max_similarity")
        check_options(self, "0, or 0.1 to 10", lambda value: value == 0 or 0.1 <= value <= 10, "padding")
        check_options(self, "1 or more", lambda value: value >= 1, "max_people")


def suppress_by_oks(poses: Sequence[Pose], areas: Sequence[float], *, max_similarity: float) -> list[Pose]:
    """The poses without those of the same person, highest score first (HRNet's ``oks_nms``).

    Args:
        poses: of one image.
        areas: of each pose's crop, in image pixels: distances of keypoints are relative to it.
        max_similarity: of two more similar poses, the one of the lower score is removed, 0..1.
    """
    kept: list[tuple[Pose, float]] = []
    for pose, area in sorted(zip(poses, areas, strict=True), key=lambda pair: -pair[0].score):
        if all(pose_similarity(pose, other, (area + size) / 2) <= max_similarity for other, size in kept):
            kept.append((pose, area))
    return [pose for pose, _ in kept]
