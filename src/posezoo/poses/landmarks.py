"""Decoders of MediaPipe's landmark networks of hands, faces and eyes, and the rotated squares
of the image in which they are upright.

F. Zhang et al., MediaPipe Hands, 2020, arXiv:2006.10214; Y. Kartynnik et al., Real-time Facial
Surface Geometry, 2019, arXiv:1907.06724. The steps and their constants are from MediaPipe 0.10.21,
``modules/hand_landmark``, ``face_landmark`` and ``iris_landmark``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from posezoo.core.arrays import Array, Floats
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.values import frozen
from posezoo.poses.blazeface import find_new, sigmoid
from posezoo.poses.decoder_type import (
    DecoderType,
    Maps,
    OutputRule,
    Shape,
    Share,
    declare_outputs,
    has_shape,
)
from posezoo.poses.keypoints import SCORES_OF_THE_POSE, Pose, create_poses
from posezoo.poses.letterbox import Size
from posezoo.poses.ssd_detection import Box
from posezoo.poses.top_down import CropFunction, TopDownOptions, crop_square

# The depth of a hand in the network's output is this share of its width's unit (normalize_z).
_HAND_DEPTH = 0.4

# By the number of landmarks.
_USUAL_SKELETONS = {21: "hand-21", 76: "eye-76", 468: "face-468", 478: "face-478"}

# The person's own sides. MediaPipe takes the image for a mirrored one, such as that of a selfie, so
# its ``Left`` is a right hand.
_RIGHT, _LEFT = "right", "left"

# The keypoints of the palm, which moves less than the fingers
# (hand_landmarks_to_rect_calculator.cc).
_PALM = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]
_WRIST, _INDEX, _MIDDLE, _RING = 0, 5, 9, 13

# The outer corners of the eyes in the mesh of a face.
_RIGHT_CORNER, _LEFT_CORNER = 33, 263

# The points of an iris, and those of an eye's edge, which come first.
_IRIS = 5
_EYE_EDGE = 16

# The corners of an eye in its contour; the width of an eye, relative to the distance between the
# eyes; and the side of the square, relative to the width of the eye.
_OUTER, _INNER = 0, 8
_EYE_SHARE = 0.45
_EYE_SCALE = 2.3

# The square around the box of a hand or face that another detector or the user gives: as the one
# around all landmarks of a face.
_BOX_SCALE = 1.5


@frozen
class Region:
    """How the square that a landmark network sees follows from a box and two keypoints.

    Attributes:
        points: the number of keypoints that the detector finds.
        start, end: the keypoints whose direction is known when the square is upright.
        direction: this direction, in radians, counterclockwise from the x axis.
        shift: of the box's center along its height, relative to it, before it is enlarged.
        scale: the side relative to the box's longer side.
    """

    points: int
    start: int
    end: int
    direction: float
    shift: float
    scale: float


_PALM_REGION = Region(7, 0, 2, math.pi / 2, shift=-0.5, scale=2.6)
_FACE_REGION = Region(6, 0, 1, 0, shift=0, scale=1.5)


def find_turn(start: Array, end: Array, direction: float) -> float:
    """The clockwise angle, -pi to pi, by which a square is rotated to make a direction upright."""
    dx, dy = (end - start).tolist()
    return (direction + math.atan2(dy, dx) + math.pi) % (2 * math.pi) - math.pi


def turned_square(box: Sequence[float], angle: float, shift: float, scale: float) -> Box:
    """The rotated square around the box, which is rotated by ``angle`` around its center."""
    x0, y0, x1, y1 = box
    height = y1 - y0
    x = (x0 + x1) / 2 - shift * height * math.sin(angle)
    y = (y0 + y1) / 2 + shift * height * math.cos(angle)
    half = max(x1 - x0, height) * scale / 2
    return Box(x - half, y - half, x + half, y + half, angle=angle)


def square_around(box: Box) -> Box:
    """The square for a box whose keypoints are not known."""
    return turned_square((box.x0, box.y0, box.x1, box.y1), 0, shift=0, scale=_BOX_SCALE)


def find_distinct_squares(detected: Sequence[Box]) -> list[Box]:
    """Each hand or face once: of squares that overlap, the last one, as MediaPipe's calculator."""
    kept: list[Box] = []
    for square in detected:
        kept = [*find_new([square], kept, square_bounds), square]
    return kept


def square_bounds(squares: Sequence[Box]) -> Array:
    """(N, 4): the squares, without their angles."""
    return np.array([(each.x0, each.y0, each.x1, each.y1) for each in squares])


