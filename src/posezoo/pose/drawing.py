"""Poses drawn into a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import require
from posezoo.pose.keypoints import MIN_SCORE, SKELETONS, Color, Pose
from posezoo.pose.letterbox import Image

# OpenCV takes coordinates in 1/16 pixels, so that limbs do not jump from frame to frame.
_SHIFT = 4
_OUTLINE: Color = (32, 32, 32)
_BOX: Color = (120, 220, 60)


def draw(image: Image, poses: Iterable[Pose], *, min_score: float = MIN_SCORE) -> Image:
    """A copy of an (H, W, 3) uint8 BGR image with limbs and joints drawn in; boxes of poses without any.

    Args:
        image: left as it is.
        poses: in the pixels of the image.
        min_score: keypoints below are left out, and limbs that end in one.

    Raises:
        MissingPackageError: OpenCV is not installed.
    """
    canvas: Image = image.copy()
    for pose in poses:
        _draw(canvas, pose, min_score)
    return canvas


def _draw(canvas: Image, pose: Pose, min_score: float) -> None:
    cv2 = require("cv2", extra="run")
    skeleton = SKELETONS[pose.skeleton]
    width = _line_width(canvas, pose)
    if not skeleton.keypoints:
        _draw_box(canvas, pose, width)
        return
    seen = (pose.keypoints[:, 2] >= min_score) & np.isfinite(pose.keypoints).all(axis=1)
    points = _in_opencv(pose, canvas)
    there = seen.tolist()
    limbs = [place for place, (a, b) in enumerate(skeleton.limbs) if there[a] and there[b]]
    joints = [joint for joint, is_seen in enumerate(there) if is_seen]
    # The outline of everything first, so that no limb is cut by one; its own edge need not be smooth, which
    # takes a third of the time. A smooth line is half a pixel wider on each side.
    edge = max(1, width // 3)
    outer, inner = _bars(points, _pairs(pose.skeleton)[limbs], (width + 2 * edge + 2, width))
    for bar in outer:
        cv2.fillConvexPoly(canvas, bar, _OUTLINE, cv2.LINE_8, _SHIFT)
    for joint in joints:
        radius = (2 * (width + edge) + 1) << _SHIFT - 1
        cv2.circle(canvas, points[joint], radius, _OUTLINE, cv2.FILLED, cv2.LINE_8, _SHIFT)
    colors = _limb_colors(pose.skeleton)
    for limb, bar in zip(limbs, inner, strict=True):
        cv2.fillConvexPoly(canvas, bar, colors[limb], cv2.LINE_AA, _SHIFT)
    for joint in joints:
        color = skeleton.colors[joint]
        cv2.circle(canvas, points[joint], width << _SHIFT, color, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _bars(
    points: Sequence[tuple[int, int]], pairs: NDArray[Any], widths: tuple[int, int]
) -> NDArray[np.int32]:
    """(2, L, 4, 2): limbs as rectangles of either width in pixels, in 1/16 pixels.

    Without the round ends of OpenCV's lines, which the joints cover: they take a third of a line's time.
    """
    starts, ends = np.array(points, np.float32)[pairs.T]
    along = ends - starts
    length = np.maximum(np.sqrt((along * along).sum(axis=1, keepdims=True)), 1)
    across = along[:, ::-1] * np.array([-1, 1], np.float32) / length
    sides = across * np.array(widths, np.float32)[:, None, None] * ((1 << _SHIFT) / 2)
    corners = np.stack([starts + sides, ends + sides, ends - sides, starts - sides], axis=2)
    rounded: NDArray[np.int32] = np.rint(corners).astype(np.int32)
    return rounded


def _draw_box(canvas: Image, pose: Pose, width: int) -> None:
    cv2 = require("cv2", extra="run")
    corners = np.reshape(pose.box, (2, 2)).clip(0, canvas.shape[1::-1])
    first, last = _sixteenths(corners)
    for color, edge in ((_OUTLINE, max(1, width // 3)), (_BOX, 0)):
        cv2.rectangle(canvas, first, last, color, width + 2 * edge, cv2.LINE_AA, _SHIFT)


def _line_width(canvas: Image, pose: Pose) -> int:
    """In pixels: by the picture, since it is looked at as a whole, but thin on people who are small in it."""
    x0, y0, x1, y1 = pose.box
    height, width = canvas.shape[:2]
    by_picture: float = max(height, width) / 200
    by_person = max(x1 - x0, y1 - y0) / 60
    return max(1, round(min(by_picture, by_person)))


def _in_opencv(pose: Pose, canvas: Image) -> list[tuple[int, int]]:
    """Points in 1/16 pixels from the centre of the first; what lies far outside is moved nearer."""
    reach = 4 * max(canvas.shape[:2])
    return _sixteenths(np.nan_to_num(pose.keypoints[:, :2]).clip(-reach, reach))


def _sixteenths(points: NDArray[Any]) -> list[tuple[int, int]]:
    return [(x, y) for x, y in np.rint((points - 0.5) * (1 << _SHIFT)).astype(int).tolist()]


@cache
def _pairs(skeleton: str) -> NDArray[Any]:
    """(L, 2): the joints of each limb."""
    return np.array(SKELETONS[skeleton].limbs)


@cache
def _limb_colors(skeleton: str) -> list[tuple[int, ...]]:
    """Each limb's, between those of its joints."""
    colors = SKELETONS[skeleton].colors
    return [
        tuple((one + other) // 2 for one, other in zip(colors[a], colors[b], strict=True))
        for a, b in SKELETONS[skeleton].limbs
    ]
