"""Group keypoints into people by their associative embedding tags.

A. Newell et al., Associative Embedding, 2017, arXiv:1611.05424; costs and order of joints are from
HigherHRNet (B. Cheng et al., 2020, arXiv:1908.10357, ``lib/core/group.py``).
"""

from __future__ import annotations

import numpy as np

from posezoo.core.arrays import Array, Floats, Ints
from posezoo.core.values import frozen
from posezoo.poses.assignment import solve_assignment
from posezoo.poses.decoder_type import Count, Positive, PositiveShare, SkeletonOptions
from posezoo.poses.peaks import Peaks

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

    Tags that are further apart than the threshold never belong to one person, so clusters of tags
    are matched separately.

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

    The cost is HigherHRNet's: 100 times the rounded distance of tags, minus the score. If the tags
    are ambiguous, the distance from the center of a person decides. Both are computed as in Open
    Model Zoo's decoder (``hpe_associative_embedding.py``), exact to the last bit, because rounding
    makes small differences large.
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
