"""Decoder of SimCC: x and y of each keypoint are classified separately, into bins smaller than a
pixel.

Y. Li et al., SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation, 2022,
arXiv:2107.03332; as implemented in RTMPose (T. Jiang et al., 2023, arXiv:2303.07399,
``get_simcc_maximum``). RTMW3D classifies the depth of each keypoint, too (T. Jiang et al., RTMW,
2024, arXiv:2407.08634; MMPose, projects/rtmpose3d, ``SimCC3DLabel``).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import nan
from typing import Annotated

import numpy as np

from posezoo.core.arrays import Floats
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    Maps,
    Positive,
    Range,
    Shape,
    TopDownDecoder,
    declare_outputs,
)
from posezoo.poses.keypoints import Pose, blank_unsound, create_poses, flip_order_of
from posezoo.poses.letterbox import Size
from posezoo.poses.top_down import CropFunction, TopDownOptions, crop_affine


@frozen
class SimccOptions(TopDownOptions):
    """Options of the decoder simcc.

    Attributes:
        split: the number of bins per pixel.
        flip: also run the mirrored person, and average both. Only an estimator uses this;
            ``decode`` takes ``flipped_simcc_x`` and ``flipped_simcc_y`` instead.
        z_range: how far the bins of ``simcc_z`` reach before and behind the middle of the hips, in
            meters; the default is RTMW3D's.
    """

    split: Annotated[float, Range("above 0 to 100", lambda value: 0 < value <= 100)] = 2.0
    flip: bool = False
    z_range: Positive = 2.1744869
    skeleton: Skeleton | None = None

    @property
    def crop(self) -> CropFunction:
        """As MMPose and rtmlib."""
        return crop_affine

    @property
    def runs_mirrored(self) -> bool:
        """The option ``flip``."""
        return self.flip


def decode_simcc(maps: Maps, size: Size, options: SimccOptions) -> list[Pose]:
    """The person; an empty list if no keypoint has a score above 0.

    A keypoint's score is the lower of its two maxima; if it is not above 0, the keypoint is
    missing. A pose's score is the mean over all keypoints, at most 1. An integer coordinate is the
    center of a pixel.

    Args:
        maps: ``simcc_x`` (K, width x split) and ``simcc_y`` (K, height x split) float32, with any
            number of keypoints, K; if the mirrored person was also run, its outputs too, as
            ``flipped_simcc_x`` and ``flipped_simcc_y``. Optionally ``simcc_z`` (K, any number).

    Raises:
        InferenceError: the number of keypoints or of bins does not fit.
    """
    across, down = map(blank_unsound, _average_with_mirrored(maps, options.skeleton))
    width, height = size
    columns = round(width * options.split)
    rows = round(height * options.split)
    if (across.shape[1], down.shape[1]) != (columns, rows):
        raise InferenceError(
            f"simcc has {across.shape[1]} and {down.shape[1]} bins, but an input of"
            f" {width}x{height} with {options.split:g} in a pixel has {columns} and {rows}",
            hint="split is the number of bins for each pixel",
        )
    depth_bins = maps.get("simcc_z")
    for axis, bins in (("y", down), ("z", depth_bins)):
        if bins is not None and len(bins) != len(across):
            raise InferenceError(
                f"simcc has {len(across)} keypoints in x, and {len(bins)} in {axis}"
            )
    keypoints = np.zeros((len(across), 3), np.float32)
    keypoints[:, 0] = across.argmax(axis=1) / options.split
    keypoints[:, 1] = down.argmax(axis=1) / options.split
    scores = keypoints[:, 2]
    scores[:] = np.minimum(across.max(axis=1), down.max(axis=1))
    missing = scores <= 0
    keypoints[missing] = 0
    if missing.all():
        return []
    poses = create_poses(keypoints[None], scores.mean(keepdims=True), options.skeleton, size)
    if depth_bins is None:
        return poses
    shares = depth_bins.argmax(axis=1) / np.float32(depth_bins.shape[1] / 2) - 1
    depths = np.where(missing, 0, shares * options.z_range).astype(np.float32)
    return [replace(pose, depths=depths) for pose in poses]


def _average_with_mirrored(maps: Maps, skeleton: Skeleton | None) -> tuple[Floats, Floats]:
    across = maps["simcc_x"]
    down = maps["simcc_y"]
    mirrored = [maps[name] for name in ("flipped_simcc_x", "flipped_simcc_y") if name in maps]
    if not mirrored:
        return across, down
    if [*map(np.shape, mirrored)] != [across.shape, down.shape]:
        raise InferenceError("simcc: the outputs for the mirrored person have other shapes")
    order = flip_order_of(len(across), skeleton)
    across = np.mean([across, mirrored[0][order, ::-1]], axis=0)
    down = np.mean([down, mirrored[1][order]], axis=0)
    return across, down


def _are_bins(name: str, shape: Shape, axis: str | tuple[str, ...]) -> bool:
    return len(shape) == 3 and shape[1] < shape[2] and name.lower().endswith(axis)


def _model_info(options: SimccOptions) -> dict[str, str]:
    if options.split != 2:  # Model API assumes two bins per pixel
        return {}
    return {
        "model_type": "keypoint_detection",
        "model_type_dlstreamer": "raw_data_copy",  # it has no converter for bins
        "apply_softmax": "False",  # a score is the lower maximum, as in posezoo
    }


_BINS = (1, -1, -1)

#: RTMW3D's published ONNX has no names for two of its outputs.
_ENDINGS = {"simcc_x": ("x", "output"), "simcc_y": ("y", "1554"), "simcc_z": ("z", "1556")}

DECODER = TopDownDecoder(
    networks=(declare_outputs(simcc_x=_BINS, simcc_y=_BINS),),
    optional=declare_outputs(flipped_simcc_x=_BINS, flipped_simcc_y=_BINS, simcc_z=_BINS),
    options=SimccOptions,
    decode=decode_simcc,
    sizes=lambda facts, options: {
        "simcc_x": (1, facts.keypoints, facts.width * options.split),
        "simcc_y": (1, facts.keypoints, facts.height * options.split),
        "simcc_z": (1, facts.keypoints, nan),
    },
    needs="a row of bins for each keypoint, for x and for y",
    rules=(
        {role: partial(_are_bins, axis=endings) for role, endings in _ENDINGS.items()},
        {"simcc_x": partial(_are_bins, axis="x"), "simcc_y": partial(_are_bins, axis="y")},
    ),
    omz_model_types=("keypoint_detection",),
    has_pixel_centers=True,
    model_info=_model_info,
)