@frozen
class LandmarkOptions(TopDownOptions):
    """Options of the decoders of landmarks.

    Attributes:
        skeleton: the names of the keypoints.
    """

    #: Whether the landmarks in the first square are used only to compute a better square.
    refines_squares: ClassVar[bool] = False
    #: How a square follows from a detection: that of a face and its eyes.
    region: ClassVar[Region] = _FACE_REGION

    skeleton: Skeleton | None = None

    @property
    def crop(self) -> CropFunction:
        """Returns the crop for a box."""
        return crop_square

    def find_squares(self, box: Array, keypoints: Array) -> list[Box]:
        """The squares for a detection: a box (4,) and keypoints (K, 2), in image pixels."""
        region = self.region
        if len(keypoints) != region.points:
            return [square_around(Box(*box.tolist()))]
        angle = find_turn(keypoints[region.start], keypoints[region.end], region.direction)
        return [turned_square(box.tolist(), angle, region.shift, region.scale)]

    def follow(self, points: Array, square: Box) -> Box:
        """The square in the next frame of a video, from keypoints (K, 2) and their square."""
        raise NotImplementedError


@frozen
class HandOptions(LandmarkOptions):
    """Options of the decoder hand_landmarks.

    Attributes:
        min_presence: hands with a lower presence are left out, 0..1.
    """

    region: ClassVar[Region] = _PALM_REGION

    min_presence: Share = 0.5

    def follow(self, points: Array, square: Box) -> Box:  # noqa: ARG002
        """The square around the palm, rotated as the hand is."""
        palm = points[_PALM]
        knuckles = ((points[_INDEX] + points[_RING]) / 2 + points[_MIDDLE]) / 2
        angle = find_turn(points[_WRIST], knuckles, math.pi / 2)
        middle = (palm.min(axis=0) + palm.max(axis=0)) / 2
        cos, sin = math.cos(angle), math.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        turned = (palm - middle) @ turn
        low, high = turned.min(axis=0), turned.max(axis=0)
        center = middle + (low + high) / 2 @ turn.T
        half = (high - low) / 2
        return turned_square([*(center - half), *(center + half)], angle, shift=-0.1, scale=2)


@frozen
class FaceOptions(LandmarkOptions):
    """Options of the decoder face_landmarks.

    Attributes:
        min_presence: faces with a lower presence are left out, 0..1.
    """

    min_presence: Share = 0.5

    def follow(self, points: Array, square: Box) -> Box:  # noqa: ARG002
        """The square around all landmarks, rotated so that the eyes are level."""
        angle = find_turn(points[_RIGHT_CORNER], points[_LEFT_CORNER], 0)
        box = [*points.min(axis=0), *points.max(axis=0)]
        return turned_square(box, angle, shift=0, scale=1.5)


@frozen
class IrisOptions(LandmarkOptions):
    """Options of the decoder iris_landmarks."""

    refines_squares: ClassVar[bool] = True

    def find_squares(self, box: Array, keypoints: Array) -> list[Box]:
        """Around the right eye of a face, and around the left one, which the network sees in a
        mirror.
        """
        if len(keypoints) != _FACE_REGION.points:
            return [square_around(Box(*box.tolist()))]
        eyes = keypoints[:2]
        angle = find_turn(eyes[0], eyes[1], 0)
        half = _EYE_SHARE * math.dist(*eyes) / 2
        right, left = (
            turned_square([*(eye - half), *(eye + half)], angle, shift=0, scale=_EYE_SCALE)
            for eye in eyes
        )
        return [replace(right, side=_RIGHT), replace(left, side=_LEFT, is_mirrored=True)]

    def follow(self, points: Array, square: Box) -> Box:
        """Around the corners of the eye (iris_landmark_landmarks_to_roi.pbtxt)."""
        corners = points[[_OUTER, _INNER]]
        outer, inner = corners
        angle = find_turn(inner, outer, 0) if square.is_mirrored else find_turn(outer, inner, 0)
        box = [*corners.min(axis=0), *corners.max(axis=0)]
        turned = turned_square(box, angle, shift=0, scale=_EYE_SCALE)
        return replace(turned, is_mirrored=square.is_mirrored, side=square.side)


def _create_poses(
    landmarks: Floats, score: float, size: Size, options: LandmarkOptions
) -> list[Pose]:
    """The pose of landmarks (K, 3), all with this score; none if a number is not finite."""
    if not np.isfinite(landmarks).all():
        return []
    keypoints = landmarks.astype(np.float32)
    keypoints[:, 2] = score
    skeleton = options.skeleton or _USUAL_SKELETONS.get(len(keypoints))
    poses = create_poses(keypoints[None], np.array([score]), skeleton, size)
    return [replace(pose, z=landmarks[:, 2], keypoint_scores=SCORES_OF_THE_POSE) for pose in poses]


def _decode_hand(maps: Maps, size: Size, options: HandOptions) -> list[Pose]:
    """The hand that the network sees, or none.

    Args:
        maps: ``landmarks``, 21 times x, y, z in input pixels; ``presence`` and ``handedness``,
            the probability of a right hand, 0..1; and optionally ``world_landmarks``, 21 times x,
            y, z in meters.
    """
    landmarks = maps["landmarks"].reshape(-1, 3)
    presence = float(maps["presence"].item())
    if not presence >= options.min_presence:
        return []
    right = min(max(float(maps["handedness"].item()), 0.0), 1.0)
    world = maps.get("world_landmarks")
    if world is not None:
        world = world.reshape(-1, 3)
    side, score = (_RIGHT, right) if right >= 0.5 else (_LEFT, 1 - right)
    scaled = landmarks.copy()
    scaled[:, 2] /= _HAND_DEPTH
    return [
        replace(pose, world=world, label=side, label_score=score)
        for pose in _create_poses(scaled, presence, size, options)
    ]


