"""Draw poses into an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import ImageError, import_optional
from posezoo.pose.keypoints import MIN_SCORE, SKELETONS, Color, Pose
from posezoo.pose.letterbox import Image

# OpenCV gets coordinates in 1/16 pixels, so limbs do not jump between frames.
_SHIFT = 4
_HALF = 1 << _SHIFT - 1
_OUTLINE: Color = (32, 32, 32)
_BOX: Color = (120, 220, 60)


def draw(
    image: Image, poses: Iterable[Pose], *, min_score: float = MIN_SCORE, in_place: bool = False
) -> Image:
    """An image with limbs and keypoints of poses, or with the boxes of poses without keypoints.

    Args:
        image: (H, W, 3) uint8, BGR; not changed unless ``in_place``.
        poses: in pixels of the image.
        min_score: keypoints of lower scores are left out, and limbs that end in one.
        in_place: draw into the image itself and return it.

    Raises:
        ImageError: ``in_place``, and the image is read-only, or a view whose channels are not contiguous.
        MissingPackageError: OpenCV is not installed.
    """
    # OpenCV can draw into an array with gaps between its rows, but not between its pixels.
    is_drawable = image.flags.writeable and image.strides[1:] == (3, 1) and image.strides[0] > 0
    if in_place and not is_drawable:
        raise ImageError(
            "this frame cannot be drawn into: it is read-only, or its B, G, R are not contiguous",
            hint="leave out in_place to draw into a copy",
        )
    canvas: Image = image if in_place else image.copy()
    for skeleton, group in groupby(poses, key=lambda pose: pose.skeleton):
        if SKELETONS[skeleton].keypoints:
            _draw_people(canvas, skeleton, list(group), min_score)
        else:
            for pose in group:
                _draw_box(canvas, pose)
    return canvas


def _draw_people(canvas: Image, skeleton: str, poses: Sequence[Pose], min_score: float) -> None:
    cv2 = import_optional("cv2", extra="run")
    keypoints = np.stack([pose.keypoints for pose in poses])
    is_visible = (keypoints[..., 2] >= min_score) & np.isfinite(keypoints).all(axis=2)
    reach = 4 * max(canvas.shape[:2])  # points far outside the image are clipped to this distance
    points = _sixteenths(np.nan_to_num(keypoints[..., :2]).clip(-reach, reach))
    widths = [_line_width(canvas, pose) for pose in poses]
    pairs, limb_colors = _limbs(skeleton)
    lines, bars = points[:, pairs], _bars(points, pairs, np.array(widths))
    colors = SKELETONS[skeleton].colors
    are_limbs: NDArray[np.bool_] = np.asarray(is_visible[:, pairs].all(axis=2))
    for person, width in enumerate(widths):
        limbs, joints = are_limbs[person].nonzero()[0], is_visible[person].nonzero()[0]
        spots = points[person][joints]
        # All outlines are drawn first, so no outline crosses a limb. They are not anti-aliased, which takes a
        # third of the time. The outline of a joint is a line from the joint to itself.
        edge = max(1, width // 3)
        cv2.polylines(canvas, lines[person][limbs], False, _OUTLINE, width + 2 * edge + 2, cv2.LINE_8, _SHIFT)
        cv2.polylines(canvas, spots[:, None], True, _OUTLINE, 2 * (width + edge + 1), cv2.LINE_8, _SHIFT)
        for limb, bar in zip(limbs.tolist(), bars[person][limbs], strict=True):
            cv2.fillConvexPoly(canvas, bar, limb_colors[limb], cv2.LINE_AA, _SHIFT)
        for joint, spot in zip(joints.tolist(), spots.tolist(), strict=True):
            cv2.circle(canvas, spot, width << _SHIFT, colors[joint], cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _bars(points: NDArray[Any], pairs: NDArray[Any], widths: NDArray[Any]) -> NDArray[np.int32]:
    """(P, L, 4, 2): limbs between points (P, K, 2) as rectangles, in 1/16 pixels; widths (P,) are in pixels.

    Rectangles take a third of the time of OpenCV's lines. They have no round ends, but the joints cover that.
    """
    starts, ends = points[:, pairs].astype(np.float32).transpose(2, 0, 1, 3)
    along = ends - starts
    length = np.maximum(np.sqrt((along * along).sum(axis=2, keepdims=True)), 1)
    across = along[..., ::-1] * np.array([-1, 1], np.float32) / length
    sides = across * widths[:, None, None].astype(np.float32) * _HALF
    corners = np.stack([starts + sides, ends + sides, ends - sides, starts - sides], axis=2)
    rounded: NDArray[np.int32] = np.rint(corners).astype(np.int32)
    return rounded


def _draw_box(canvas: Image, pose: Pose) -> None:
    cv2 = import_optional("cv2", extra="run")
    width = _line_width(canvas, pose)
    corners = np.reshape(pose.box, (2, 2)).clip(0, canvas.shape[1::-1])
    first, last = _sixteenths(corners).tolist()
    for color, edge in ((_OUTLINE, max(1, width // 3)), (_BOX, 0)):
        cv2.rectangle(canvas, first, last, color, width + 2 * edge, cv2.LINE_AA, _SHIFT)


def _line_width(canvas: Image, pose: Pose) -> int:
    """The width in pixels: relative to the size of the image, but thinner for small people."""
    x0, y0, x1, y1 = pose.box
    height, width = canvas.shape[:2]
    by_image: float = max(height, width) / 200
    by_person = max(x1 - x0, y1 - y0) / 60
    return max(1, round(min(by_image, by_person)))


def _sixteenths(points: NDArray[Any]) -> NDArray[Any]:
    # In OpenCV the center of the first pixel is (0, 0).
    return np.rint((points - 0.5) * (1 << _SHIFT)).astype(np.int32)


@cache
def _limbs(skeleton: str) -> tuple[NDArray[Any], list[list[int]]]:
    """(L, 2) the joints of each limb; and its color, the mean of their colors."""
    pairs = np.array(SKELETONS[skeleton].limbs)
    return pairs, (np.array(SKELETONS[skeleton].colors)[pairs].sum(axis=1) // 2).tolist()
