"""People from part affinity fields: joints are peaks of heatmaps, limbs are joined along a vector field.

Z. Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, 2017, arXiv:1611.08050;
thresholds from D. Osokin, Lightweight OpenPose, 2018, arXiv:1811.12004. What differs from both, and why:

- peaks are placed between the cells, so that maps need no upsampling;
- joints of a limb are matched exactly instead of the best pair first, and where the field leaves a choice,
  people keep limbs of their own size: two in line, or one before the other, would swap halves otherwise;
- what a crossing limb cut off a body goes back to it by the trace that is left, and two forearms that wiped
  each other out get their own ends back.

What no field can tell stays untold: other limbs of a kind that run along each other in opposite directions
cancel, and a joint whose neighbours are all hidden hangs on nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import InferenceError, import_optional
from posezoo.pose.grouping import assemble_people
from posezoo.pose.keypoints import Floats, Pose, create_poses
from posezoo.pose.letterbox import Size
from posezoo.pose.limbs import JOINTS, LimbCandidates, find_limb_candidates, find_weak_limb_candidates
from posezoo.pose.peaks import Peaks, find_peaks, refine_subpixel

SKELETON = "openpose-18"

#: The cell of the networks that this was made for, in input pixels: distances below are counted in it.
CELL = 8.0


@dataclass(frozen=True, slots=True)
class GroupingOptions:
    """What may be said about finding keypoints and joining them.

    Attributes:
        min_keypoint_score: heatmaps count above, 0..1.
        min_affinity: the field counts above, where it points along a limb, 0..1.
        min_keypoints: people with fewer are left out.
        min_score: people whose keypoints and limbs together, over the number of keypoints, score less are
            left out.
        max_peaks: how many keypoints of a kind there may be, the highest.
        upsample: how many times finer the maps are made first, 1 to 8; bicubic.
        subpixel: place keypoints between the cells.
    """

    min_keypoint_score: float = 0.1
    min_affinity: float = 0.05
    min_keypoints: int = 3
    min_score: float = 0.2
    max_peaks: int = 100
    upsample: int = 1
    subpixel: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.upsample <= 8:
            raise InferenceError(f"decoder option upsample: expected 1 to 8, got {self.upsample}")
        for name in ("min_keypoint_score", "min_affinity"):
            if not 0 < getattr(self, name) <= 1:
                raise InferenceError(
                    f"decoder option {name}: expected above 0 to 1, got {getattr(self, name)}"
                )
        for name in ("min_keypoints", "max_peaks"):
            if getattr(self, name) < 1:
                raise InferenceError(f"decoder option {name}: expected 1 or more, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class OpenPoseOptions(GroupingOptions):
    """What may be said about the decoding, beside ``GroupingOptions``.

    Attributes:
        compatible: return what Open Model Zoo's decoder does, in its order and with its scores.
    """

    compatible: bool = False


def decode_openpose(heatmaps: Floats, pafs: Floats, size: Size, options: GroupingOptions) -> list[Pose]:
    """The people in the maps, surest first, in input pixels; a pose's score is the mean of all 18 keypoints'.

    Args:
        heatmaps: (19, H, W) float32: of the 18 keypoints, about 0..1, and of the background.
        pafs: (38, H, W) float32: x and y of each limb's direction, -1..1.
        size: width and height of the input, in pixels.
        options: see there.
    """
    if options.upsample > 1:
        heatmaps, pafs = upsample(heatmaps[:JOINTS], options.upsample), upsample(pafs, options.upsample)
    height, width = heatmaps.shape[1:]
    cell = size[0] / width / CELL
    joints = heatmaps[:JOINTS]
    found = find_peaks(
        joints, threshold=options.min_keypoint_score, radius=nms_radius(cell), limit=options.max_peaks
    )
    x, y = refine_subpixel(joints, found) if options.subpixel else (found.columns, found.rows)
    points: Floats = np.empty((len(found), 3), np.float32)
    points[:, 0], points[:, 1], points[:, 2] = x, y, found.scores
    limbs = find_limb_candidates(points, found, pafs, options.min_affinity)

    def look_again(limbs: list[int], starts: list[int], ends: list[int]) -> LimbCandidates:
        return find_weak_limb_candidates(points, limbs, starts, ends, pafs, options.min_affinity)

    owners, totals = assemble_people(points, found.maps.tolist(), limbs, cell, look_again)
    counts = np.bincount(owners, minlength=len(totals))
    counting = (counts >= options.min_keypoints) & (totals >= options.min_score * counts)
    counting[-1] = False  # nobody
    return _poses(owners, counting, points, found, (size[0] / width, size[1] / height), size)


def upsample(maps: Floats, factor: int) -> Floats:
    """(K, H, W) maps, ``factor`` times as fine, bicubic."""
    cv2 = import_optional("cv2", extra="run")
    size = maps.shape[2] * factor, maps.shape[1] * factor
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_CUBIC) for one in maps])


def nms_radius(cell: float) -> int:
    """How near two keypoints of a kind may lie, in cells of a map whose cells are ``cell`` times 8 px wide.

    6/7 of the cell that the network itself has: Open Model Zoo's measure.
    """
    return max(1, round(6 / 7 / cell))


def _poses(
    owners: NDArray[Any],
    counting: NDArray[Any],
    points: Floats,
    found: Peaks,
    stride: tuple[float, float],
    size: Size,
) -> list[Pose]:
    members = np.flatnonzero(counting[owners])
    numbers = counting.cumsum() - 1
    keypoints: Floats = np.zeros((numbers[-1] + 1, JOINTS, 3), np.float32)
    placed = points[members]
    placed[:, :2] += np.float32(0.5)
    placed[:, :2] *= np.array(stride, np.float32)
    keypoints[numbers[owners[members]], found.maps[members]] = placed
    scores = np.minimum(keypoints[:, :, 2].sum(axis=1) / np.float32(JOINTS), 1)
    order = np.argsort(-scores, kind="stable")
    return create_poses(keypoints[order], scores[order], SKELETON, size)