@cache
def _face_parts() -> dict[str, list[int]]:
    """The places in the mesh of the points of lips and eyes
    (tensors_to_face_landmarks_with_attention.pbtxt).
    """
    parts: dict[str, list[int]] = json.loads(
        Path(__file__).with_name("face_parts.json").read_text("utf-8")
    )
    return parts


def _decode_face(maps: Maps, size: Size, options: FaceOptions) -> list[Pose]:
    """The face that the network sees, or none.

    Args:
        maps: ``landmarks``, 468 times x, y, z in input pixels, and ``presence``, a logit; and of a
            network with attention x and y of ``lips``, ``left_eye`` and ``right_eye``, which are
            more exact, and of ``left_iris`` and ``right_iris``, five each: the person's own sides.
    """
    landmarks = maps["landmarks"].reshape(-1, 3)
    if "lips" in maps:
        # The mesh with refined lips and eyes, then the irises, which are as deep as the eyes.
        refined = landmarks.copy()
        for name, indices in _face_parts().items():
            refined[indices, :2] = maps[name].reshape(-1, 2)
        irises = []
        for side in (_RIGHT, _LEFT):
            edge = _face_parts()[f"{side}_eye"][:_EYE_EDGE]
            depth = np.full((_IRIS, 1), refined[edge, 2].mean(), np.float32)
            irises.append(np.hstack([maps[f"{side}_iris"].reshape(-1, 2), depth]))
        landmarks = np.concatenate([refined, *irises])
    presence = float(sigmoid(maps["presence"]).item())
    is_face = presence >= options.min_presence
    return _create_poses(landmarks, presence, size, options) if is_face else []


def _decode_iris(maps: Maps, size: Size, options: IrisOptions) -> list[Pose]:
    """The eye that the network sees, without a score.

    Args:
        maps: ``contour``, 71 times x, y, z of the eye and its brow in input pixels, and ``iris``,
            its middle and four points of its edge.
    """
    parts = [maps[name].reshape(-1, 3) for name in ("contour", "iris")]
    poses = _create_poses(np.concatenate(parts), 1.0, size, options)
    return [replace(pose, pose_score=None) for pose in poses]


def _is_called(called: str, *shape: int) -> OutputRule:
    """The rule for the output with exactly this name: others have the same shape."""

    def rule(name: str, given: Shape) -> bool:
        return name.split(":")[0] == called and given == shape

    return rule


#: What the decoders of hands and faces have in common.
_LandmarkDecoder = partial(
    DecoderType,
    pipeline="landmarks",
    takes_boxes=True,
    approach="top-down",
)

HAND = _LandmarkDecoder(
    networks=(declare_outputs(landmarks=(1, 63), presence=(1, 1), handedness=(1, 1)),),
    optional=declare_outputs(world_landmarks=(1, 63)),
    options=HandOptions,
    decode=_decode_hand,
    needs="21 landmarks, the presence of a hand, and whether it is a right one",
    rules=(
        {
            "landmarks": _is_called("Identity", 1, 63),
            "presence": _is_called("Identity_1", 1, 1),
            "handedness": _is_called("Identity_2", 1, 1),
            "world_landmarks": _is_called("Identity_3", 1, 63),
        },
    ),
)

_FACE_SHAPES = {"landmarks": (1, 1, 1, 1404), "presence": (1, 1, 1, 1)}
_FACE_RULES = {role: has_shape(*shape) for role, shape in _FACE_SHAPES.items()}
_PART_SHAPES = {
    "lips": (1, 1, 1, 160),
    "left_eye": (1, 1, 1, 142),
    "right_eye": (1, 1, 1, 142),
    "left_iris": (1, 1, 1, 10),
    "right_iris": (1, 1, 1, 10),
}
# MediaPipe's graph names them as in a mirrored image.
_NAMES_OF_PARTS = {
    "lips": "lips",
    "left_eye": "right_eye",
    "right_eye": "left_eye",
    "left_iris": "right_iris",
    "right_iris": "left_iris",
}

FACE = _LandmarkDecoder(
    networks=(declare_outputs(**_FACE_SHAPES),),
    optional=declare_outputs(**_PART_SHAPES),
    options=FaceOptions,
    decode=_decode_face,
    needs="468 landmarks, and the presence of a face",
    rules=(
        _FACE_RULES
        | {
            role: has_shape(*shape, word=_NAMES_OF_PARTS[role])
            for role, shape in _PART_SHAPES.items()
        },
        _FACE_RULES,
    ),
)

IRIS = _LandmarkDecoder(
    networks=(declare_outputs(contour=(1, 213), iris=(1, 15)),),
    options=IrisOptions,
    decode=_decode_iris,
    needs="71 landmarks of an eye, and 5 of its iris",
    rules=({"contour": has_shape(1, 213), "iris": has_shape(1, 15)},),
)
