"""Decoder of PoseNet: heatmaps find some keypoints, displacements lead from these to the rest of
each person.

G. Papandreou et al., PersonLab, 2018, arXiv:1803.08225. The results are those of the decoders
published for TensorFlow.js (tfjs-models, posenet/src/multi_pose and single_pose), to the last
digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from itertools import pairwise
from math import floor
from operator import add

import numpy as np

from posezoo.core.arrays import Doubles, Floats
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import import_cv2
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    MAXIMUM_IS_VISIBLE,
    BottomUpDecoder,
    Count,
    DecoderOptions,
    Maps,
    Positive,
    Share,
    declare_outputs,
    has_shape,
)
from posezoo.poses.keypoints import Pose, best_first, create_poses, sort_descending
from posezoo.poses.letterbox import SHORTER, InputSizing, Size

SKELETON = "coco-17"
JOINTS = 17
_NAMES = SKELETONS[SKELETON].keypoints

# The tree of tfjs-models (POSE_CHAIN); its edges are the parent and the child of each keypoint.
_CHAINS = (
    "nose left_eye left_ear",
    "nose right_eye right_ear",
    "nose left_shoulder left_elbow left_wrist",
    "left_shoulder left_hip left_knee left_ankle",
    "nose right_shoulder right_elbow right_wrist",
    "right_shoulder right_hip right_knee right_ankle",
)
EDGES = [edge for chain in _CHAINS for edge in pairwise(map(_NAMES.index, chain.split()))]

#: x, y and score.
Keypoint = tuple[float, float, float]

# How often a keypoint is moved to the position that the offsets of its cell give.
REFINEMENTS = 2


@frozen
class PoseNetOptions(DecoderOptions):
    """Options of PoseNet; the defaults are those of the published decoder.

    Attributes:
        min_keypoint_score: a person is found if the score of one of their keypoints is this or
            more, 0..1.
        min_score: the minimum score of a person, 0..1. A person who is found twice has a score
            below 0.06 the second time, since only the keypoints that belong to no person yet count.
        max_people: the maximum number of people; those with the highest keypoint scores are found
            first.
        nms_radius: a keypoint belongs to a person who was found before if their keypoint of the
            same kind is at most this far away, in input pixels.
        single: find one person, each of whose keypoints is the maximum of its heatmap.
        stride: the distance between cells of the maps, in input pixels.
    """

    min_keypoint_score: Share = 0.5
    min_score: Share = 0.0
    max_people: Count = 5
    nms_radius: Positive = 20.0
    single: bool = False
    stride: Count = 16


def decode_posenet(maps: Maps, size: Size, options: PoseNetOptions) -> list[Pose]:
    """The people, highest score first; an empty list if a value is not finite.

    A pose's score is the sum of the scores of the keypoints that belong to no person found before,
    divided by
    17. Its keypoints may have low scores, or lie outside the input.

    Args:
        maps: ``heatmaps`` (H, W, 17) float32: a logit for each keypoint; ``offsets`` (H, W, 34): y,
            then x from each cell to each keypoint, in input pixels; ``displacements_fwd`` and
            ``displacements_bwd`` (H, W, 32): y, then x from the first to the second keypoint of
            each edge of the tree, and back.
    """
    if not all(np.isfinite(array).all() for array in maps.values()):
        return []
    # In double precision, as TensorFlow.js computes it; below -200 the result is 0 in single
    # precision.
    logits = np.maximum(maps["heatmaps"], np.float32(-200)).astype(np.float64)
    probabilities = 1 / (1 + np.exp(-logits))
    scores = probabilities.astype(np.float32)
    tracer = _Tracer(scores, maps, options.stride)
    if options.single:
        cells = scores.reshape(-1, JOINTS).argmax(axis=0).tolist()
        people = [[tracer.keypoint(cell, part) for part, cell in enumerate(cells)]]
        totals = np.array([_total(score for _, _, score in people[0]) / JOINTS])
    else:
        people, totals = _find_people(scores, tracer, options)
    order = best_first(totals, totals >= options.min_score)
    keypoints = np.array(people, np.float32).reshape(-1, JOINTS, 3)[order]
    return create_poses(keypoints, totals[order], SKELETON, size)


def _find_people(
    scores: Floats, tracer: _Tracer, options: PoseNetOptions
) -> tuple[list[list[Keypoint]], Doubles]:
    cv2 = import_cv2()
    is_maximum = scores == cv2.dilate(scores, np.ones((3, 3), np.uint8))
    is_root = is_maximum & (scores >= options.min_keypoint_score)
    roots = is_root.reshape(-1).nonzero()[0]
    root_scores = scores.reshape(-1)[roots]
    roots = roots[sort_descending(root_scores)]
    people: list[list[Keypoint]] = []
    totals = []

    def is_taken(part: int, keypoint: Keypoint) -> bool:
        for person in people:
            x = person[part][0] - keypoint[0]
            y = person[part][1] - keypoint[1]
            if x * x + y * y <= options.nms_radius * options.nms_radius:
                return True
        return False

    for root in roots.tolist():
        cell, part = divmod(root, JOINTS)
        keypoint = tracer.keypoint(cell, part)
        if is_taken(part, keypoint):
            continue
        person = tracer.trace(part, keypoint)
        free = (each[2] for place, each in enumerate(person) if not is_taken(place, each))
        totals.append(_total(free) / JOINTS)
        people.append(person)
        if len(people) == options.max_people:
            break
    return people, np.array(totals)


class _Tracer:
    """Follows displacements through the maps.

    It computes with Python's numbers: a person has 16 edges of few numbers each, which take numpy
    longer.
    """

    def __init__(self, scores: Floats, maps: Maps, stride: int) -> None:
        self._stride = stride
        self._last_row = scores.shape[0] - 1
        self._last_column = scores.shape[1] - 1
        self._scores = scores.reshape(-1).data
        self._offsets = maps["offsets"].reshape(-1).data
        self._forward = maps["displacements_fwd"].reshape(-1).data
        self._backward = maps["displacements_bwd"].reshape(-1).data

    def keypoint(self, cell: int, part: int) -> Keypoint:
        row, column = divmod(cell, self._last_column + 1)
        place = cell * 2 * JOINTS + part
        x = column * self._stride + self._offsets[place + JOINTS]
        y = row * self._stride + self._offsets[place]
        return x, y, self._scores[cell * JOINTS + part]

    def _nearest_cell(self, x: float, y: float) -> int:
        column = min(max(floor(x / self._stride + 0.5), 0), self._last_column)
        row = min(max(floor(y / self._stride + 0.5), 0), self._last_row)
        cell: int = row * (self._last_column + 1) + column
        return cell

    def trace(self, root: int, keypoint: Keypoint) -> list[Keypoint]:
        traced = {root: keypoint}
        for source, target, edge, is_forward in ROUTES[root]:
            x, y, _ = traced[source]
            cell = self._nearest_cell(x, y)
            place = cell * 2 * len(EDGES) + edge
            displacements = self._forward if is_forward else self._backward
            x = x + displacements[place + len(EDGES)]
            y = y + displacements[place]
            for _ in range(REFINEMENTS):
                x, y, _ = self.keypoint(self._nearest_cell(x, y), target)
            cell = self._nearest_cell(x, y)
            traced[target] = x, y, self._scores[cell * JOINTS + target]
        return [traced[part] for part in range(JOINTS)]


def _total(scores: Iterable[float]) -> float:
    """The sum, rounded after each addend as in JavaScript. From Python 3.12 on, sum() is
    more exact."""
    return reduce(add, scores, 0.0)


def _find_route(root: int) -> list[tuple[int, int, int, bool]]:
    """The steps from a keypoint to all others: source, target, edge, and whether it is followed
    forward.
    """
    reached = [root]
    steps = []
    for source in reached:
        for edge, ends in enumerate(EDGES):
            target = sum(ends) - source
            if source in ends and target not in reached:
                reached.append(target)
                is_forward = source == ends[0]
                steps.append((source, target, edge, is_forward))
    return steps


ROUTES = [_find_route(root) for root in range(JOINTS)]


_CHANNELS = {
    "heatmaps": JOINTS,
    "offsets": 2 * JOINTS,
    "displacements_fwd": 2 * len(EDGES),
    "displacements_bwd": 2 * len(EDGES),
}

_SHAPES = {role: (1, -1, -1, channels) for role, channels in _CHANNELS.items()}
_RULES = {
    role: has_shape(-1, -1, -1, channels, word=role.partition("_")[2])
    for role, channels in _CHANNELS.items()
}

DECODER = BottomUpDecoder(
    networks=(declare_outputs(**_SHAPES),),
    options=PoseNetOptions,
    decode=decode_posenet,
    sizes=lambda facts, _options: {
        "heatmaps": facts.maps(facts.keypoints),
        "offsets": facts.maps(2 * facts.keypoints),
        # The edges of a tree.
        **dict.fromkeys(
            ("displacements_fwd", "displacements_bwd"), facts.maps(2 * (facts.keypoints - 1))
        ),
    },
    skeleton=SKELETON,
    needs="maps of 17, 34, 32 and 32 channels",
    rules=(_RULES,),
    visible_score=MAXIMUM_IS_VISIBLE,
    # The published code mirrors a keypoint to width - 1 - x.
    has_pixel_centers=True,
    input_sizing=InputSizing(stride=16, extra=1, default_target=385, target_side=SHORTER),
)
