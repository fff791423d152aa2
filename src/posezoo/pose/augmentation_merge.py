"""Test-time augmentation: merge the outputs of several passes over one image, mirrored or at other
scales.

All passes see the same part of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from posezoo.errors import InferenceError, import_cv2
from posezoo.pose.keypoints import SKELETONS, Floats
from posezoo.pose.letterbox import Size
from posezoo.pose.limbs import LIMBS


@dataclass(frozen=True, eq=False, slots=True)
class AugmentedOutputs:
    """The outputs of a network for one pass: maps by role, with a batch of one."""

    maps: Mapping[str, Floats]
    mirrored: bool = False
    scale: float = 1.0  # of the image, relative to the normal one


def merge_openpose(passes: Sequence[AugmentedOutputs]) -> dict[str, Floats]:
    """``heatmaps`` (1, 19, H, W) and ``pafs`` (1, 38, H, W), averaged, with the size of the finest
    pass.

    Z. Cao et al., arXiv:1611.08050, average over scales.
    """
    size = _finest_size(passes)
    heatmaps = []
    pafs = []
    for outputs in passes:
        heat = outputs.maps["heatmaps"][0]
        field = outputs.maps["pafs"][0]
        if outputs.mirrored:
            heat = heat[_MIRRORED_JOINTS][:, :, ::-1]
            field = field[_MIRRORED_CHANNELS][:, :, ::-1].copy()
            field[0::2] *= -1  # x is inverted: right in the mirrored image is left in the original
        heatmaps.append(resize_maps(heat, size))
        pafs.append(resize_maps(field, size))
    return {"heatmaps": _mean(heatmaps)[None], "pafs": _mean(pafs)[None]}


def merge_embeddings(passes: Sequence[AugmentedOutputs]) -> dict[str, Floats]:
    """``heatmaps`` (1, 17, H, W) and ``embeddings`` (1, 17, H, W, T), with the size of the finest
    pass.

    HigherHRNet merges them in the same way (``aggregate_results``): heatmaps are averaged over
    mirrored images, then over scales. The tags of the passes are the T components of one tag;
    passes at scales other than 1 add no component.

    Raises:
        InferenceError: there are several scales, and none is 1.
    """
    size = _finest_size(passes)
    tags: list[Floats] = []
    heatmaps: dict[float, list[Floats]] = {}
    for outputs in passes:
        # Non-maximum suppression in the graph inverts the sign of non-peaks; the average needs
        # their values.
        heat = np.abs(outputs.maps["heatmaps"][0])
        embeddings = outputs.maps["embeddings"][0]
        tag = embeddings.reshape(embeddings.shape[:3])
        if outputs.mirrored:
            heat = heat[_MIRRORED_COCO][:, :, ::-1]
            tag = tag[_MIRRORED_COCO][:, :, ::-1]
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


def _mirror_channels() -> list[int]:
    channels = []
    for (start, end), _ in sorted(LIMBS, key=itemgetter(1)):
        channel = dict(LIMBS)[_MIRRORED_JOINTS[start], _MIRRORED_JOINTS[end]]
        channels += [channel, channel + 1]
    return channels


_MIRRORED_COCO = list(SKELETONS["coco-17"].flip_order)
_MIRRORED_JOINTS = [*SKELETONS["openpose-18"].flip_order, 18]  # 18 is the background
# For each channel of the part affinity field, the channel of the same limb on the other side of the
# body.
_MIRRORED_CHANNELS = _mirror_channels()
