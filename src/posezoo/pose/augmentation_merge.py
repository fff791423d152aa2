"""Several passes of a network over one image, merged to the outputs of one: mirrored, and at other scales.

Each pass shows the same part of the image. Of openpose heatmaps and fields are averaged over all passes
(Z. Cao et al., arXiv:1611.08050, averages over scales); associative embedding has its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from posezoo.pose.associative_embedding import EmbeddingMaps, merge_augmented_maps, resize_maps
from posezoo.pose.keypoints import SKELETONS, Floats
from posezoo.pose.letterbox import Size
from posezoo.pose.limbs import LIMBS


@dataclass(frozen=True, eq=False, slots=True)
class AugmentedOutputs:
    """What a network put out for one pass.

    Attributes:
        maps: by role, with a batch of one.
        mirrored: whether it saw the image mirrored.
        scale: at which it saw it, relative to the usual one.
    """

    maps: Mapping[str, Floats]
    mirrored: bool = False
    scale: float = 1.0


def merge_openpose(looks: Sequence[AugmentedOutputs]) -> dict[str, Floats]:
    """``heatmaps`` (1, 19, H, W) and ``pafs`` (1, 38, H, W), of the size of the finest pass."""
    size = _finest(looks)
    upright = [
        _unflip(augmented.maps["heatmaps"][0], augmented.maps["pafs"][0], augmented.mirrored)
        for augmented in looks
    ]
    heatmaps, pafs = ([resize_maps(each, size) for each in maps] for maps in zip(*upright, strict=True))
    return {"heatmaps": _mean(heatmaps), "pafs": _mean(pafs)}


def merge_embeddings(looks: Sequence[AugmentedOutputs]) -> dict[str, Floats]:
    """``heatmaps`` (1, 17, H, W) and ``embeddings`` (1, 17, H, W, T), of the size of the finest pass."""
    passes = [
        EmbeddingMaps(
            # With NMS in the graph the sign of what is no peak is turned: an average needs the heights.
            [np.abs(augmented.maps["heatmaps"][0])],
            augmented.maps["embeddings"][0].reshape(augmented.maps["embeddings"].shape[1:4]),
            augmented.mirrored,
            augmented.scale,
        )
        for augmented in looks
    ]
    heatmaps, tags = merge_augmented_maps(passes, _finest(looks))
    return {"heatmaps": heatmaps[None], "embeddings": tags[None]}


#: How the passes of a decoder become one.
MERGERS: dict[str, Callable[[Sequence[AugmentedOutputs]], dict[str, Floats]]] = {
    "openpose": merge_openpose,
    "associative_embedding": merge_embeddings,
}


def _finest(looks: Sequence[AugmentedOutputs]) -> Size:
    height, width = max(augmented.maps["heatmaps"].shape[2:4] for augmented in looks)
    return width, height


def _mean(maps: Sequence[Floats]) -> Floats:
    mean: Floats = np.mean(np.stack(maps), axis=0, keepdims=True, dtype=np.float32)
    return mean


def _unflip(heatmaps: Floats, pafs: Floats, mirrored: bool) -> tuple[Floats, Floats]:
    """A mirrored image's maps turned back: sides change places, and what points right points left."""
    if not mirrored:
        return heatmaps, pafs
    turned = pafs[_MIRRORED_CHANNELS][:, :, ::-1].copy()
    turned[0::2] *= -1
    return heatmaps[_MIRRORED_JOINTS][:, :, ::-1], turned


def _mirrored_joints() -> list[int]:
    order = list(range(len(SKELETONS["openpose-18"].keypoints) + 1))  # the last one is the background
    for left, right in SKELETONS["openpose-18"].flip_pairs:
        order[left], order[right] = right, left
    return order


def _mirrored_channels() -> list[int]:
    """For each channel of the field, that of the same limb on the other side."""
    channels = dict(LIMBS)
    order = list(range(2 * len(LIMBS)))
    for (start, end), channel in LIMBS:
        other = channels[_MIRRORED_JOINTS[start], _MIRRORED_JOINTS[end]]
        order[channel], order[channel + 1] = other, other + 1
    return order


_MIRRORED_JOINTS = _mirrored_joints()
_MIRRORED_CHANNELS = _mirrored_channels()
