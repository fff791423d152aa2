"""Options and non-maximum suppression of top-down decoders, which process one person at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posezoo.pose.decoder_type import check_options, is_share
from posezoo.pose.keypoints import Pose, pose_similarity


@dataclass(frozen=True, slots=True)
class TopDownOptions:
    """Options that all top-down decoders have.

    Attributes:
        padding: the crop's size relative to the box; 0: the default of the crop's convention.
        max_people: the maximum number of boxes to use; those with the highest scores are used.
        max_similarity: poses with a higher object keypoint similarity count as one person, 0..1; the default
            of 0.9 is HRNet's.
    """

    padding: float = 0.0
    max_people: int = 100
    max_similarity: float = 0.9

    def __post_init__(self) -> None:
        check_options(self, "0 to 1", is_share, "max_similarity")
        check_options(self, "0, or 0.1 to 10", lambda value: value == 0 or 0.1 <= value <= 10, "padding")
        check_options(self, "1 or more", lambda value: value >= 1, "max_people")


def suppress_by_oks(poses: Sequence[Pose], areas: Sequence[float], *, max_similarity: float) -> list[Pose]:
    """Remove duplicate poses of the same person; the highest score comes first (HRNet's ``oks_nms``).

    Args:
        poses: of one image.
        areas: the area of each pose's crop, in square image pixels; keypoint distances are relative to it.
        max_similarity: if two poses are more similar, the one with the lower score is removed, 0..1.
    """
    kept: list[tuple[Pose, float]] = []
    for pose, area in sorted(zip(poses, areas, strict=True), key=lambda pair: -pair[0].score):
        if all(pose_similarity(pose, other, (area + size) / 2) <= max_similarity for other, size in kept):
            kept.append((pose, area))
    return [pose for pose, _ in kept]
