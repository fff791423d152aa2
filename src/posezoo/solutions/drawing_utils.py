"""``mp.solutions.drawing_utils``: draws landmarks and detections on BGR images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import import_cv2

# Scripts import these three from MediaPipe, which calls them private, too.
_PRESENCE_THRESHOLD = 0.5
_VISIBILITY_THRESHOLD = 0.5
_BGR_CHANNELS = 3

WHITE_COLOR = (224, 224, 224)
BLACK_COLOR = (0, 0, 0)
RED_COLOR = (0, 0, 255)
GREEN_COLOR = (0, 128, 0)
BLUE_COLOR = (255, 0, 0)

Connection = tuple[int, int]


@dataclass
class DrawingSpec:
    """How something is drawn: BGR, and sizes in pixels."""

    color: tuple[int, int, int] = WHITE_COLOR
    thickness: int = 2
    circle_radius: int = 2


_POINT = DrawingSpec(color=RED_COLOR)
_LINE = DrawingSpec()
_PLOTTED_POINT = DrawingSpec(color=RED_COLOR, thickness=5)
_PLOTTED_LINE = DrawingSpec(color=BLACK_COLOR, thickness=5)

#: One for all, or one for each landmark or connection.
Specs = DrawingSpec | Mapping[Any, DrawingSpec]


def _require_bgr(image: Array) -> None:
    if image.ndim != 3 or image.shape[2] != _BGR_CHANNELS:
        raise ValueError("Input image must contain three channel bgr data.")


def _normalized_to_pixel_coordinates(
    normalized_x: float, normalized_y: float, image_width: int, image_height: int
) -> tuple[int, int] | None:
    """The pixel of a point; None if it is outside of the image."""
    pixel = []
    for share, side in ((normalized_x, image_width), (normalized_y, image_height)):
        is_inside = 0 < share < 1 or math.isclose(share, 0) or math.isclose(share, 1)
        if not is_inside:
            return None
        pixel.append(min(math.floor(share * side), side - 1))
    return pixel[0], pixel[1]


def _spec_of(specs: Specs, key: Any) -> DrawingSpec:
    return specs[key] if isinstance(specs, Mapping) else specs


def _find_seen(
    landmark_list: Any, place: Callable[[Any], tuple[Any, ...] | None]
) -> dict[int, tuple[Any, ...]]:
    thresholds = {"visibility": _VISIBILITY_THRESHOLD, "presence": _PRESENCE_THRESHOLD}
    seen = {}
    for index, landmark in enumerate(landmark_list.landmark):
        is_seen = all(
            not landmark.HasField(name) or getattr(landmark, name) >= threshold
            for name, threshold in thresholds.items()
        )
        point = place(landmark) if is_seen else None
        if point is not None:
            seen[index] = point
    return seen


def _select(
    connections: Iterable[Connection] | None, landmark_list: Any, seen: Mapping[int, Any]
) -> Iterable[Connection]:
    count = len(landmark_list.landmark)
    for connection in connections or ():
        start, end = connection
        if not (0 <= start < count and 0 <= end < count):
            raise ValueError(
                f"Landmark index is out of range. Invalid connection from landmark #{start} to"
                f" landmark #{end}."
            )
        if start in seen and end in seen:
            yield connection


def draw_landmarks(
    image: Array,
    landmark_list: Any,
    connections: Iterable[Connection] | None = None,
    landmark_drawing_spec: Specs | None = _POINT,
    connection_drawing_spec: Specs = _LINE,
    is_drawing_landmarks: bool = True,
) -> None:
    """Draw landmarks that are seen, and their connections.

    Raises:
        ValueError: the image has no three channels, or a landmark of a connection does not exist.
    """
    if not landmark_list:
        return
    cv2 = import_cv2()
    _require_bgr(image)
    height, width = image.shape[:2]
    seen = _find_seen(
        landmark_list,
        lambda point: _normalized_to_pixel_coordinates(point.x, point.y, width, height),
    )
    for connection in _select(connections, landmark_list, seen):
        spec = _spec_of(connection_drawing_spec, connection)
        start, end = connection
        cv2.line(image, seen[start], seen[end], spec.color, spec.thickness)
    if not (is_drawing_landmarks and landmark_drawing_spec):
        return
    for index, pixel in seen.items():
        spec = _spec_of(landmark_drawing_spec, index)
        border = max(spec.circle_radius + 1, int(spec.circle_radius * 1.2))
        cv2.circle(image, pixel, border, WHITE_COLOR, spec.thickness)
        cv2.circle(image, pixel, spec.circle_radius, spec.color, spec.thickness)


def draw_detection(
    image: Array,
    detection: Any,
    keypoint_drawing_spec: DrawingSpec = _POINT,
    bbox_drawing_spec: DrawingSpec = _LINE,
) -> None:
    """Draw the box and the keypoints of a detection.

    Raises:
        ValueError: the image has no three channels, or the detection no relative box.
    """
    location = detection.location_data
    if not location:
        return
    cv2 = import_cv2()
    _require_bgr(image)
    if location.format != location.RELATIVE_BOUNDING_BOX:
        raise ValueError("LocationData must be relative for this drawing funtion to work.")
    height, width = image.shape[:2]
    for point in location.relative_keypoints:
        pixel = _normalized_to_pixel_coordinates(point.x, point.y, width, height)
        spec = keypoint_drawing_spec
        cv2.circle(image, pixel, spec.circle_radius, spec.color, spec.thickness)
    if not location.HasField("relative_bounding_box"):
        return
    box = location.relative_bounding_box
    corners = [
        _normalized_to_pixel_coordinates(x, y, width, height)
        for x, y in ((box.xmin, box.ymin), (box.xmin + box.width, box.ymin + box.height))
    ]
    cv2.rectangle(image, *corners, bbox_drawing_spec.color, bbox_drawing_spec.thickness)


def draw_axis(
    image: Array,
    rotation: Array,
    translation: Array,
    focal_length: tuple[float, float] = (1.0, 1.0),
    principal_point: tuple[float, float] = (0.0, 0.0),
    axis_length: float = 0.1,
    axis_drawing_spec: DrawingSpec = _LINE,
) -> None:
    """Draw the axes of an object: x in red, y in green, z in blue.

    Raises:
        ValueError: the image has no three channels.
    """
    cv2 = import_cv2()
    _require_bgr(image)
    height, width = image.shape[:2]
    ends = np.vstack([np.zeros(3), np.eye(3)]).astype(np.float32)
    x, y, z = (np.matmul(rotation, axis_length * ends.T).T + translation).T
    across, down = (
        np.clip(-focal * at / (z + 1e-5) + middle, -1.0, 1.0)
        for at, focal, middle in zip((x, y), focal_length, principal_point, strict=True)
    )
    projected = np.stack([(1 + across) / 2 * width, (1 - down) / 2 * height], axis=1)
    pixels = projected.astype(np.int32).tolist()
    for end, color in zip(pixels[1:], (RED_COLOR, GREEN_COLOR, BLUE_COLOR), strict=True):
        cv2.arrowedLine(image, pixels[0], end, color, axis_drawing_spec.thickness)


def _normalize_color(color: tuple[int, int, int]) -> tuple[float, ...]:
    return tuple(value / 255 for value in color[::-1])


def plot_landmarks(
    landmark_list: Any,
    connections: Iterable[Connection] | None = None,
    landmark_drawing_spec: DrawingSpec = _PLOTTED_POINT,
    connection_drawing_spec: DrawingSpec = _PLOTTED_LINE,
    elevation: int = 10,
    azimuth: int = 10,
) -> None:
    """Show landmarks in 3D with matplotlib.

    Raises:
        ValueError: a landmark of a connection does not exist.
        ModuleNotFoundError: matplotlib is not installed.
    """
    if not landmark_list:
        return
    pyplot = import_module("matplotlib.pyplot")
    pyplot.figure(figsize=(10, 10))
    axes = pyplot.axes(projection="3d")
    axes.view_init(elev=elevation, azim=azimuth)
    seen = _find_seen(landmark_list, lambda point: (-point.z, point.x, -point.y))
    spec = landmark_drawing_spec
    for x, y, z in seen.values():
        axes.scatter3D([x], [y], [z], color=_normalize_color(spec.color), linewidth=spec.thickness)
    spec = connection_drawing_spec
    for start, end in _select(connections, landmark_list, seen):
        pairs = zip(seen[start], seen[end], strict=True)
        axes.plot3D(*map(list, pairs), color=_normalize_color(spec.color), linewidth=spec.thickness)
    pyplot.show()
