"""Boxes of people and objects: the decoder for detectors of the SSD family, and users' boxes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY
from functools import partial
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from posezoo.core.arrays import Array, Bools
from posezoo.core.errors import InferenceError, import_cv2
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    DecoderOptions,
    DecoderType,
    Maps,
    Share,
    declare_outputs,
    has_shape,
)
from posezoo.poses.keypoints import NO_KEYPOINTS, Pose, best_first
from posezoo.poses.letterbox import Size

SKELETON = "box"

#: The part of a pose that the example on a detector's card prints, and its comment.
BOX_PRINTED = ("pose.box", "left, top, right, bottom in pixels of the image")

#: The maximum number of boxes of NanoDet, and of RTMDet's published files.
MAX_BOXES = 100

#: The label of a person in detectors that find only people, such as person-detection-retail-0013.
PERSON = 1


@frozen
class Box:
    """The box of a person: left, top, right and bottom in image pixels, and the score, 0..1; None
    if nothing gave it one.

    It may be rotated around its center by ``angle``, clockwise, in radians, and mirrored. ``side``
    is that of an eye: ``left`` or ``right``; else empty.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    score: float | None = None
    _: KW_ONLY
    angle: float = 0.0
    is_mirrored: bool = False
    side: str = ""

    @property
    def center(self) -> tuple[float, float]:
        """x and y of the center, in image pixels."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in image pixels."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def width(self) -> float:
        """In image pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """In image pixels."""
        return self.y1 - self.y0

    def clip(self, size: Size) -> Box:
        """The part of the box inside an image of this width and height."""
        width, height = size
        x0, x1 = (min(max(x, 0.0), float(width)) for x in (self.x0, self.x1))
        y0, y1 = (min(max(y, 0.0), float(height)) for y in (self.y0, self.y1))
        return Box(x0, y0, x1, y1, score=self.score)


@frozen
class DetectionOptions(DecoderOptions):
    """Options of the decoder detection.

    Attributes:
        min_box_score: boxes with lower scores are left out, 0..1. GluonCV's demo and Open Model
            Zoo's cards use 0.5.
        all_classes: whether objects of all classes are found, not only people.
    """

    min_box_score: Share = 0.5
    all_classes: bool = False


@frozen
class OverlapOptions(DetectionOptions):
    """Options of a decoder that suppresses overlapping boxes.

    Attributes:
        max_overlap: of boxes with a larger intersection over union, only the best is kept, 0..1.
    """

    max_overlap: Share = 0.5


def decode_ssd(maps: Maps, size: Size, options: DetectionOptions) -> list[Pose]:
    """The people or objects in an image, highest score first: poses without keypoints, whose boxes
    are inside the image.

    Args:
        maps: ``detections`` (..., N, 7): for each box the image's index, the label, the confidence,
            and x0, y0, x1, y1 as shares of the image's sides. An index below zero ends the list:
            the rows after it may be from an earlier image (SSD's DetectionOutput).
        size: width and height of the image, in pixels.
    """
    rows = maps["detections"].reshape(-1, 7)
    ends = np.flatnonzero(rows[:, 0] < 0)
    if len(ends):
        rows = rows[: ends[0]]
    is_found = np.isfinite(rows).all(axis=1)
    is_found &= rows[:, 2] >= options.min_box_score
    if not options.all_classes:
        is_found &= rows[:, 1] == PERSON
    rows = rows[best_first(rows[:, 2], is_found)].astype(float)
    classes = rows[:, 1] if options.all_classes else None
    return create_box_poses(rows[:, 3:] * [*size, *size], rows[:, 2], size, classes)


def create_box_poses(
    boxes: Array, scores: Array, size: Size, classes: Array | None = None
) -> list[Pose]:
    """Poses without keypoints, in the same order; boxes without a size are left out.

    Args:
        boxes: (N, 4): left, top, right, bottom in pixels, which may be outside the image.
        scores: (N,).
        size: width and height of the image, in pixels.
        classes: (N,), their numbers; None: they are people.
    """
    inside, has_size = clip_boxes(boxes, size)
    poses = []
    for row in np.flatnonzero(has_size).tolist():
        box = tuple(inside[row].tolist())
        score = min(float(scores[row]), 1.0)
        number = None if classes is None else int(classes[row])
        poses.append(Pose(NO_KEYPOINTS, SKELETON, score, box, class_id=number))
    return poses


