"""Draw poses into an image."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from functools import cache, partial
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from posezoo.core.arrays import Array, Bools, Floats, Ints
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import ImageError, import_cv2
from posezoo.poses.keypoints import (
    Color,
    Pose,
    find_visible,
    is_sparse,
    keypoint_color,
)
from posezoo.poses.letterbox import Image, Size, image_size

# OpenCV gets coordinates in 1/16 pixels, so limbs do not jump between frames.
_SHIFT = 4
_HALF = 1 << _SHIFT - 1
_OUTLINE: Color = (32, 32, 32)
_BOX: Color = (120, 220, 60)

# More keypoints, such as those of a face or an eye, are drawn thin and without outlines where they
# would cover each other.
_DENSE = 60

# The words in the names of a head's keypoints.
_HEAD = frozenset({"nose", "eye", "ear", "mouth", "head"})
# How far the top of the head is above the eyes, as a share of a standing body: a rough value.
_HEAD_SHARE = 0.1

#: The skeleton of boxes: no keypoints.
BOXES = "box"


def draw(
    image: Array | None,
    poses: Iterable[Pose],
    *,
    min_score: float | None = None,
    in_place: bool = False,
) -> Image:
    """An image with limbs and keypoints of poses, or with the boxes and labels of poses without
    keypoints.

    People who are tracked have a color of their own, and their number above their heads. A pose
    that ``is_sparse`` is left out.

    Args:
        image: (H, W, 3) uint8, BGR; not changed unless ``in_place``.
        poses: in pixels of the image.
        min_score: keypoints of lower scores, 0..1, are left out, and limbs that end in one; None:
            ``seen_from`` of each pose.
        in_place: draw into the image itself and return it.

    Raises:
        ImageError: the image is no array; or ``in_place``, and it is read-only, or a view whose
            channels are not contiguous.
        MissingPackageError: OpenCV is not installed.
    """
    image = _require_image(image)
    if in_place:
        _require_drawable(image)
    canvas: Image = image if in_place else image.copy()

    def threshold(pose: Pose) -> float:
        return pose.seen_from if min_score is None else min_score

    shown = [pose for pose in poses if not is_sparse(pose, threshold(pose))]
    for (skeleton, score), people in groupby(shown, key=lambda p: (p.layout, threshold(p))):
        _draw_group(canvas, skeleton, list(people), score)
    return canvas


def _draw_group(canvas: Image, skeleton: Skeleton, group: list[Pose], min_score: float) -> None:
    """Draw poses of one skeleton: masks below limbs, and words above them."""
    for number, pose in enumerate(group, start=1):
        if pose.mask is not None:
            _draw_mask(canvas, pose.mask, _track_color(pose.track_id or number))
    if skeleton.keypoints:
        _draw_people(canvas, skeleton, group, min_score)
    elif skeleton.name == BOXES:
        for pose in group:
            _draw_box(canvas, pose)
    for place, pose in enumerate(group):
        _draw_words(canvas, pose, min_score, line=0 if skeleton.name == BOXES else place)


def _require_drawable(image: Image) -> None:
    # OpenCV can draw into an array with gaps between its rows, but not between its pixels.
    if image.flags.writeable and image.strides[1:] == (3, 1) and image.strides[0] > 0:
        return
    raise ImageError(
        "this frame cannot be drawn into: it is read-only, or its B, G, R are not contiguous",
        hint="leave out in_place to draw into a copy",
    )


def _require_image(image: object) -> Array:
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"poses are drawn into a numpy array, not into {type(image).__name__}",
            hint="cv2.imread reads a file as an array, and gives None if it cannot",
        )
    return image


def _draw_words(canvas: Image, pose: Pose, min_score: float, line: int) -> None:
    """Write the number of a person, or the label of an object."""
    if pose.track_id is not None:
        _draw_number(canvas, pose, min_score)
    elif pose.label:
        _draw_text(canvas, pose, f"{pose.label} {pose.score:.2f}", line)


def _draw_number(canvas: Image, pose: Pose, min_score: float) -> None:
    """Write the number of a person above the head."""
    cv2 = import_cv2()
    text = str(pose.track_id)
    scale = _text_scale(canvas, pose)
    ((width, height), _) = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x, y = _above_head(pose, min_score)
    left = min(max(round(x - width / 2), 0), max(canvas.shape[1] - width, 0))
    bottom = max(round(y - 8 * scale), height + round(4 * scale))
    color = _track_color(pose.track_id or 0)
    write_text(canvas, text, (left, bottom), scale, color=color, edge=_OUTLINE)


def _above_head(pose: Pose, min_score: float) -> tuple[float, float]:
    """The place above the middle of the head; if no part of it is visible, above the body."""
    is_visible = find_visible(pose.keypoints, min_score)
    is_head = is_visible & _head_of(pose.layout)
    points = pose.keypoints[is_head if is_head.any() else is_visible, :2]
    if not len(points):
        x0, y0, x1, _ = pose.box
        return (x0 + x1) / 2, y0
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    height = 0.0
    if is_head.any():
        # The top of a head is about as far above the eyes as the ears are apart, of which one may
        # be hidden.
        height = max(x1 - x0, y1 - y0, _HEAD_SHARE * _longer_side(pose))
    return (x0 + x1) / 2, y0 - height


def _longer_side(pose: Pose) -> float:
    x0, y0, x1, y1 = pose.box
    return float(max(x1 - x0, y1 - y0))


@cache
def _head_of(skeleton: Skeleton) -> Bools:
    """(K,) whether a keypoint is one of the head, by its name."""
    names = [set(name.split("_")) for name in skeleton.keypoints]
    return np.array([bool(words & _HEAD) for words in names], bool)


def _draw_mask(canvas: Image, mask: Floats, color: Color) -> None:
    """Tint the person's pixels, and draw a line around them."""
    cv2 = import_cv2()
    mask = cv2.resize(mask, image_size(canvas))  # a smaller canvas is a picture of the same image
    is_person = (mask > 0.5).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(is_person)
    part = (slice(top, top + height), slice(left, left + width))
    tint = 0.45 * mask[part][..., None]
    canvas[part] = (1 - tint) * canvas[part] + tint * np.array(color)
    outlines, _ = cv2.findContours(is_person, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, color, 2, cv2.LINE_AA)


