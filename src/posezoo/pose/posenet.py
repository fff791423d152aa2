"""Decoder of PoseNet: heatmaps find some keypoints, displacements lead from these to the rest of each person.

G. Papandreou et al., PersonLab, 2018, arXiv:1803.08225. The results are those of the decoders published for
TensorFlow.js (tfjs-models, posenet/src/multi_pose and single_pose), to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import import_optional
from posezoo.pose.decoder_type import (
    BOTTOM_UP,
    MAXIMUM_IS_VISIBLE,
    DecoderType,
    Maps,
    OutputRule,
    check_options,
    is_share,
)
from posezoo.pose.keypoints import Floats, Pose, create_poses
from posezoo.pose.letterbox import InputSizing, Size
from posezoo.spec.model import Output

SKELETON = "coco-17"
JOINTS = 17

# The tree of tfjs-models (POSE_CHAIN), as indices of COCO's keypoints: the parent and the child of each edge.
_EDGES = (
    *((0, 1), (1, 3), (0, 2), (2, 4), (0, 5), (5, 7), (7, 9), (5, 11), (11, 13), (13, 15)),
    *((0, 6), (6, 8), (8, 10), (6, 12), (12, 14), (14, 16)),
)
# How often a keypoint is moved to the position that the offsets of its cell give.
_REFINEMENTS = 2


@dataclass(frozen=True, slots=True)
class PoseNetOptions:
    """Options of PoseNet; the defaults are those of the published decoder.

    Attributes:
        min_keypoint_score: a person is found if the score of one of their keypoints is this or more, 0..1.
        min_score: the minimum score of a person, 0..1. A person who is found twice has a score below 0.06 the
            second time, since only the keypoints that belong to nobody yet count.
        max_people: the maximum number of people; those with the highest keypoint scores are found first.
        nms_radius: a keypoint belongs to a person who was found before if their keypoint of the same kind is
            at most this far away, in input pixels.
        single: find one person, each of whose keypoints is the maximum of its heatmap.
        stride: the distance between cells of the maps, in input pixels.
    """

    min_keypoint_score: float = 0.5
    min_score: float = 0.0
    max_people: int = 5
    nms_radius: float = 20.0
    single: bool = False
    stride: int = 16

    def __post_init__(self) -> None:
        check_options(self, "0 to 1", is_share, "min_keypoint_score", "min_score")
        check_options(self, "1 or more", lambda value: value >= 1, "max_people", "stride")
        check_options(self, "above 0", lambda value: value > 0, "nms_radius")


def decode_posenet(maps: Maps, size: Size, options: PoseNetOptions) -> list[Pose]:
    """The people, highest score first; an empty list if a value is not finite.

    A pose's score is the sum of the scores of the keypoints that belong to no person found before, divided by
    17. Its keypoints may have low scores, or lie outside the input.

    Args:
        maps: ``heatmaps`` (H, W, 17) float32: a logit for each keypoint; ``offsets`` (H, W, 34): y, then x
            from each cell to each keypoint, in input pixels; ``displacements_fwd`` and ``displacements_bwd``
            (H, W, 32): y, then x from the first to the second keypoint of each edge of the tree, and back.
    """
    if not all(np.isfinite(array).all() for array in maps.values()):
        return []
    # In double precision, as TensorFlow.js computes it; below -200 the result is 0 in single precision.
    logits = np.maximum(maps["heatmaps"], np.float32(-200)).astype(np.float64)
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    if options.single:
        people = [_find_maxima(scores, maps["offsets"], options.stride)]
        totals = np.array([sum(score for _, _, score in people[0]) / JOINTS])
    else:
        people, totals = _find_people(scores, maps, options)
    order = np.argsort(-totals, kind="stable")
    order = order[totals[order] >= options.min_score]
    keypoints: Floats = np.array(people, np.float32).reshape(-1, JOINTS, 3)[order]
    return create_poses(keypoints, totals[order], SKELETON, size)


Keypoint = tuple[float, float, float]


def _find_maxima(scores: Floats, offsets: Floats, stride: int) -> list[Keypoint]:
    """x, y and score of each keypoint in the highest cell of its heatmap."""
    parts = np.arange(JOINTS)
    cells = scores.reshape(-1, JOINTS).argmax(axis=0)
    rows, columns = np.divmod(cells, scores.shape[1])
    x = columns * stride + offsets[rows, columns, parts + JOINTS].astype(np.float64)
    y = rows * stride + offsets[rows, columns, parts].astype(np.float64)
    return list(zip(x.tolist(), y.tolist(), scores[rows, columns, parts].tolist(), strict=True))


def _find_people(
    scores: Floats, maps: Maps, options: PoseNetOptions
) -> tuple[list[list[Keypoint]], NDArray[np.float64]]:
    """The keypoints of each person, and the person's score, in the order in which they are found."""
    cv2 = import_optional("cv2", extra="run")
    is_root = (scores >= options.min_keypoint_score) & (
        scores == cv2.dilate(scores, np.ones((3, 3), np.uint8))
    )
    roots = is_root.reshape(-1).nonzero()[0]
    roots = roots[np.argsort(-scores.reshape(-1)[roots], kind="stable")]
    radius = options.nms_radius * options.nms_radius

    def is_taken(part: int, x: float, y: float) -> bool:
        near = ((person[part][0] - x, person[part][1] - y) for person in people)
        return any(dx * dx + dy * dy <= radius for dx, dy in near)

    trace = _Tracer(scores, maps, options.stride)
    people: list[list[Keypoint]] = []
    totals = []
    for root in roots.tolist():
        cell, part = divmod(root, JOINTS)
        x, y = trace.position(cell, part)
        if is_taken(part, x, y):
            continue
        person = trace.person(part, x, y, trace.scores[root])
        free = (score for place, (x, y, score) in enumerate(person) if not is_taken(place, x, y))
        totals.append(sum(free) / JOINTS)
        people.append(person)
        if len(people) == options.max_people:
            break
    return people, np.array(totals)


