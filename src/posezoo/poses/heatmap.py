"""Decoder of the heatmaps of one person: the highest cell of each map, refined to a subpixel
position.

The meaning of a cell depends on how the network was trained, so each convention here is a published
one and returns the same numbers. Coordinates are in input pixels; an integer is the center of a
pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import starmap
from typing import Annotated

import numpy as np

from posezoo.core.arrays import Array, Floats
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import InferenceError, import_cv2, suggest
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    Maps,
    Range,
    Share,
    TopDownDecoder,
    are_coco_heatmaps,
    declare_outputs,
    has_shape,
)
from posezoo.poses.keypoints import Pose, blank_unsound, create_poses, flip_order_of
from posezoo.poses.letterbox import Size
from posezoo.poses.peaks import quarter_offset
from posezoo.poses.top_down import (
    CropFunction,
    TopDownOptions,
    crop_affine,
    crop_align,
    crop_blank,
    crop_stretch,
)


@frozen
class HeatmapOptions(TopDownOptions):
    """Options of the decoder heatmap.

    Attributes:
        convention: how people are cropped and maps are read: a name of ``CONVENTIONS``.
        blur: the kernel width in cells, an odd number, of the Gaussian with which ``dark`` and
            ``udp`` smooth maps: 11 for sigma 2, 3 for sigma 0.8 (inputs of 128x96; transformers).
        box_score: the score of the person's box, 0..1; the pose's score is multiplied by it.
        flip: also run the mirrored person, and average both. Only an estimator uses this;
            ``decode`` takes ``flipped_heatmaps`` instead.
        shift_flipped: shift the mirrored image's maps one cell to the right before they are
            averaged.
    """

    convention: str = "dark"
    blur: Annotated[int, Range("an odd number", lambda value: value >= 1 and value % 2 == 1)] = 11
    box_score: Share = 1.0
    flip: bool = False
    shift_flipped: bool = True
    skeleton: Skeleton | None = None

    def __post_init__(self) -> None:
        TopDownOptions.__post_init__(self)
        if self.convention not in CONVENTIONS:
            expected = " or ".join(CONVENTIONS)
            raise InferenceError(
                f"decoder option convention: expected {expected}, got {self.convention}",
                hint=suggest(self.convention, CONVENTIONS),
            )

    @property
    def crop(self) -> CropFunction:
        """The crop of the convention."""
        return CONVENTIONS[self.convention].crop

    @property
    def blank_is_mean(self) -> bool:
        """As the convention."""
        return CONVENTIONS[self.convention].blank_is_mean

    @property
    def runs_mirrored(self) -> bool:
        """The option ``flip``."""
        return self.flip


def decode_heatmap(maps: Maps, size: Size, options: HeatmapOptions) -> list[Pose]:
    """The person in the maps; an empty list if no map has a value above 0.

    A keypoint's score is its map's maximum. A pose's score is the mean of the keypoint scores above
    the convention's threshold, times the box's score.

    Args:
        maps: ``heatmaps`` (K, H, W) float32, about 0..1, of any number of keypoints, K; and, if the
            mirrored image was also run, ``flipped_heatmaps`` (K, H, W), its outputs.

    Raises:
        InferenceError: the mirrored image was also run, and its maps have another shape, or left
            and right are not known of K keypoints.
    """
    convention = CONVENTIONS[options.convention]
    heatmaps = maps["heatmaps"]
    flipped = maps.get("flipped_heatmaps")
    if flipped is not None:
        if flipped.shape != heatmaps.shape:
            raise InferenceError("heatmap: the maps of the mirrored person have another shape")
        flipped = unflip_heatmaps(flipped, options.skeleton, shift=options.shift_flipped)
        heatmaps = np.mean([heatmaps, flipped], axis=0, dtype=np.float32)
    heatmaps = blank_unsound(heatmaps)
    count, height, width = heatmaps.shape
    flat = heatmaps.reshape(count, -1)
    best = flat.argmax(axis=1)
    scores = flat[np.arange(count), best]
    is_found = scores > 0
    if not is_found.any():
        return []
    rows, columns = np.divmod(best, width)
    cells = np.stack([columns, rows], axis=1)
    refined = cells
    if convention.refine:
        refined = cells + convention.refine(heatmaps, cells, options.blur)
    keypoints = np.zeros((1, count, 3), np.float32)
    keypoints[0, :, :2] = refined * cell_size(convention, size, (width, height))
    keypoints[0, :, 2] = scores
    keypoints[0, ~is_found] = 0
    counting = scores[is_found & (scores > convention.min_score)]
    score = 0.0
    if len(counting):
        score = float(counting.mean()) * options.box_score
    return create_poses(keypoints, np.array([score]), options.skeleton, size)


def cell_size(convention: HeatmapConvention, size: Size, cells: Size) -> Floats:
    """(2,): the distance of cells, in pixels, on both axes; ``cells`` are the width and height of
    maps.
    """
    border = int(convention.is_aligned)
    steps = np.maximum(np.subtract(cells, border), 1)
    distance = np.subtract(size, border) / steps
    return distance.astype(np.float32)


def unflip_heatmaps(maps: Floats, skeleton: Skeleton | None = None, *, shift: bool) -> Floats:
    """(K, H, W): the maps of a mirrored image, mirrored back, with left and right keypoints
    exchanged.

    ``shift`` moves them one cell to the right. Mirrored maps are one cell off if the network's
    keypoints are relative to the corners of cells (SimpleBaseline's SHIFT_HEATMAP).
    """
    turned: Floats = maps[flip_order_of(len(maps), skeleton)][:, :, ::-1].copy()
    if shift:
        turned[:, :, 1:] = turned[:, :, :-1].copy()
    return turned


def _differences(
    slope: Sequence[float], bend: Sequence[float], cross: Array | None = None
) -> Array:
    here = np.eye(len(slope))[len(slope) // 2]
    pairs = ((here, slope), (slope, here), (here, bend), (bend, here))
    if cross is None:
        cross = np.outer(slope, slope)
    return np.array([*starmap(np.outer, pairs), cross])


#: Finite differences, (5, 5, 5) and (5, 3, 3): the weights of the values around a cell that give
#: the slopes in x and y, and the curvatures xx, yy and xy.
DARK_DIFFERENCES = _differences([0, -0.5, 0, 0.5, 0], [0.25, 0, -0.5, 0, 0.25])
UDP_DIFFERENCES = _differences(
    [-0.5, 0, 0.5], [1, -2, 1], np.array([[0.5, -0.5, 0], [-0.5, 1, -0.5], [0, -0.5, 0.5]])
)

#: The lowest value of which DARK takes the logarithm, and the range of UDP's values.
LEAST_VALUE = 1e-10
UDP_VALUES = (0.001, 50)

#: A Newton step is made if the determinant of the curvature is larger, and the step below this many
#: cells.
LEAST_AREA = 1e-12
LONGEST_STEP = 2


def quarter_offsets(heatmaps: Floats, cells: Array, _blur: int) -> Floats:
    """(K, 2): a quarter of a cell towards the higher neighbors; see ``peaks.quarter_offset``."""
    return quarter_offset(heatmaps, np.arange(len(cells)), *cells.T)


def dark_offsets(heatmaps: Floats, cells: Array, blur: int) -> Floats:
    """(K, 2): a Newton step on the logarithm of the smoothed map, except near the border.

    F. Zhang et al., Distribution-Aware Coordinate Representation for Human Pose Estimation, 2020,
    arXiv:1910.06278. Differences span two cells, smoothing keeps the map's maximum, and values
    outside the map are 0.
    """
    cv2 = import_cv2()
    height, width = heatmaps.shape[1:]
    offsets = np.zeros(cells.shape, np.float32)
    for joint, (x, y) in enumerate(cells.tolist()):
        top = float(heatmaps[joint, y, x])
        is_inside = 1 < x < width - 2 and 1 < y < height - 2
        if not (is_inside and 0 < top < np.inf):
            continue
        smooth = cv2.GaussianBlur(heatmaps[joint], (blur, blur), 0, borderType=cv2.BORDER_CONSTANT)
        near = smooth[y - 2 : y + 3, x - 2 : x + 3] * (top / smooth.max())
        log = np.log(np.maximum(near, LEAST_VALUE))
        offsets[joint] = newton_step(log, DARK_DIFFERENCES)
    return offsets


def udp_offsets(heatmaps: Floats, cells: Array, blur: int) -> Floats:
    """(K, 2): DARK's step, but differences span one cell, and keypoints at the border are also
    refined.

    J. Huang et al., The Devil is in the Details: Delving into Unbiased Data Processing for Human
    Pose Estimation, 2020, arXiv:1911.07524.
    """
    cv2 = import_cv2()
    offsets = np.zeros(cells.shape, np.float32)
    for joint, (x, y) in enumerate(cells.tolist()):
        smooth = cv2.GaussianBlur(heatmaps[joint], (blur, blur), 0)
        log = np.log(smooth.clip(*UDP_VALUES))
        padded = np.pad(log, 1, mode="edge")
        offsets[joint] = newton_step(padded[y : y + 3, x : x + 3], UDP_DIFFERENCES)
    return offsets


def newton_step(log: Floats, differences: Array) -> Array:
    """The Newton step from a cell to the maximum, x and y in cells; 0 if it is ``LONGEST_STEP`` or
    more.

    Args:
        log: the logarithms of the values around the cell.
        differences: ``DARK_DIFFERENCES`` or ``UDP_DIFFERENCES``.
    """
    x, y, xx, yy, xy = (differences * log).sum(axis=(1, 2)).tolist()
    area = xx * yy - xy**2
    if not area > LEAST_AREA:
        return np.zeros(2)
    across = yy * x - xy * y
    down = xx * y - xy * x
    step = -np.array([across, down]) / area
    # A plateau has almost no curvature, so the step would leave the map.
    return step if np.abs(step).max() < LONGEST_STEP else np.zeros(2)


@frozen
class HeatmapConvention:
    """How published code crops people, and computes pixels from the highest cells.

    Attributes:
        refine: returns offsets in cells; takes (K, H, W) maps, (K, 2) cells x, y, and the blur's
            width. None: cells are used as they are.
        is_aligned: whether the first and last cells are at the first and last pixels. Otherwise
            cell 0 is at pixel 0, and the distance between cells is the stride.
        min_score: a pose's score is the mean of the keypoint scores above this.
        crop: returns the crop for a box.
        blank_is_mean: whether the blank part of a crop has the mean color, which the network sees
            as zero; otherwise it is black.
    """

    refine: Callable[[Floats, Array, int], Floats] | None = None
    is_aligned: bool = False
    min_score: float = 0.0
    crop: CropFunction = crop_affine
    blank_is_mean: bool = False


#: Each convention is from a paper or a project:
#: argmax: single-human-pose-estimation-0001 in Open Model Zoo; quarter: B. Xiao et al., Simple
#: Baselines, 2018, arXiv:1804.06208, and HRNet (``get_final_preds``, and in_vis_thre 0.2 of its
#: evaluation); dark, udp: see the functions; gluoncv: GluonCV's demo (``heatmap_to_coord``: boxes
#: are stretched to the input); gluoncv_validation: its ``get_final_preds``; alphapose: AlphaPose's
#: ``heatmap_to_coord_simple``.
CONVENTIONS: dict[str, HeatmapConvention] = {
    "argmax": HeatmapConvention(min_score=0.2),
    "quarter": HeatmapConvention(quarter_offsets, min_score=0.2),
    "dark": HeatmapConvention(dark_offsets, min_score=0.2),
    "udp": HeatmapConvention(udp_offsets, is_aligned=True, min_score=0.2, crop=crop_align),
    "gluoncv": HeatmapConvention(crop=crop_stretch),
    "gluoncv_validation": HeatmapConvention(quarter_offsets),
    "alphapose": HeatmapConvention(quarter_offsets, crop=crop_blank, blank_is_mean=True),
}

_MAPS = (1, -1, -1, -1)

DECODER = TopDownDecoder(
    networks=(declare_outputs(heatmaps=_MAPS),),
    options=HeatmapOptions,
    decode=decode_heatmap,
    sizes=lambda facts, _options: {"heatmaps": facts.maps(facts.keypoints)},
    needs="one heatmap for each keypoint",
    rules=({"heatmaps": are_coco_heatmaps}, {"heatmaps": has_shape(-1, -1, -1, 17)}),
    optional=declare_outputs(flipped_heatmaps=_MAPS),
    has_pixel_centers=True,
    model_info=lambda _options: {"model_type": "keypoints_hrnet"},
    architectures=("topdown",),
)
