"""What the demo draws into a frame: poses, and how fast it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from posezoo.demo.frame_sources import Size
from posezoo.errors import import_optional
from posezoo.images import Image
from posezoo.pose.drawing import draw
from posezoo.pose.keypoints import Pose

_TEXT, _EDGE = (255, 255, 255), (0, 0, 0)


def draw_poses(
    image: Image,
    poses: Sequence[Pose],
    *,
    min_score: float,
    within: Size | None = None,
    in_place: bool = False,
) -> Image:
    """An image with poses drawn in, no larger than asked for.

    Args:
        image: (height, width, 3) uint8, BGR; left as it is, unless it is drawn into.
        poses: in its pixels.
        min_score: keypoints below are left out.
        within: width and height that the picture is made smaller to, with its aspect kept; None leaves it.
        in_place: whether an image of the right size may be drawn into.
    """
    scale = _scale(image, within)
    if scale == 1:
        return draw(image, poses, min_score=min_score, in_place=in_place)
    cv2 = import_optional("cv2", extra="run")
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    smaller = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return draw(smaller, [scale_pose(pose, scale) for pose in poses], min_score=min_score, in_place=True)


def _scale(image: Image, within: Size | None) -> float:
    if within is None:
        return 1.0
    height, width = image.shape[:2]
    scale: float = min(1.0, within[0] / width, within[1] / height)
    return scale


def scale_pose(pose: Pose, scale: float) -> Pose:
    """A pose in an image that was made larger by a factor."""
    keypoints = pose.keypoints * np.array([scale, scale, 1], np.float32)
    x0, y0, x1, y1 = (side * scale for side in pose.box)
    return replace(pose, keypoints=keypoints, box=(x0, y0, x1, y1))


def draw_text(canvas: Image, lines: Sequence[str]) -> None:
    """Write lines into the upper left corner of an (H, W, 3) uint8 BGR picture."""
    cv2 = import_optional("cv2", extra="run")
    scale = min(max(0.4, canvas.shape[0] / 900), canvas.shape[1] / 600)
    thick = max(1, round(1.6 * scale))
    for number, line in enumerate(lines, start=1):
        place = (round(12 * scale), round(30 * scale * number))
        for color, width in ((_EDGE, 3 * thick), (_TEXT, thick)):
            cv2.putText(canvas, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, color, width, cv2.LINE_AA)
