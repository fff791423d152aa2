"""How far keypoints move from one model, precision or size to another, on the user's images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from posezoo.console.labels import format_count
from posezoo.console.report import align_columns
from posezoo.core.arrays import Doubles
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import PosezooError
from posezoo.core.values import frozen
from posezoo.poses.assignment import pair_up
from posezoo.poses.keypoints import BODY_SHARE, Pose, bounds_of, pose_similarity
from posezoo.poses.letterbox import Size, image_size
from posezoo.poses.ssd_detection import Box
from posezoo.poses.top_down import crop_fit
from posezoo.run.images import read_image
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.top_down_pipeline import MARGIN

#: Two poses are of the same person at this object keypoint similarity or more.
SAME_AT = 0.5


@frozen
class ComparedModel:
    """One of the two models: its name for the report, and what finds the poses."""

    title: str
    estimator: Estimator


@frozen
class Move:
    """How far keypoints move, in pixels: the median and the 90th percentile."""

    median: float
    p90: float


@frozen
class KeypointMoves:
    """How far keypoints move from one model to another.

    Attributes:
        by_both, only_by_first, only_by_second: people.
        names: the keypoints of both models, by their names, which are compared.
        keypoints: of people that both find, that both see.
        of_image: in pixels of the image; None if there are no such keypoints.
        of_input: in pixels of the first model's input, estimated from the keypoints if that is the
            crop of a person; None also if its size varies.
    """

    first: str
    second: str
    images: int
    by_both: int
    only_by_first: int
    only_by_second: int
    names: tuple[str, ...]
    keypoints: int
    of_image: Move | None
    of_input: Move | None


def compare_keypoints(
    first: ComparedModel, second: ComparedModel, paths: Iterable[Path]
) -> KeypointMoves:
    """Run both models on images, and compare the keypoints with the same names of the people that
    both find. Those of a hand, which has a side, are ``left_wrist`` or ``right_wrist`` and so on.

    Raises:
        ImageError: an image cannot be read.
        PosezooError: the models find no keypoints, or none with the same name.
    """
    visible = first.estimator.seen_from, second.estimator.seen_from
    # Of each image, the people that both find, only the first, and only the second.
    counts = []
    # (N, 2) of each pair: how far each keypoint moves that both models see: in pixels of the image,
    # and of the first model's input, which is NaN if its size varies.
    of_pairs = [np.zeros((0, 2))]
    shared: dict[str, None] = {}
    have_met = False
    skeletons: dict[str, str] = {}
    for path in paths:
        image = read_image(path)
        people = first.estimator(image)
        others = second.estimator(image)
        for model, found in ((first, people), (second, others)):
            for pose in found[:1]:
                skeletons[model.title] = _require_keypoints(model, pose)
        have_met |= bool(people and others)
        pairs = _match(people, others)
        both = len(pairs)
        counts.append((both, len(people) - both, len(others) - both))
        shared |= dict.fromkeys(
            name for one, other in product(people, others) for name in _shared_names(one, other)
        )
        for person, (one, other) in pairs:
            is_seen = (one.keypoints[:, 2] >= visible[0]) & (other.keypoints[:, 2] >= visible[1])
            steps = np.hypot(*(one.keypoints - other.keypoints)[is_seen, :2].T.astype(np.float64))
            scale = _input_scale(first.estimator, person, image_size(image))
            of_pairs.append(np.stack([steps, steps * scale], axis=1))
    if have_met and not shared:
        names = " and ".join(f"{title} {name}" for title, name in skeletons.items())
        raise PosezooError(
            f"the models find no keypoint of the same name: {names}",
            hint="--keypoints compares models that have some names in common",
        )
    moves = np.concatenate(of_pairs)
    by_both, only_by_first, only_by_second = np.sum(counts, axis=0)
    return KeypointMoves(
        first.title,
        second.title,
        len(counts),
        int(by_both),
        int(only_by_first),
        int(only_by_second),
        tuple(shared),
        len(moves),
        of_image=_summarize(moves[:, 0]),
        of_input=_summarize(moves[:, 1]),
    )


def _summarize(moves: Doubles) -> Move | None:
    if not len(moves) or np.isnan(moves).any():
        return None
    median, p90 = np.percentile(moves, (50, 90)).tolist()
    return Move(median, p90)


def _require_keypoints(model: ComparedModel, pose: Pose) -> str:
    """The name of the skeleton of a model's poses."""
    if not pose.layout.keypoints:
        raise PosezooError(
            f"{model.title} finds no keypoints", hint="--keypoints compares models of poses"
        )
    return pose.skeleton


