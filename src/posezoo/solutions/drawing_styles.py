"""``mp.solutions.drawing_styles``: the default colors of landmarks and connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from posezoo.solutions import face_mesh_connections as face_mesh_connections
from posezoo.solutions import hands_connections as hands_connections
from posezoo.solutions.drawing_utils import Connection, DrawingSpec
from posezoo.solutions.hands import HandLandmark
from posezoo.solutions.pose import PoseLandmark
from posezoo.solutions.tables import TABLES, connections

# Scripts use these names, which MediaPipe calls private, too.
_RADIUS = 5
_RED, _GREEN, _BLUE = (48, 48, 255), (48, 255, 48), (192, 101, 21)
_YELLOW, _GRAY, _PURPLE = (0, 204, 255), (128, 128, 128), (128, 64, 128)
_PEACH, _WHITE = (180, 229, 255), (224, 224, 224)
_CYAN, _MAGENTA = (192, 255, 48), (192, 48, 255)
_THICKNESS_WRIST_MCP, _THICKNESS_FINGER, _THICKNESS_DOT = 3, 2, -1
_THICKNESS_TESSELATION, _THICKNESS_CONTOURS, _THICKNESS_POSE_LANDMARKS = 1, 2, 2
(
    _PALM_LANDMARKS,
    _THUMP_LANDMARKS,
    _INDEX_FINGER_LANDMARKS,
    _MIDDLE_FINGER_LANDMARKS,
    _RING_FINGER_LANDMARKS,
    _PINKY_FINGER_LANDMARKS,
) = (tuple(map(HandLandmark, keys)) for *_, keys in TABLES["styles"]["hand_landmarks"])
_POSE_LANDMARKS_LEFT, _POSE_LANDMARKS_RIGHT, _ = (
    frozenset(map(PoseLandmark, keys)) for *_, keys in TABLES["styles"]["pose_landmarks"]
)


def _style(name: str, find: Callable[[Any], Iterable[Any]]) -> dict[Any, DrawingSpec]:
    """The specification of each landmark or connection, which ``find`` returns for a group."""
    style = {}
    for color, thickness, radius, group in TABLES["styles"][name]:
        spec = DrawingSpec(tuple(color), thickness, radius)
        style.update(dict.fromkeys(find(group), spec))
    return style


def get_default_hand_landmarks_style() -> Mapping[int, DrawingSpec]:
    """Of each landmark of a hand."""
    return _style("hand_landmarks", partial(map, HandLandmark))


def get_default_hand_connections_style() -> Mapping[Connection, DrawingSpec]:
    """Of each connection of a hand."""
    return _style("hand_connections", connections("hands_connections").__getitem__)


def get_default_face_mesh_contours_style(i: int = 0) -> Mapping[Connection, DrawingSpec]:
    """Of each contour of a face, in one of two styles."""
    return _style(
        f"face_mesh_contours_{int(i == 1)}", connections("face_mesh_connections").__getitem__
    )


def get_default_face_mesh_tesselation_style() -> DrawingSpec:
    """Of all connections of a face."""
    return DrawingSpec((128, 128, 128), thickness=1)


def get_default_face_mesh_iris_connections_style() -> Mapping[Connection, DrawingSpec]:
    """Of each connection of the irises."""
    return _style("face_mesh_iris_connections", connections("face_mesh_connections").__getitem__)


def get_default_pose_landmarks_style() -> Mapping[int, DrawingSpec]:
    """Of each landmark of the body."""
    return _style("pose_landmarks", partial(map, PoseLandmark))
