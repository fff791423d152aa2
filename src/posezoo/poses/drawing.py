"""Draw poses into an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import Any, Literal

import numpy as np

from posezoo.core.arrays import Array, Floats
from posezoo.core.convert.feature_steps import SAMPLE_PHOTOS
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import ImageError, import_cv2
from posezoo.core.values import frozen
from posezoo.poses.keypoints import Pose, is_sparse
from posezoo.poses.letterbox import Image, Size, image_size
from posezoo.poses.limb_drawing import (
    OUTLINE,
    SHIFT,
    Color,
    Parts,
    draw_people,
    find_parts,
    find_visible,
    person_color,
    sixteenths,
    usual_width,
)

_BOX: Color = (120, 220, 60)
_MASK: Color = (230, 110, 230)  # no color of a side

# Of blue, green and red in the luminance of a color (WCAG 2.2).
_LUMINANCE = np.array([0.0722, 0.7152, 0.2126])

# How far the top of the head is above the eyes, as a share of a standing body: a rough value.
_HEAD_SHARE = 0.1

# The longest side of a picture in a notebook, which stores it as PNG.
_SHOWN_SIDE = 1024

#: The skeletons of boxes and of the classes of an image: no keypoints.
BOXES, CLASSES = "box", "class"

# How far the parts of the body of each person, by skeleton and number, were spread in the last
# frames of a video.
_Recent = dict[Any, Array]


@frozen
class _DrawingOptions:
    min_score: float | None = None
    color: Literal["person", "side"] | None = None
    thickness: float | None = None
    radius: float | None = None
    boxes: bool = False
    labels: bool = True
    masks: bool = True
    recent: _Recent | None = None


class Drawing(np.ndarray[Any, Any]):
    """An image, (H, W, 3) uint8, BGR, or (H, W, 4), that a notebook shows as a picture."""

    def _repr_png_(self) -> bytes | None:
        if self.dtype != np.uint8 or self.ndim != 3 or self.shape[2] < 3 or not self.size:
            return None  # a part, or what was computed from it
        cv2 = import_cv2()
        scale = min(1.0, _SHOWN_SIDE / max(self.shape))
        small = cv2.resize(self, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return bytes(cv2.imencode(".png", small)[1])


def draw(
    image: object,
    poses: Iterable[Pose] | Pose,
    *,
    min_score: float | None = None,
    color: Literal["person", "side"] | None = None,
    thickness: float | None = None,
    radius: float | None = None,
    boxes: bool = False,
    labels: bool = True,
    masks: bool = True,
    in_place: bool = False,
    recent: _Recent | None = None,
) -> Image:
    """An image with limbs and keypoints of poses, or with the boxes and labels of poses without
    keypoints. A notebook shows it as a picture. The lower the score of a keypoint, the fainter it
    is. A pose that ``is_sparse`` is left out.

    Args:
        image: (H, W, 3) uint8, BGR; not changed unless ``in_place``. Or what a model takes: a grey
            image, a path, the bytes of a file or an image of Pillow, of which the result is BGR;
            or (H, W, 4): what is drawn is opaque, and the other pixels keep their alpha.
        poses: in pixels of the image; or one pose.
        min_score: keypoints of lower scores, 0..1, are left out, and limbs that end in one; None:
            ``seen_from`` of each pose.
        color: ``side``: left is blue, right is orange. ``person``: each person has a color, lighter
            on the left side. None: ``person`` if there are several, or they are tracked. Fingers
            have their own colors.
        thickness: the width of a limb, in pixels; None: relative to the image and the person.
        radius: of a joint of the body, in pixels; None: relative to the limbs.
        boxes: whether people with keypoints have boxes, too.
        labels: whether numbers of people who are tracked, and labels, are written.
        masks: whether the pixels of people are tinted, if they are known.
        in_place: draw into the image itself and return it.
        recent: a dictionary, empty at first, and the same for all frames of a video: so limbs of
            people who are tracked have the width of the last frames.

    Raises:
        ImageError: the image cannot be read, or its values are not uint8; or ``in_place``, and it
            is no array of three channels, read-only, or a view whose channels are not contiguous.
        MissingPackageError: OpenCV is not installed.
    """
    options = _DrawingOptions(min_score, color, thickness, radius, boxes, labels, masks, recent)
    people = [poses] if isinstance(poses, Pose) else poses
    if in_place:
        canvas = _require_drawable(image)
        _draw_on(canvas, people, options)
        return canvas
    picture = SAMPLE_PHOTOS.part.open(image)
    canvas = picture.copy()
    _draw_on(canvas, people, options)
    if isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 4:
        is_drawn = (canvas != picture).any(axis=2)
        canvas = np.dstack([canvas, np.where(is_drawn, np.uint8(255), image[..., 3])])
    return canvas.view(Drawing)


def _draw_on(canvas: Image, poses: Iterable[Pose], options: _DrawingOptions) -> None:
    def threshold(pose: Pose) -> float:
        return pose.seen_from if options.min_score is None else options.min_score

    shown = [pose for pose in poses if not is_sparse(pose, threshold(pose))]
    if options.color is None:
        is_by_person = len(shown) > 1 or any(pose.track_id for pose in shown)
        options = replace(options, color="person" if is_by_person else "side")
    for (skeleton, score), people in groupby(shown, key=lambda p: (p.layout, threshold(p))):
        _draw_group(canvas, skeleton, list(people), score, options)


def _draw_group(
    canvas: Image, skeleton: Skeleton, group: list[Pose], min_score: float, options: _DrawingOptions
) -> None:
    """Draw poses of one skeleton: masks below limbs, and words above them."""
    colors = [person_color(pose.track_id or number) for number, pose in enumerate(group, start=1)]
    for pose, color in zip(group, colors, strict=True):
        if pose.mask is not None and options.masks:
            _draw_mask(canvas, pose.mask, color if options.color == "person" else _MASK)
    recent = None
    if skeleton.keypoints:
        recent = _draw_keypoints(canvas, skeleton, group, colors, min_score, options)
    is_box = skeleton.name == BOXES
    for pose, color in zip(group, colors, strict=True):
        if options.boxes or (is_box and pose.mask is None):
            _draw_box(canvas, pose, color)
    if not options.labels:
        return
    is_list = skeleton.name == CLASSES  # all of the whole image
    for place, pose in enumerate(group):
        side = float(recent[place].max()) if recent else _longer_side(pose)
        scale = max(0.5, _line_width(canvas, side) / 5)
        _draw_words(canvas, pose, min_score, scale, line=place if is_list else 0)


def _draw_keypoints(
    canvas: Image,
    skeleton: Skeleton,
    group: list[Pose],
    colors: list[Color],
    min_score: float,
    options: _DrawingOptions,
) -> list[Array] | None:
    """Draw them with their limbs, and return what is recent of each person, if that is kept."""
    parts = _find_parts(skeleton)
    recent = None
    if options.recent is not None:
        recent = [_find_recent(pose, options.recent, len(parts.members)) for pose in group]
    draw_people(
        import_cv2(),
        canvas,
        parts,
        [pose.keypoints for pose in group],
        colors if options.color == "person" else [None] * len(group),
        min_score=min_score,
        thickness=options.thickness,
        radius=options.radius,
        recent=recent,
    )
    return recent


def _find_recent(pose: Pose, recent: _Recent, number: int) -> Array:
    """(number,) of a person; zeros that are not kept of one without a number."""
    unknown = np.zeros(number)
    if pose.track_id is None:
        return unknown
    return recent.setdefault((pose.layout, pose.track_id), unknown)


def _require_drawable(image: object) -> Image:
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"poses are drawn into a numpy array, not into {type(image).__name__}",
            hint="leave out in_place: then a path or an image of Pillow is read",
        )
    # OpenCV can draw into an array with gaps between its rows, but not between its pixels.
    has_bytes = image.dtype == np.uint8
    if has_bytes and image.flags.writeable and image.strides[1:] == (3, 1) and image.strides[0] > 0:
        return image
    raise ImageError(
        "this frame cannot be drawn into: it is read-only, or its B, G, R are not contiguous bytes",
        hint="leave out in_place to draw into a copy",
    )


def _draw_words(canvas: Image, pose: Pose, min_score: float, scale: float, line: int) -> None:
    if pose.track_id is not None:
        place = _above_head(pose, min_score, image_size(canvas))
        _draw_number(canvas, pose.track_id, place, scale)
    elif pose.label:
        text = f"{pose.label} {pose.score:.2f}"
        left = round(pose.box[0])
        top = max(round(pose.box[1] - 8 * scale), round(28 * scale))
        bottom = top + round(32 * scale * line)
        write_text(canvas, text, (left, bottom), scale, color=_BOX, edge=OUTLINE)


def _draw_number(canvas: Image, number: int, place: tuple[float, float], scale: float) -> None:
    """Write a person's number, above a place, on a plate in the person's color."""
    cv2 = import_cv2()
    text = str(number)
    ((width, height), _) = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    color = person_color(number)
    margin = round(height / 3)
    x, y = place
    left = min(max(round(x - width / 2), margin), max(canvas.shape[1] - width - margin, 0))
    bottom = max(round(y - 8 * scale), height + margin)
    first = (left - margin, bottom - height - margin)
    last = (left + width + margin, bottom + margin)
    cv2.rectangle(canvas, first, last, color, thickness=cv2.FILLED)
    # In lines of one pixel, smoothed, no pixel has the color of the letters.
    write_text(canvas, text, (left, bottom), scale, color=_ink_on(color), thinnest=2)


def _ink_on(color: Color) -> Color:
    """Black or white, whichever has the higher contrast: at least 4.58, as WCAG 2.2 computes it."""
    shares = np.array(color) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ _LUMINANCE)
    # Black and white have the same contrast with this luminance.
    return (0, 0, 0) if luminance > 1.05**0.5 * 0.05**0.5 - 0.05 else (255, 255, 255)


def _above_head(pose: Pose, min_score: float, size: Size) -> tuple[float, float]:
    """The place above the middle of the head; if no part of it is visible in the image, above the
    body.
    """
    is_inside = ((pose.keypoints[:, :2] >= 0) & (pose.keypoints[:, :2] < size)).all(axis=1)
    is_visible = find_visible(pose.keypoints, min_score) & is_inside
    is_head = is_visible & _find_parts(pose.layout).is_head
    points = pose.keypoints[is_head if is_head.any() else is_visible, :2]
    if not len(points):
        x0, y0, x1, _ = pose.keypoint_box
        return (x0 + x1) / 2, y0
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    height = 0.0
    if is_head.any():
        # The top of a head is about as far above the eyes as the ears are apart, of which one may
        # be hidden.
        height = max(x1 - x0, y1 - y0, _HEAD_SHARE * _longer_side(pose))
    return (x0 + x1) / 2, y0 - height


def _longer_side(pose: Pose) -> float:
    x0, y0, x1, y1 = pose.keypoint_box
    return float(max(x1 - x0, y1 - y0))


def _draw_mask(canvas: Image, mask: Floats, color: Color) -> None:
    cv2 = import_cv2()
    mask = cv2.resize(mask, image_size(canvas))  # a smaller canvas is a picture of the same image
    is_person = (mask > 0.5).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(is_person)
    part = (slice(top, top + height), slice(left, left + width))
    tint = 0.45 * mask[part][..., None]
    canvas[part] = (1 - tint) * canvas[part] + tint * np.array(color)
    outlines, _ = cv2.findContours(is_person, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, color, 2, cv2.LINE_AA)


def _draw_box(canvas: Image, pose: Pose, color: Color) -> None:
    cv2 = import_cv2()
    width = _line_width(canvas, _longer_side(pose))
    corners = np.reshape(pose.box, (2, 2)).clip(0, image_size(canvas))
    first, last = sixteenths(corners).tolist()
    edge = max(1, width // 3)
    if not (pose.track_id or pose.layout.keypoints):
        color = _BOX  # of an object
    for paint, thickness in ((OUTLINE, width + 2 * edge), (color, width)):
        cv2.rectangle(
            canvas, first, last, paint, thickness=thickness, lineType=cv2.LINE_AA, shift=SHIFT
        )


def write_text(
    canvas: Image,
    text: str,
    position: Size,
    scale: float,
    color: Color,
    edge: Color | None = None,
    thinnest: int = 1,
) -> None:
    """Write a line of text from its lower left corner, with an edge in another color if there is
    one. ``thinnest`` is the least width of its lines, in pixels.
    """
    cv2 = import_cv2()
    width = max(thinnest, round(1.6 * scale))
    left, bottom = position
    shifts = (-width, 0, width)
    moves = [(x, y, edge) for x in shifts for y in shifts if edge]
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


def _line_width(canvas: Image, side: float) -> int:
    """Of the box of a person whose longer side is this, in pixels."""
    return max(1, round(min(side / 60, usual_width(canvas))))


@cache
def _find_parts(skeleton: Skeleton) -> Parts:
    return find_parts(skeleton.keypoints, skeleton.limbs)