def _draw_people(
    canvas: Image, skeleton: Skeleton, poses: Sequence[Pose], min_score: float
) -> None:
    cv2 = import_cv2()
    keypoints = np.concatenate([pose.keypoints for pose in poses]).reshape(len(poses), -1, 3)
    is_visible = find_visible(keypoints, min_score)
    reach = 4 * max(canvas.shape[:2])  # points far outside the image are clipped to this distance
    positions = np.nan_to_num(keypoints[..., :2]).clip(-reach, reach)
    points = _sixteenths(positions)
    widths = _line_widths(canvas, poses)
    spans = [*map(_longer_side, poses)]
    are_near = np.divide(spans, len(skeleton.keypoints) ** 0.5) < 3 * widths + 3
    are_dense = are_near & (len(skeleton.keypoints) > _DENSE)
    widths = np.where(are_dense, np.maximum(widths // 3, 1), widths)
    pairs, limb_colors, joints_by_color = _parts(skeleton)
    lines = points[:, pairs]
    bars = _bars(points, pairs, widths)
    spots = points[:, :, None]
    are_limbs = np.asarray(is_visible[:, pairs].all(axis=2))
    draw_lines = partial(cv2.polylines, canvas, lineType=cv2.LINE_8, shift=_SHIFT)
    for person, width in enumerate(widths.tolist()):
        number = poses[person].track_id
        own_color = number and _track_color(number)
        limbs = are_limbs[person].nonzero()[0]
        # All outlines are drawn first, so no outline crosses a limb. A joint is a line from the
        # joint to itself. Only limbs are anti-aliased, because that takes three times as long.
        own_spots = spots[person]
        seen = is_visible[person]
        is_dense = are_dense[person]
        if not is_dense:
            edge = max(1, width // 3)
            draw_lines(lines[person][limbs], False, _OUTLINE, thickness=width + 2 * edge + 2)
            draw_lines(own_spots[seen], True, _OUTLINE, thickness=2 * (width + edge + 1))
        for limb, bar in zip(limbs.tolist(), bars[person][limbs], strict=True):
            color = own_color or limb_colors[limb]
            cv2.fillConvexPoly(canvas, bar, color, cv2.LINE_AA, shift=_SHIFT)
        for joint_color, joints in joints_by_color:
            color = own_color or joint_color
            thickness = width if is_dense else 2 * width
            draw_lines(own_spots[seen & joints], True, color, thickness=thickness)


def _bars(points: Array, pairs: Array, widths: Array) -> NDArray[np.int32]:
    """(P, L, 4, 2): limbs between points (P, K, 2) as rectangles, in 1/16 pixels; widths (P,) are
    in pixels.

    Rectangles take a third of the time of OpenCV's lines. They have no round ends, but the joints
    cover that.
    """
    starts, ends = points[:, pairs].astype(np.float32).transpose(2, 0, 1, 3)
    along = ends - starts
    squared = (along * along).sum(axis=2, keepdims=True)
    length = np.maximum(np.sqrt(squared), 1)
    across = along[..., ::-1] * np.array([-1, 1], np.float32) / length
    sides = across * widths[:, None, None].astype(np.float32) * _HALF
    corners = np.stack([starts + sides, ends + sides, ends - sides, starts - sides], axis=2)
    rounded: NDArray[np.int32] = np.rint(corners).astype(np.int32)
    return rounded


def _draw_box(canvas: Image, pose: Pose) -> None:
    cv2 = import_cv2()
    (width,) = _line_widths(canvas, [pose]).tolist()
    corners = np.reshape(pose.box, (2, 2)).clip(0, image_size(canvas))
    first, last = _sixteenths(corners).tolist()
    color = _track_color(pose.track_id) if pose.track_id else _BOX
    edge = max(1, width // 3)
    for paint, thickness in ((_OUTLINE, width + 2 * edge), (color, width)):
        cv2.rectangle(
            canvas, first, last, paint, thickness=thickness, lineType=cv2.LINE_AA, shift=_SHIFT
        )


def _draw_text(canvas: Image, pose: Pose, text: str, line: int) -> None:
    """Write a text above a box, or in this line below that place."""
    scale = _text_scale(canvas, pose)
    left, top = pose.box[:2]
    bottom = max(round(top - 8 * scale), round(28 * scale)) + round(32 * scale * line)
    position = (round(left), bottom)
    write_text(canvas, text, position, scale, color=_BOX, edge=_OUTLINE)


def _text_scale(canvas: Image, pose: Pose) -> float:
    (width,) = _line_widths(canvas, [pose]).tolist()
    return float(max(0.5, width / 5))


def write_text(
    canvas: Image, text: str, position: Size, scale: float, color: Color, edge: Color
) -> None:
    """Write a line of text with an edge in another color; ``position`` is its lower left corner."""
    cv2 = import_cv2()
    width = max(1, round(1.6 * scale))
    left, bottom = position
    shifts = (-width, 0, width)
    moves = [(x, y, edge) for x in shifts for y in shifts]
    # The outline is the text at shifted positions: OpenCV 5 places thicker letters differently.
    for x, y, paint in (*moves, (0, 0, color)):
        cv2.putText(
            canvas,
            text,
            (left + x, bottom + y),
            cv2.FONT_HERSHEY_SIMPLEX,
            fontScale=scale,
            color=paint,
            thickness=width,
            lineType=cv2.LINE_AA,
        )


@cache
def _track_color(number: int) -> Color:
    """A color for a person's number, in which neighbors differ much."""
    # The golden ratio spreads any number of hues.
    rgb = colorsys.hsv_to_rgb(number * 0.618 % 1, 0.75, 1)
    red, green, blue = (round(255 * part) for part in rgb)
    return blue, green, red


def _line_widths(canvas: Image, poses: Sequence[Pose]) -> Ints:
    """(P,) the widths in pixels: relative to the size of the image, but thinner for small
    people.
    """
    boxes = np.array([pose.box for pose in poses])
    by_person = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / 60
    by_image = max(canvas.shape[:2]) / 200
    widths: Ints = np.rint(np.minimum(by_person, by_image)).astype(np.int64)
    return np.maximum(widths, 1)


def _sixteenths(points: Array) -> Array:
    # In OpenCV the center of the first pixel is (0, 0).
    return np.rint((points - 0.5) * (1 << _SHIFT)).astype(np.int32)


@cache
def _parts(
    skeleton: Skeleton,
) -> tuple[Array, list[list[int]], list[tuple[Color, Bools]]]:
    """(L, 2) the joints of each limb; its color, the mean of theirs; and the joints, (K,), of each
    color.
    """
    pairs = np.array(skeleton.limbs, int).reshape(-1, 2)
    color_of = [*map(keypoint_color, skeleton.keypoints)]
    colors = np.array(color_of)
    joints_by_color = []
    for color in dict.fromkeys(color_of):
        has_color = (colors == color).all(axis=1)
        joints_by_color.append((color, has_color))
    limb_colors = colors[pairs].sum(axis=1) // 2
    return pairs, limb_colors.tolist(), joints_by_color
