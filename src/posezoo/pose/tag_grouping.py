"""Keypoints grouped to people by their associative embedding tags.

A. Newell et al., Associative Embedding, 2017, arXiv:1611.05424; costs and order of joints are HigherHRNet's
(B. Cheng et al., 2020, arXiv:1908.10357, ``lib/core/group.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import InferenceError
from posezoo.pose.assignment import solve_assignment
from posezoo.pose.keypoints import Floats
from posezoo.pose.peaks import Peaks

JOINTS = 17

#: From the head over the trunk to the limbs: whose tags are surest comes first.
JOINT_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)


@dataclass(frozen=True, slots=True)
class AssociativeEmbeddingOptions:
    """What may be said about the decoding.

    Attributes:
        compatible: return what Open Model Zoo's decoder does, in its order and with its scores.
        min_keypoint_score: heatmaps count above, 0..1.
        max_tag_distance: a joint belongs to a person whose mean tag is nearer.
        max_people: how many keypoints of a kind there may be, the highest.
        min_score: people whose keypoints' mean over all 17 is not above are left out.
        adjust: place keypoints between the cells.
        refine: look for the joints that are still missing where the tags are the person's.
        offset: where in its cell a joint lies that the network drew there, in cells from the top left
            corner: 0.5 is the middle.
        delta: what Open Model Zoo's decoder adds instead: 0 as it runs the 000x models with embeddings,
            0.5 for HigherHRNet.
    """

    compatible: bool = False
    min_keypoint_score: float = 0.1
    max_tag_distance: float = 1.0
    max_people: int = 30
    min_score: float = 0.1
    adjust: bool = True
    refine: bool = True
    offset: float = 0.5
    delta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.min_keypoint_score <= 1:
            raise InferenceError(
                f"decoder option min_keypoint_score: expected above 0 to 1, got {self.min_keypoint_score}"
            )
        if not self.max_tag_distance > 0:
            raise InferenceError(
                f"decoder option max_tag_distance: expected above 0, got {self.max_tag_distance}"
            )
        if self.max_people < 1:
            raise InferenceError(f"decoder option max_people: expected 1 or more, got {self.max_people}")


def group_by_tags(found: Peaks, points: Floats, tags: Floats, max_distance: float) -> NDArray[np.int64]:
    """(N,) whose each peak is, people numbered from 0.

    Args:
        found: N peaks.
        points: (N, 3) x, y in cells and score.
        tags: (N, T).
        max_distance: between a joint's tag and the mean tag of the person that it goes to.
    """
    owners: NDArray[np.int64] = np.full(len(found), -1)
    if not len(found):
        return owners
    order = np.argsort(tags[:, 0], kind="stable")
    sorted_tags = tags[order]
    cluster = np.empty(len(order), np.int64)
    cluster[order] = np.cumsum(np.diff(sorted_tags[:, 0], prepend=sorted_tags[0, 0]) > max_distance)
    clusters = int(cluster.max()) + 1
    counts = np.bincount(cluster * JOINTS + found.maps, minlength=clusters * JOINTS).reshape(clusters, JOINTS)
    low, high = np.full((2, clusters, tags.shape[1]), np.inf, np.float32)
    np.minimum.at(low, cluster, tags)
    np.minimum.at(high, cluster, -tags)
    # Nobody has two joints of a kind, and all are within half the threshold: one person.
    clear = (counts.max(axis=1) <= 1) & (np.abs(low + high).sum(axis=1) < max_distance / 2)
    numbers = np.cumsum(clear) - 1
    owners[:] = np.where(clear[cluster], numbers[cluster], -1)
    next_number = int(numbers[-1]) + 1
    for unclear in np.flatnonzero(~clear):
        members = np.flatnonzero(cluster == unclear)
        own = match_by_tags(found.maps[members], points[members], tags[members], max_distance)
        owners[members] = own + next_number
        next_number += int(own.max()) + 1
    return owners


def match_by_tags(
    kinds: NDArray[Any], points: Floats, tags: Floats, max_distance: float
) -> NDArray[np.int64]:
    """(N,) whose each peak is, joint by joint, by the least sum of costs; people are numbered as they come.

    The cost is HigherHRNet's, 100 times the rounded distance of tags less the score; where tags leave a
    choice, the distance from the middle of a person decides. Both as Open Model Zoo's decoder has them
    (``hpe_associative_embedding.py``), to the last bit: rounding makes jumps of small differences.
    """
    owners: NDArray[np.int64] = np.full(len(kinds), -1)
    means: list[Floats] = []
    centres: list[NDArray[Any]] = []
    sizes: list[int] = []
    for joint in JOINT_ORDER:
        new = np.flatnonzero(kinds == joint)
        if not len(new):
            continue
        apart, chosen = _chosen(tags[new], points[new], means, centres, max_distance)
        for row, peak in enumerate(new.tolist()):
            person = chosen[row]
            if person >= apart.shape[1] or not apart[row, person] < max_distance:
                person = len(means)
                means.append(np.zeros_like(tags[peak]))
                centres.append(np.zeros(2))
                sizes.append(0)
            owners[peak] = person
            size = sizes[person]
            means[person] = (means[person] * size + tags[peak]) / np.float32(size + 1)
            centres[person] = (centres[person] * size + points[peak, :2]) / (size + 1)
            sizes[person] += 1
    return owners


def _chosen(
    tags: Floats,
    points: Floats,
    means: list[Floats],
    centres: list[NDArray[Any]],
    max_distance: float,
) -> tuple[Floats, list[int]]:
    """(R, P) distances of tags, and for each of R joints the person, or a number from P on for a new one."""
    if not means:
        return np.empty((len(tags), 0), np.float32), [0] * len(tags)
    apart: Floats = np.linalg.norm(tags[:, None] - np.stack(means), axis=2)
    far = np.linalg.norm(points[:, None, :2].astype(np.float64) - np.stack(centres), axis=2)
    far /= far.min(axis=0) + 1e-10
    weighted = np.where(apart < max_distance, (apart * far).astype(np.float32), apart)
    costs = np.round(weighted) * 100 - points[:, 2:].astype(np.float64)
    lacking = max(0, costs.shape[0] - costs.shape[1])
    return apart, solve_assignment(np.pad(costs, ((0, 0), (0, lacking)), constant_values=1e10))
