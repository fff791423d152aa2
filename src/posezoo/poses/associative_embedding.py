"""Decoder of associative embeddings: keypoints are peaks of heatmaps; peaks with similar tags are
one person.

A. Newell et al., Associative Embedding: End-to-End Learning for Joint Detection and Grouping, 2017,
arXiv:1611.05424; thresholds, order of joints, flip and multi-scale merging from B. Cheng et al.,
HigherHRNet, 2020, arXiv:1908.10357 (a reimplementation of ``lib/core/group.py``, ``inference.py``
and ``match.py``). Differences from it:

- Peaks are refined to subpixel positions by a parabola instead of a quarter cell.
- Clusters of tags that are further apart than the threshold are matched separately.
- A missing joint is placed only on a broad maximum; the original also takes the highest noise.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.arrays import Floats
from posezoo.poses.augmentation_merge import merge_embeddings
from posezoo.poses.decoder_type import (
    PEAK_IS_VISIBLE,
    BottomUpDecoder,
    Maps,
    are_coco_embeddings,
    are_coco_heatmaps,
    declare_outputs,
    require_equal_rows,
)
from posezoo.poses.keypoints import Pose, best_first, create_poses
from posezoo.poses.letterbox import SHORTER, InputSizing, Size
from posezoo.poses.peaks import Peaks, find_peaks, locate_peaks
from posezoo.poses.tag_grouping import AssociativeEmbeddingOptions, group_by_tags

SKELETON = "coco-17"

#: HigherHRNet's non-maximum suppression (NMS) uses 5 x 5 cells.
NMS_RADIUS = 2


def decode_associative_embedding(
    maps: Maps, size: Size, options: AssociativeEmbeddingOptions
) -> list[Pose]:
    """The people in the maps, highest score first, in input pixels.

    A pose's score is the mean of the scores of all K keypoints.

    Args:
        maps: ``heatmaps`` (K, H, W) float32, about 0..1; non-maximum suppression in the graph may
            invert the sign of non-peaks. ``embeddings`` (K, H, W) or (K, H, W, T) float32, the
            tags: T is 2 if the mirrored image was also run.
    """
    require_equal_rows("associative_embedding", maps)
    heatmaps = maps["heatmaps"]
    tags = maps["embeddings"]
    tags = tags.reshape(*tags.shape[:3], -1)
    joints, height, width = heatmaps.shape
    peaks = find_peaks(
        heatmaps,
        threshold=options.min_keypoint_score,
        radius=NMS_RADIUS,
        limit=options.max_people,
        negated=True,
    ).with_finite_tags(tags)
    points = locate_peaks(heatmaps, peaks, subpixel=options.adjust)
    peak_tags = tags[peaks.maps, peaks.rows, peaks.columns]
    owners = group_by_tags(peaks, points, peak_tags, options.max_tag_distance, joints=joints)
    count = int(owners.max(initial=-1)) + 1
    keypoints = np.zeros((count, joints, 3), np.float32)
    keypoints[owners, peaks.maps] = points
    scores = keypoints[:, :, 2].mean(axis=1)
    kept = best_first(scores, scores > options.min_score)
    keypoints = keypoints[kept]
    scores = scores[kept]
    if options.refine and not keypoints[:, :, 2].all():
        sums = np.stack([np.bincount(owners, tag, minlength=count) for tag in peak_tags.T], axis=1)
        counts = np.bincount(owners, minlength=count)
        means = (sums / counts[:, None]).astype(np.float32)
        _refine(keypoints, means[kept], heatmaps, tags, adjust=options.adjust)
    seen = keypoints[:, :, 2:] > 0
    stride = np.array((size[0] / width, size[1] / height), np.float32)
    in_pixels = (keypoints[:, :, :2] + options.offset) * stride
    keypoints[:, :, :2] = np.where(seen, in_pixels, 0)
    return create_poses(keypoints, scores.clip(0, 1), options.skeleton, size)


def _refine(
    keypoints: Floats, means: Floats, heatmaps: Floats, tags: Floats, *, adjust: bool
) -> None:
    """Place missing joints where the heatmap is highest among the cells with the person's tag."""
    for joint in range(len(heatmaps)):
        missing = np.flatnonzero(keypoints[:, joint, 2] <= 0)
        if not len(missing):
            continue
        heat = np.abs(heatmaps[joint])
        cells = np.flatnonzero(heat.reshape(-1) > _MIN_MAXIMUM)
        values = heat.reshape(-1)[cells]
        own_tags = tags[joint].reshape(-1, tags.shape[3])[cells]
        people = []
        cells_of_people = []
        scores = []
        for person in missing.tolist():
            # The published cost is the rounded distance minus the heatmap value, which is below 1.
            distances = np.abs(own_tags - means[person]).max(axis=1)
            near = np.flatnonzero(distances < _SAME_TAG)
            if not len(near):
                continue
            best = near[values[near].argmax()]
            row, column = divmod(int(cells[best]), heat.shape[1])
            # The cells around a real maximum are also high. The cells around a spike of noise or
            # NaN are not.
            around = heat[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            height = float(values[best])
            others = float(around.sum()) - height
            if not others >= 0.5 * height * (around.size - 1):
                continue
            people.append(person)
            cells_of_people.append((row, column))
            scores.append(height)
        if people:
            rows, columns = np.array(cells_of_people).T
            maps = np.zeros(len(people), int)
            peaks = Peaks(maps, columns, rows, np.array(scores, np.float32))
            keypoints[people, joint] = locate_peaks(heat[None], peaks, subpixel=adjust)


# Smaller distances of tags are rounded to 0.
_SAME_TAG = 0.5
# Lower maxima are ignored: noise with a standard deviation of 0.01 is lower in most cells.
_MIN_MAXIMUM = 0.02

_MAPS = (1, 17, -1, -1)

DECODER = BottomUpDecoder(
    networks=(declare_outputs(heatmaps=_MAPS, embeddings=_MAPS),),
    options=AssociativeEmbeddingOptions,
    decode=decode_associative_embedding,
    sizes=lambda facts, _options: dict.fromkeys(
        ("heatmaps", "embeddings"), facts.maps(facts.keypoints)
    ),
    skeleton=SKELETON,
    needs="17 heatmaps and 17 embeddings",
    rules=(
        {
            "heatmaps": lambda name, shape: are_coco_heatmaps(name, shape) and "nms" not in name,
            "embeddings": are_coco_embeddings,
        },
        {"heatmaps": are_coco_heatmaps, "embeddings": are_coco_embeddings},
    ),
    # Open Model Zoo misspells it.
    omz_model_types=(
        "hpe-assosiative-embedding",
        "hpe-associative-embedding",
    ),
    visible_score=PEAK_IS_VISIBLE,
    # The shorter side is HigherHRNet's; its training pads with black.
    input_sizing=InputSizing(stride=32, default_target=512, target_side=SHORTER),
    merge_passes=merge_embeddings,
    architectures=("ae", "higherhrnet"),
)
