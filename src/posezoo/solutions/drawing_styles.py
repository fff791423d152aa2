"""``mp.solutions.drawing_styles``: the default colors of landmarks and connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posezoo.solutions.drawing_utils import Connection, DrawingSpec
from posezoo.solutions.tables import TABLES, connections


def _style(name: str, module: str = "") -> dict[Any, DrawingSpec]:
    """The specification of each landmark, or of each connection of a module."""
    groups = connections(module) if module else {}
    style = {}
    for color, thickness, radius, keys in TABLES["styles"][name]:
        spec = DrawingSpec(tuple(color), thickness, radius)
        style.update(dict.fromkeys(groups[keys] if module else keys, spec))
    return style


def get_default_hand_landmarks_style() -> Mapping[int, DrawingSpec]:
    """Of each landmark of a hand."""
    return _style("hand_landmarks")


def get_default_hand_connections_style() -> Mapping[Connection, DrawingSpec]:
    """Of each connection of a hand."""
    return _style("hand_connections", "hands_connections")


def get_default_face_mesh_contours_style(i: int = 0) -> Mapping[Connection, DrawingSpec]:
    """Of each contour of a face, in one of two styles."""
    return _style(f"face_mesh_contours_{int(i == 1)}", "face_mesh_connections")


def get_default_face_mesh_tesselation_style() -> DrawingSpec:
    """Of all connections of a face."""
    return DrawingSpec((128, 128, 128), thickness=1)


def get_default_face_mesh_iris_connections_style() -> Mapping[Connection, DrawingSpec]:
    """Of each connection of the irises."""
    return _style("face_mesh_iris_connections", "face_mesh_connections")


def get_default_pose_landmarks_style() -> Mapping[int, DrawingSpec]:
    """Of each landmark of the body."""
    return _style("pose_landmarks")