def box_corners(centers: Array, halves: Array) -> Array:
    """Boxes (N, 4) from their centers and half their sides, (N, 2)."""
    return np.concatenate([centers - halves, centers + halves], axis=1)


def clip_boxes(boxes: Array, size: Size) -> tuple[Array, Bools]:
    """The parts of boxes (N, 4) inside an image, and whether they have a size, (N,)."""
    inside = boxes.clip(0, [*size, *size])
    are_apart = inside[:, 2:] > inside[:, :2]
    return inside, are_apart[:, 0] & are_apart[:, 1]


def suppress_boxes(
    boxes: Array,
    scores: Array,
    classes: Array,
    size: Size,
    options: OverlapOptions,
    max_boxes: int = MAX_BOXES,
) -> list[Pose]:
    """As ``create_box_poses``, highest score first, without boxes that overlap a better one of the
    same class.

    Args:
        boxes: (N, 4): left, top, right, bottom in pixels.
        scores: (N,), high enough to count.
        classes: (N,), their numbers; 0 of all, unless ``options.all_classes``.
        size: width and height of the image, in pixels.
    """
    kept = find_best_boxes(boxes, scores, options.max_overlap, classes)[:max_boxes]
    kept_classes = classes[kept] if options.all_classes else None
    return create_box_poses(boxes[kept], scores[kept], size, kept_classes)


def find_best_boxes(
    boxes: Array,
    scores: Array,
    max_overlap: float,
    classes: Array | None = None,
) -> NDArray[np.intp]:
    """The numbers of the boxes that do not overlap a better one of the same class, highest score
    first.

    Args:
        boxes, scores: as for ``suppress_boxes``.
        max_overlap: the largest intersection over union with a better box, 0..1.
        classes: as for ``create_box_poses``.
    """
    cv2 = import_cv2()
    corners = boxes[:, :2]
    rectangles = np.concatenate([corners, boxes[:, 2:] - corners], axis=1)
    numbers = [0] * len(boxes) if classes is None else classes.tolist()
    kept = cv2.dnn.NMSBoxesBatched(rectangles.tolist(), scores.tolist(), numbers, 0, max_overlap)
    return np.array(kept, np.intp)


def parse_boxes(boxes: Iterable[Sequence[float] | Box]) -> list[Box]:
    """Boxes from a user: (x0, y0, x1, y1), optionally followed by a score.

    Raises:
        InferenceError: there is one box instead of a list; or a box does not have four or five
            finite numbers, its width or height is not above 0, or its score is not 0 to 1.
    """
    rows = list(boxes) if isinstance(boxes, Iterable) else []
    is_one_box = len(rows) in (4, 5) and all(isinstance(side, Real) for side in rows)
    if is_one_box or not isinstance(boxes, Iterable):
        raise InferenceError(
            f"boxes is a list of boxes, not {boxes!r}",
            hint="one box is a list, too: boxes=[(x0, y0, x1, y1)]",
        )
    return [box if isinstance(box, Box) else _parse_box(box) for box in rows]


def _parse_box(sides: Sequence[float]) -> Box:
    try:
        numbers = [float(side) for side in sides]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (4, 5) or not np.isfinite(numbers).all():
        raise InferenceError(
            f"a box is x0, y0, x1, y1 in pixels, and optionally a score, not {sides!r}"
        )
    box = Box(*numbers)
    if min(box.width, box.height) <= 0:
        raise InferenceError(
            f"a box has no size: {tuple(numbers)}",
            hint="x0, y0 is its left top corner, x1, y1 its right bottom corner",
        )
    if box.score is not None and not 0 <= box.score <= 1:
        raise InferenceError(f"the score of a box is 0 to 1, not {box.score:g}")
    return box


#: What the decoders of all detectors have in common.
BoxDecoder = partial(
    DecoderType,
    pipeline="detector",
    person_score="min_box_score",
    skeleton=SKELETON,
    finds_boxes=True,
    task="detection",
    task_options={"all_classes": True},
    printed=BOX_PRINTED,
)

DECODER = BoxDecoder(
    networks=(declare_outputs(detections=(1, 1, -1, 7)),),
    options=DetectionOptions,
    decode=decode_ssd,
    needs="boxes of 7 numbers",
    rules=({"detections": has_shape(-1, -1, -1, 7)},),
    model_info=lambda options: {
        "model_type": "ssd",
        "model_type_dlstreamer": "detection_output",
        "confidence_threshold": f"{options.min_box_score:g}",
    },
    labels=("background", "person"),
    stretches=True,
)
