"""What the demo draws into a frame: poses, and lines of text."""

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
    """Draw poses into an image, which is made smaller if requested.

    Args:
        image: (height, width, 3) uint8, BGR; it is not changed, unless ``in_place`` is set.
        poses: in its pixels.
        min_score: keypoints with a lower score are left out.
        within: the largest width and height of the result, which keeps the aspect ratio; None: no limit.
        in_place: whether an image that keeps its size may be drawn into.
    """
    height, width = image.shape[:2]
    scale = 1.0 if within is None else min(1.0, within[0] / width, within[1] / height)
    if scale == 1:
        return draw(image, poses, min_score=min_score, in_place=in_place)
    cv2 = import_optional("cv2", extra="run")
    size = [max(1, round(side * scale)) for side in (width, height)]
    smaller = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return draw(smaller, [_scale_pose(pose, scale) for pose in poses], min_score=min_score, in_place=True)


def _scale_pose(pose: Pose, scale: float) -> Pose:
    keypoints = pose.keypoints * np.array([scale, scale, 1], np.float32)
    x0, y0, x1, y1 = (side * scale for side in pose.box)
    return replace(pose, keypoints=keypoints, box=(x0, y0, x1, y1))


def draw_text(canvas: Image, lines: Sequence[str]) -> None:
    """Write lines into the upper left corner of an (H, W, 3) uint8 BGR image."""
    cv2 = import_optional("cv2", extra="run")
    scale = min(max(0.4, canvas.shape[0] / 900), canvas.shape[1] / 600)
    thickness = max(1, round(1.6 * scale))
    font = cv2.FONT_HERSHEY_SIMPLEX
    for number, line in enumerate(lines, start=1):
        position = (round(12 * scale), round(30 * scale * number))
        for color, width in ((_EDGE, 3 * thickness), (_TEXT, thickness)):
            cv2.putText(canvas, line, position, font, 0.8 * scale, color, width, cv2.LINE_AA)
