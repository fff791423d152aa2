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
from posezoo.solutions.tables import TABLES

# Scripts use these names, which MediaPipe calls private, too.
_RADIUS = 5
_RED, _GREEN, _BLUE = (48, 48, 255), (48, 255, 48), (192, 101, 21)
_YELLOW, _GRAY, _PURPLE = (0, 204, 255), (128, 128, 128), (128, 64, 128)
_PEACH, _WHITE = (180, 229, 255), (224, 224, 224)
_CYAN, _MAGENTA = (192, 255, 48), (192, 48, 255)
_THICKNESS_WRIST_MCP, _THICKNESS_FINGER, _THICKNESS_DOT = 3, 2, -1
_THICKNESS_TESSELATION, _THICKNESS_CONTOURS, _THICKNESS_POSE_LANDMARKS = 1, 2, 2


def _read_style(name: str, find: Callable[[Any], Iterable[Any]]) -> dict[Any, DrawingSpec]:
    return {
        find(group): DrawingSpec(tuple(color), thickness, radius)
        for color, thickness, radius, group in TABLES["styles"][name]
    }


def _read_pose_style() -> dict[Any, DrawingSpec]:
    return _read_style("pose_landmarks", lambda keys: frozenset(map(PoseLandmark, keys)))


_HAND_LANDMARK_STYLE = _read_style("hand_landmarks", lambda keys: tuple(map(HandLandmark, keys)))
(
    _PALM_LANDMARKS,
    _THUMP_LANDMARKS,
    _INDEX_FINGER_LANDMARKS,
    _MIDDLE_FINGER_LANDMARKS,
    _RING_FINGER_LANDMARKS,
    _PINKY_FINGER_LANDMARKS,
) = _HAND_LANDMARK_STYLE
_POSE_LANDMARKS_LEFT, _POSE_LANDMARKS_RIGHT, _ = _read_pose_style()
_HAND_CONNECTION_STYLE = _read_style("hand_connections", partial(getattr, hands_connections))
_FACEMESH_CONTOURS_CONNECTION_STYLE, _FACEMESH_CONTOURS_CONNECTION_STYLE_1 = (
    _read_style(f"face_mesh_contours_{i}", partial(getattr, face_mesh_connections))
    for i in range(2)
)


def _style_each(groups: Mapping[Any, DrawingSpec]) -> dict[Any, DrawingSpec]:
    style = {}
    for group, spec in groups.items():
        style.update(dict.fromkeys(group, spec))
    return style


def get_default_hand_landmarks_style() -> Mapping[int, DrawingSpec]:
    """Of each landmark of a hand."""
    return _style_each(_HAND_LANDMARK_STYLE)


def get_default_hand_connections_style() -> Mapping[Connection, DrawingSpec]:
    """Of each connection of a hand."""
    return _style_each(_HAND_CONNECTION_STYLE)


def get_default_face_mesh_contours_style(i: int = 0) -> Mapping[Connection, DrawingSpec]:
    """Of each contour of a face, in one of two styles."""
    return _style_each(
        _FACEMESH_CONTOURS_CONNECTION_STYLE_1 if i == 1 else _FACEMESH_CONTOURS_CONNECTION_STYLE
    )


def get_default_face_mesh_tesselation_style() -> DrawingSpec:
    """Of all connections of a face."""
    return DrawingSpec((128, 128, 128), thickness=1)


def get_default_face_mesh_iris_connections_style() -> Mapping[Connection, DrawingSpec]:
    """Of each connection of the irises."""
    style = _read_style("face_mesh_iris_connections", partial(getattr, face_mesh_connections))
    return _style_each(style)


def get_default_pose_landmarks_style() -> Mapping[int, DrawingSpec]:
    """Of each landmark of the body."""
    return _style_each(_read_pose_style())
