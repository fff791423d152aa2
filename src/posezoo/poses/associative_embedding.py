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

from posezoo.core.arrays import Array, Floats, Ints
from posezoo.core.values import frozen
from posezoo.poses.assignment import solve_assignment
from posezoo.poses.augmentation_merge import merge_embeddings
from posezoo.poses.decoder_type import (
    PEAK_IS_VISIBLE,
    BottomUpDecoder,
    Count,
    Maps,
    Positive,
    PositiveShare,
    SkeletonOptions,
    are_coco_embeddings,
    are_coco_heatmaps,
    declare_outputs,
    require_equal_rows,
)
from posezoo.poses.keypoints import Pose, best_first, create_poses
from posezoo.poses.letterbox import SHORTER, InputSizing, Size
from posezoo.poses.peaks import Peaks, find_peaks, locate_peaks

SKELETON = "coco-17"

#: HigherHRNet's non-maximum suppression (NMS) uses 5 x 5 cells.
NMS_RADIUS = 2


#: Of COCO's keypoints: head, trunk, then limbs: the joints with the most reliable tags come first.
JOINT_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)


@frozen
class AssociativeEmbeddingOptions(SkeletonOptions):
    """Options of the decoder associative_embedding.

    Attributes:
        min_keypoint_score: the threshold of heatmaps, 0..1.
        max_tag_distance: a joint can belong to a person if the person's mean tag is nearer than
            this.
        max_people: the maximum number of keypoints of each kind; the highest are kept.
        min_score: people are left out if their mean score over all keypoints is not higher.
        adjust: refine keypoints to subpixel positions.
        refine: search for missing joints in the cells with the person's tag.
        offset: the position of a keypoint in its cell, in cells from the top left corner: 0.5 is
            the center.
    """

    min_keypoint_score: PositiveShare = 0.1
    max_tag_distance: Positive = 1.0
    max_people: Count = 30
    min_score: float = 0.1
    adjust: bool = True
    refine: bool = True
    offset: float = 0.5


def group_by_tags(
    peaks: Peaks, points: Floats, tags: Floats, max_distance: float, joints: int = 17
) -> Ints:
    """(N,) the person index of each peak, from 0.

    Args:
        peaks, points, tags: N peaks, with (N, 3) x and y in cells and score, and (N, T) tags.
        max_distance: the maximum distance between a joint's tag and the mean tag of its person.
        joints: the number of keypoints of a person.
    """
    owners = np.full(len(peaks), -1)
    if not len(peaks):
        return owners
    order = np.argsort(tags[:, 0], kind="stable")
    first_tags = tags[order, 0]
    steps = np.diff(first_tags, prepend=first_tags[0])
    cluster = np.empty(len(order), np.int64)
    cluster[order] = np.cumsum(steps > max_distance)
    clusters = int(cluster.max()) + 1
    counts = np.bincount(cluster * joints + peaks.maps, minlength=clusters * joints)
    most = counts.reshape(clusters, joints).max(axis=1)
    low, high = np.full((2, clusters, tags.shape[1]), np.inf, np.float32)
    np.minimum.at(low, cluster, tags)
    np.minimum.at(high, cluster, -tags)
    spans = np.abs(low + high).sum(axis=1)
    # A cluster is one person if no joint occurs twice and all tags are within half the threshold.
    clear = (most <= 1) & (spans < max_distance / 2)
    numbers = np.cumsum(clear) - 1
    owners[:] = np.where(clear[cluster], numbers[cluster], -1)
    next_number = int(numbers[-1]) + 1
    for unclear in np.flatnonzero(~clear):
        members = np.flatnonzero(cluster == unclear)
        people = match_by_tags(peaks.maps[members], points[members], tags[members], max_distance)
        owners[members] = people + next_number
        next_number += int(people.max()) + 1
    return owners


def match_by_tags(kinds: Array, points: Floats, tags: Floats, max_distance: float) -> Ints:
    """(N,) the person index of each peak, assigned joint by joint with the lowest sum of costs.

    The cost is HigherHRNet's: 100 times the rounded distance of tags, minus the score. If tags are
    ambiguous, the distance from the center of a person decides. Both are computed to the last bit
    as in Open Model Zoo's ``hpe_associative_embedding.py``, because rounding makes small
    differences large.
    """
    owners = np.full(len(kinds), -1)
    means: list[Floats] = []
    centers: list[Array] = []
    sizes = []
    for joint in dict.fromkeys((*JOINT_ORDER, *np.unique(kinds).tolist())):
        new = np.flatnonzero(kinds == joint)
        if not len(new):
            continue
        chosen = [0] * len(new)  # a number that no person has means a new person
        distances = np.empty((len(new), len(means)), np.float32)
        if means:
            distances = np.linalg.norm(tags[new][:, None] - np.stack(means), axis=2)
            positions = points[new, None, :2].astype(np.float64)
            far = np.linalg.norm(positions - np.stack(centers), axis=2)
            far /= far.min(axis=0) + 1e-10
            products = (distances * far).astype(np.float32)
            weighted = np.where(distances < max_distance, products, distances)
            costs = np.round(weighted) * 100 - points[new, 2:].astype(np.float64)
            lacking = max(0, len(new) - len(means))
            costs = np.pad(costs, ((0, 0), (0, lacking)), constant_values=1e10)
            chosen = solve_assignment(costs)
        for row, (peak, person) in enumerate(zip(new.tolist(), chosen, strict=True)):
            if person >= distances.shape[1] or not distances[row, person] < max_distance:
                person = len(means)
                means.append(np.zeros_like(tags[peak]))
                centers.append(np.zeros(2))
                sizes.append(0)
            owners[peak] = person
            size = sizes[person]
            means[person] = (means[person] * size + tags[peak]) / np.float32(size + 1)
            centers[person] = (centers[person] * size + points[peak, :2]) / (size + 1)
            sizes[person] += 1
    return owners


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
    return create_poses(keypoints, scores, options.skeleton, size)


def _refine(
    keypoints: Floats, means: Floats, heatmaps: Floats, tags: Floats, *, adjust: bool
) -> None:
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
