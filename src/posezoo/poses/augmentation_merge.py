"""Test-time augmentation: merge the outputs of several passes over one image, mirrored or at other
scales.

All passes see the same part of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from operator import attrgetter

import numpy as np

from posezoo.core.arrays import Floats
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import InferenceError, import_cv2
from posezoo.core.values import frozen_with_arrays
from posezoo.poses.keypoints import flip_order_of
from posezoo.poses.letterbox import Size


@frozen_with_arrays
class AugmentedOutputs:
    """The outputs of a network for one pass: maps by role, with a batch of one."""

    maps: Mapping[str, Floats]
    mirrored: bool = False
    scale: float = 1.0  # of the image, relative to the normal one


def merge_openpose(
    passes: Sequence[AugmentedOutputs], skeleton: Skeleton | None = None
) -> dict[str, Floats]:
    """``heatmaps`` (1, K + 1, H, W) and ``pafs`` (1, 2 L, H, W), averaged, with the size of the
    finest pass.

    Z. Cao et al., arXiv:1611.08050, average over scales.

    Raises:
        InferenceError: a pass is mirrored, and the skeleton does not declare mirrored limbs.
    """
    size = _finest_size(passes)
    heatmaps = []
    pafs = []
    for outputs in passes:
        heat = outputs.maps["heatmaps"][0]
        field = outputs.maps["pafs"][0]
        if outputs.mirrored:
            joints, channels = _mirrored_openpose(skeleton or SKELETONS["openpose-18"])
            heat = heat[joints][:, :, ::-1]
            field = field[channels][:, :, ::-1].copy()
            field[0::2] *= -1  # x is inverted: right in the mirrored image is left in the original
        heatmaps.append(resize_maps(heat, size))
        pafs.append(resize_maps(field, size))
    return {"heatmaps": _mean(heatmaps)[None], "pafs": _mean(pafs)[None]}


def merge_embeddings(
    passes: Sequence[AugmentedOutputs], skeleton: Skeleton | None = None
) -> dict[str, Floats]:
    """``heatmaps`` (1, K, H, W) and ``embeddings`` (1, K, H, W, T), with the size of the finest
    pass.

    HigherHRNet merges them in the same way (``aggregate_results``): heatmaps are averaged over
    mirrored images, then over scales. The tags of the passes are the T components of one tag;
    passes at scales other than 1 add no component.

    Raises:
        InferenceError: there are several scales, and none is 1; or a pass is mirrored, and left and
            right are not known.
    """
    size = _finest_size(passes)
    tags = []
    heatmaps: dict[float, list[Floats]] = {}
    for outputs in passes:
        # Non-maximum suppression in the graph inverts the sign of non-peaks; the average needs
        # their values.
        heat = np.abs(outputs.maps["heatmaps"][0])
        embeddings = outputs.maps["embeddings"][0]
        tag = embeddings.reshape(embeddings.shape[:3])
        if outputs.mirrored:
            order = flip_order_of(len(heat), skeleton)
            heat = heat[order][:, :, ::-1]
            tag = tag[order][:, :, ::-1]
        heatmaps.setdefault(outputs.scale, []).append(resize_maps(heat, size))
        if outputs.scale == 1 or len({each.scale for each in passes}) == 1:
            tags.append(resize_maps(tag, size))
    if not tags:
        raise InferenceError("merging passes: none has the scale 1, whose tags are used")
    means = [_mean(heatmaps[scale]) for scale in sorted(heatmaps)]
    return {"heatmaps": _mean(means)[None], "embeddings": np.stack(tags, axis=3)[None]}


def resize_maps(maps: Floats, size: Size) -> Floats:
    """(N, H, W): maps (N, h, w) resized bilinearly to ``size``, which is (W, H)."""
    if maps.shape[:0:-1] == size:
        return maps
    cv2 = import_cv2()
    return np.stack([cv2.resize(np.ascontiguousarray(one), size) for one in maps])


def _finest_size(passes: Sequence[AugmentedOutputs]) -> Size:
    height, width = max(outputs.maps["heatmaps"].shape[2:4] for outputs in passes)
    return width, height


def _mean(maps: Sequence[Floats]) -> Floats:
    mean: Floats = np.mean(maps, axis=0, dtype=np.float32)
    return mean


@cache
def _mirrored_openpose(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """For each heatmap and each channel of the part affinity field, that of the same joint or limb
    on the other side of the body; the last heatmap is the background.
    """
    count = len(skeleton.keypoints)
    order = flip_order_of(count, skeleton)
    channel_of = {field.limb: field.channel for field in skeleton.fields}
    channels = []
    for field in sorted(skeleton.fields, key=attrgetter("channel")):
        start, end = field.limb
        channel = channel_of.get((order[start], order[end]))
        if channel is None:
            limb = f"{skeleton.keypoints[start]} to {skeleton.keypoints[end]}"
            raise InferenceError(
                f"the fields of the skeleton {skeleton.name} have no mirror image of the limb"
                f" {limb}",
                hint="run it without flip",
            )
        channels += [channel, channel + 1]
    return [*order, count], channels