def _names(pose: Pose) -> list[str]:
    """The names of keypoints, with the side of a hand before them."""
    side = f"{pose.label}_" if pose.label in ("left", "right") else ""
    return [side + name for name in pose.layout.keypoints]


def _shared_names(one: Pose, other: Pose) -> list[str]:
    others = set(_names(other))
    return [name for name in _names(one) if name in others]


def _with_keypoints(pose: Pose, names: Sequence[str]) -> Pose:
    """The pose with the keypoints of these names only, in this order."""
    own = _names(pose)
    skeleton = Skeleton("shared", tuple(names))
    keypoints = pose.keypoints[list(map(own.index, names))]
    return replace(pose, keypoints=keypoints, skeleton=skeleton.name, own_skeleton=skeleton)


def _match(people: Sequence[Pose], others: Sequence[Pose]) -> list[tuple[Pose, tuple[Pose, Pose]]]:
    """Each person that both find, as the first model finds them, and both poses with the keypoints
    that both have.
    """
    similarities = np.zeros((len(people), len(others)))
    compared = {}
    for row, column in product(range(len(people)), range(len(others))):
        one, other = people[row], others[column]
        names = _shared_names(one, other)
        if names:
            both = _with_keypoints(one, names), _with_keypoints(other, names)
            area = max(_area(pose) for pose in (one, other))
            similarities[row, column] = pose_similarity(*both, area)
            compared[row, column] = both
    return [
        (people[row], compared[row, column])
        for row, column in pair_up(similarities)
        if similarities[row, column] >= SAME_AT
    ]


def _area(pose: Pose) -> float:
    """Of a person in square pixels: a part of the box around all keypoints."""
    x0, y0, x1, y1 = bounds_of(pose.keypoints, 0.0)
    return BODY_SHARE * (x1 - x0) * (y1 - y0)


def _input_scale(estimator: Estimator, pose: Pose, image: Size) -> float:
    """Pixels of the network's input for each pixel of the image, at a person; NaN if the size of
    the input varies.
    """
    size = estimator.input_size
    if size is None:
        return float("nan")
    takes_crops = len(estimator.networks) > 1
    if not takes_crops:
        return min(size[0] / image[0], size[1] / image[1])
    x0, y0, x1, y1 = bounds_of(pose.keypoints, 0.0)
    margin = MARGIN * max(x1 - x0, y1 - y0, 1)
    box = Box(x0 - margin, y0 - margin, x1 + margin, y1 + margin)
    across, _ = crop_fit(box, image, size).view.scales
    return across


def format_moves(moves: KeypointMoves) -> Iterator[str]:
    """The lines of the report."""
    yield f"A  {moves.first}"
    yield f"B  {moves.second}"
    yield format_count(moves.images, "image")
    yield ""
    yield f"people found by both  {moves.by_both}"
    yield f"only by A             {moves.only_by_first}"
    yield f"only by B             {moves.only_by_second}"
    rows = [("KEYPOINTS MOVE BY PX", "MEDIAN", "90 % AT MOST")]
    for title, move in (("of the image", moves.of_image), ("of A's input", moves.of_input)):
        if move:
            rows.append((title, f"{move.median:.1f}", f"{move.p90:.1f}"))
    if len(rows) > 1:
        yield ""
        yield from align_columns(rows, right=frozenset({1, 2}))
        names = format_count(len(moves.names), "name")
        yield f"{format_count(moves.keypoints, 'keypoint')} that A and B see, with {names}"