class _Tracer:
    """Follows displacements through the maps.

    It computes with Python's numbers: a person has 16 edges of few numbers each, which take numpy longer.
    """

    def __init__(self, scores: Floats, maps: Maps, stride: int) -> None:
        self._rows: int
        self._columns: int
        self._rows, self._columns = scores.shape[:2]
        self._stride = stride
        self.scores, self._offsets, self._forward, self._backward = (
            array.reshape(-1).data
            for array in (scores, maps["offsets"], maps["displacements_fwd"], maps["displacements_bwd"])
        )

    def position(self, cell: int, part: int) -> tuple[float, float]:
        """x and y of a keypoint according to the offsets in a cell."""
        row, column = divmod(cell, self._columns)
        place = cell * 2 * JOINTS + part
        stride, offsets = self._stride, self._offsets
        return column * stride + offsets[place + JOINTS], row * stride + offsets[place]

    def _cell(self, x: float, y: float) -> int:
        """The cell whose center is nearest."""
        column = min(max(floor(x / self._stride + 0.5), 0), self._columns - 1)
        row = min(max(floor(y / self._stride + 0.5), 0), self._rows - 1)
        return row * self._columns + column

    def person(self, root: int, x: float, y: float, score: float) -> list[Keypoint]:
        """x, y and score of all keypoints of the person whose keypoint ``root`` is at x, y."""
        found: dict[int, Keypoint] = {root: (x, y, score)}
        edges = len(_EDGES)
        for source, target, edge, is_forward in _ROUTES[root]:
            x, y, _ = found[source]
            place = self._cell(x, y) * 2 * edges + edge
            displacements = self._forward if is_forward else self._backward
            x, y = x + displacements[place + edges], y + displacements[place]
            for _ in range(_REFINEMENTS):
                x, y = self.position(self._cell(x, y), target)
            found[target] = x, y, self.scores[self._cell(x, y) * JOINTS + target]
        return [found[part] for part in range(JOINTS)]


def _routes(root: int) -> list[tuple[int, int, int, bool]]:
    """The steps from a keypoint to all others: source, target, edge, and whether it is followed forward."""
    steps: list[tuple[int, int, int, bool]] = []
    known = {root}
    for edge, (parent, child) in reversed([*enumerate(_EDGES)]):
        if child in known and parent not in known:
            known.add(parent)
            steps.append((child, parent, edge, False))
    for edge, (parent, child) in enumerate(_EDGES):
        if parent in known and child not in known:
            known.add(child)
            steps.append((parent, child, edge, True))
    return steps


_ROUTES = [_routes(root) for root in range(JOINTS)]


def _has_channels(channels: int, word: str = "") -> OutputRule:
    return lambda name, shape: len(shape) == 4 and shape[3] == channels and word in name.lower()


_CHANNELS = {
    "heatmaps": JOINTS,
    "offsets": 2 * JOINTS,
    "displacements_fwd": 2 * len(_EDGES),
    "displacements_bwd": 2 * len(_EDGES),
}

DECODER = DecoderType(
    networks=(tuple(Output("", (1, -1, -1, channels), role=role) for role, channels in _CHANNELS.items()),),
    options=PoseNetOptions,
    person_score="min_score",
    decode=decode_posenet,
    pipeline=BOTTOM_UP,
    skeleton=SKELETON,
    needs="maps of 17, 34, 32 and 32 channels",
    rules=({role: _has_channels(channels, role.partition("_")[2]) for role, channels in _CHANNELS.items()},),
    visible_score=MAXIMUM_IS_VISIBLE,
    input_sizing=InputSizing(stride=16, extra=1, default_target=385, by_height=False),
    approach="bottom-up",
)
