"""Draw poses into an image."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from types import FunctionType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from posezoo.core.arrays import Array, Bools, Floats, Ints
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import ImageError, import_cv2
from posezoo.core.plugins import import_part
from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.poses.keypoints import (
    Color,
    Pose,
    find_visible,
    finger_of,
    is_sparse,
    keypoint_color,
)
from posezoo.poses.letterbox import Image, Size, image_size

# OpenCV gets coordinates in 1/16 pixels, so limbs do not jump between frames.
_SHIFT = 4
_HALF = 1 << _SHIFT - 1
_OUTLINE: Color = (32, 32, 32)
_LIGHT: Color = (245, 245, 245)
_BOX: Color = (120, 220, 60)
_MASK: Color = (230, 110, 230)  # no color of a side

# Of blue, green and red in the luminance of a color (WCAG 2.2).
_LUMINANCE = np.array([0.0722, 0.7152, 0.2126])

# The width of an image, relative to that of a limb.
_LIMBS_ACROSS = 150
# Relative to the width of a limb: its edge, the radius of a joint, and the lines of a head.
_EDGE = 0.35
_JOINT = 1.1
_HEAD_WIDTH = 0.5

# In pixels.
_THINNEST = 0.8

# A limb is at most this share of the distance between keypoints of a part of the body, if they are
# spread evenly over it; and points of a face that are closer than this, in pixels, are not drawn.
_DENSITY = 1 / 14
# One stray keypoint of a part of the body makes its lines this much thicker at most; of fewer
# keypoints than these, none is called stray.
_STRAY = 1.5
_FEWEST_OF_A_PART = 4
_CLOSE = 9.0

# A keypoint of this score or more is drawn in its full color; one of score 0 has this share of it.
_SURE = 0.6
_FAINTEST = 0.35

# The words in the names of a head's keypoints.
_HEAD = frozenset({"nose", "eye", "ear", "mouth", "head"})
# The points of a face or an eye have numbers, and hands a root.
_WRIST = re.compile(r"wrist|.*_hand_root")
_FACE = re.compile(r"(face-)?\d+|iris_.*")
# How far the top of the head is above the eyes, as a share of a standing body: a rough value.
_HEAD_SHARE = 0.1

# The longest side of a picture in a notebook, which stores it as PNG.
_SHOWN_SIDE = 1024

# Reads what a model takes as an image.
_OPEN_IMAGE = "posezoo.run.images:open_image"

#: The skeletons of boxes and of the classes of an image: no keypoints.
BOXES, CLASSES = "box", "class"


@frozen
class _DrawingOptions:
    min_score: float | None = None
    color: Literal["person", "side"] | None = None
    thickness: float | None = None
    radius: float | None = None
    boxes: bool = False
    labels: bool = True
    masks: bool = True


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

    Raises:
        ImageError: the image cannot be read, or its values are not uint8; or ``in_place``, and it
            is no array of three channels, read-only, or a view whose channels are not contiguous.
        MissingPackageError: OpenCV is not installed.
    """
    options = _DrawingOptions(min_score, color, thickness, radius, boxes, labels, masks)
    people = [poses] if isinstance(poses, Pose) else poses
    if in_place:
        canvas = _require_drawable(image)
        _draw_on(canvas, people, options)
        return canvas
    picture: Image = import_part(_OPEN_IMAGE, FunctionType)(image)
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
    colors = [_person_color(pose.track_id or number) for number, pose in enumerate(group, start=1)]
    for pose, color in zip(group, colors, strict=True):
        if pose.mask is not None and options.masks:
            _draw_mask(canvas, pose.mask, color if options.color == "person" else _MASK)
    if skeleton.keypoints:
        _draw_people(canvas, skeleton, group, colors, min_score, options)
    is_box = skeleton.name == BOXES
    for pose, color in zip(group, colors, strict=True):
        if options.boxes or (is_box and pose.mask is None):
            _draw_box(canvas, pose, color)
    if options.labels:
        is_list = skeleton.name == CLASSES  # all of the whole image
        for place, pose in enumerate(group):
            _draw_words(canvas, pose, min_score, line=place if is_list else 0)


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


def _draw_words(canvas: Image, pose: Pose, min_score: float, line: int) -> None:
    scale = max(0.5, _line_width(canvas, pose) / 5)
    if pose.track_id is not None:
        place = _above_head(pose, min_score, image_size(canvas))
        _draw_number(canvas, pose.track_id, place, scale)
    elif pose.label:
        text = f"{pose.label} {pose.score:.2f}"
        left = round(pose.box[0])
        top = max(round(pose.box[1] - 8 * scale), round(28 * scale))
        bottom = top + round(32 * scale * line)
        write_text(canvas, text, (left, bottom), scale, color=_BOX, edge=_OUTLINE)


def _draw_number(canvas: Image, number: int, place: tuple[float, float], scale: float) -> None:
    """Write a person's number, above a place, on a plate in the person's color."""
    cv2 = import_cv2()
    text = str(number)
    ((width, height), _) = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    color = _person_color(number)
    margin = round(height / 3)
    x, y = place
    left = min(max(round(x - width / 2), margin), max(canvas.shape[1] - width - margin, 0))
    bottom = max(round(y - 8 * scale), height + margin)
    first = (left - margin, bottom - height - margin)
    last = (left + width + margin, bottom + margin)
    cv2.rectangle(canvas, first, last, color, thickness=cv2.FILLED)
    write_text(canvas, text, (left, bottom), scale, color=_ink_on(color))


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
    is_head = is_visible & _parts(pose.layout).is_head
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


def _draw_people(
    canvas: Image,
    skeleton: Skeleton,
    poses: Sequence[Pose],
    colors: Sequence[Color],
    min_score: float,
    options: _DrawingOptions,
) -> None:
    cv2 = import_cv2()
    parts = _parts(skeleton)
    keypoints = np.concatenate([pose.keypoints for pose in poses]).reshape(len(poses), -1, 3)
    is_visible = find_visible(keypoints, min_score)
    reach = 4 * max(canvas.shape[:2])  # points far outside the image are clipped to this distance
    positions = np.nan_to_num(keypoints[..., :2]).clip(-reach, reach)
    widths, is_close = _widths(canvas, parts, positions, is_visible, options.thickness)
    points = _sixteenths(positions)
    limb_widths = widths[:, parts.pairs].min(axis=2)
    bars = _bars(points, parts.pairs, limb_widths)
    edges = _bars(points, parts.pairs, (1 + 2 * _EDGE) * limb_widths)
    radii = _JOINT * widths
    if options.radius is not None:
        radii = np.where(parts.is_body, options.radius, radii)
    radii = np.rint(np.stack([radii + _EDGE * widths, radii]) * (1 << _SHIFT)).astype(int)
    is_limb = np.asarray(is_visible[:, parts.pairs].all(axis=2))
    is_joint = is_visible & ~(parts.is_face & is_close)
    opacity = (_FAINTEST + (1 - _FAINTEST) * keypoints[..., 2:] / _SURE).clip(0, 1)
    columns, rows = positions.astype(int).clip(0, np.subtract(image_size(canvas), 1)).T
    for person, color in enumerate(colors):
        own = parts.colors
        if options.color == "person":
            # Of the middle, of the left and of the right side.
            middle = np.array(color, np.float32)
            shades = np.stack([middle, (middle + 255) / 2, 0.75 * middle])
            own = np.where(parts.is_finger[:, None], own, shades[parts.sides])
        # A faint line is mixed with the color behind its ends: that is faster than with each pixel.
        behind = (
            canvas[rows[:, person], columns[:, person]].reshape(len(own), -1)[:, :3].astype(float)
        )
        layers = np.stack([np.broadcast_to(_OUTLINE, own.shape), parts.rings, own])
        dark, rings, fills = behind + (layers - behind) * opacity[person]
        limbs = np.flatnonzero(is_limb[person])
        ends = parts.pairs[limbs]
        # All edges are drawn first, so none crosses a limb.
        for shapes, paint in ((edges, dark), (bars, fills)):
            mixed = paint[ends].mean(axis=1).tolist()
            for shape, tone in zip(shapes[person, limbs], mixed, strict=True):
                cv2.fillConvexPoly(canvas, shape, tone, cv2.LINE_AA, shift=_SHIFT)
        joints = np.flatnonzero(is_joint[person])
        places = points[person, joints].tolist()
        for sizes, paint in zip(radii, (rings, fills), strict=True):
            circles = zip(
                places, sizes[person, joints].tolist(), paint[joints].tolist(), strict=True
            )
            for place, size, tone in circles:
                cv2.circle(canvas, place, size, tone, -1, cv2.LINE_AA, _SHIFT)


def _widths(
    canvas: Image,
    parts: _Parts,
    positions: Floats,
    is_visible: Bools,
    thickness: float | None,
) -> tuple[Floats, Bools]:
    """(P, K) the width of a limb at each keypoint, in pixels: relative to the image, but thinner
    where the keypoints of a part of the body are close to each other; and whether they are.
    """
    spacing = np.empty(is_visible.shape, np.float32)
    for members in parts.members:
        spans = _spans(positions[:, members], is_visible[:, members])
        spacing[:, members] = spans[:, None] / members.sum() ** 0.5
    usual = thickness or _usual_width(canvas)
    widths = np.minimum(usual, _DENSITY * spacing)
    if thickness:
        widths[:, parts.is_body] = thickness
    widths = np.maximum(np.where(parts.is_head, _HEAD_WIDTH, 1) * widths, _THINNEST)
    return widths, spacing < _CLOSE


def _spans(positions: Floats, is_visible: Bools) -> Floats:
    """(P,) how far the visible keypoints (P, K, 2) of a part of the body are spread, in pixels: at
    most ``_STRAY`` times as far as without the one that is farthest from the others.
    """
    seen = is_visible[:, :, None]
    highest = np.sort(np.where(seen, positions, -np.inf), axis=1)[:, ::-1]
    lowest = np.sort(np.where(seen, positions, np.inf), axis=1)
    spans = highest[:, 0] - lowest[:, 0]
    if positions.shape[1] > _FEWEST_OF_A_PART:
        without = np.minimum(highest[:, 1] - lowest[:, 0], highest[:, 0] - lowest[:, 1])
        has_enough = is_visible.sum(axis=1) > _FEWEST_OF_A_PART
        spans = np.where(has_enough[:, None], np.minimum(spans, _STRAY * without), spans)
    widest: Floats = np.maximum(spans, 0).max(axis=1)
    return widest


def _bars(points: Array, pairs: Array, widths: Array) -> NDArray[np.int32]:
    """(P, L, 4, 2): limbs between points (P, K, 2) as rectangles, in 1/16 pixels; widths (P, L)
    are in pixels.

    Rectangles take a third of the time of OpenCV's lines. They have no round ends, but the joints
    cover that.
    """
    starts, ends = points[:, pairs].astype(np.float32).transpose(2, 0, 1, 3)
    along = ends - starts
    squared = (along * along).sum(axis=2, keepdims=True)
    length = np.maximum(np.sqrt(squared), 1)
    across = along[..., ::-1] * np.array([-1, 1], np.float32) / length
    sides = across * widths[..., None].astype(np.float32) * _HALF
    corners = np.stack([starts + sides, ends + sides, ends - sides, starts - sides], axis=2)
    rounded: NDArray[np.int32] = np.rint(corners).astype(np.int32)
    return rounded


def _draw_box(canvas: Image, pose: Pose, color: Color) -> None:
    cv2 = import_cv2()
    width = _line_width(canvas, pose)
    corners = np.reshape(pose.box, (2, 2)).clip(0, image_size(canvas))
    first, last = _sixteenths(corners).tolist()
    edge = max(1, width // 3)
    if not (pose.track_id or pose.layout.keypoints):
        color = _BOX  # of an object
    for paint, thickness in ((_OUTLINE, width + 2 * edge), (color, width)):
        cv2.rectangle(
            canvas, first, last, paint, thickness=thickness, lineType=cv2.LINE_AA, shift=_SHIFT
        )


def write_text(
    canvas: Image,
    text: str,
    position: Size,
    scale: float,
    color: Color,
    edge: Color | None = None,
) -> None:
    """Write a line of text from its lower left corner, with an edge in another color if there is
    one.
    """
    cv2 = import_cv2()
    width = max(1, round(1.6 * scale))
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


@cache
def _person_color(number: int) -> Color:
    """A color for a person's number, in which neighbors differ much."""
    # The golden ratio spreads any number of hues; the first three are not those of the sides.
    rgb = colorsys.hsv_to_rgb((0.074 + number * 0.618) % 1, 0.75, 1)
    red, green, blue = (round(255 * part) for part in rgb)
    return blue, green, red


def _line_width(canvas: Image, pose: Pose) -> int:
    return max(1, round(min(_longer_side(pose) / 60, _usual_width(canvas))))


def _usual_width(canvas: Image) -> float:
    return float(max(canvas.shape[:2])) / _LIMBS_ACROSS


def _sixteenths(points: Array) -> Array:
    # In OpenCV the center of the first pixel is (0, 0).
    return np.rint((points - 0.5) * (1 << _SHIFT)).astype(np.int32)


@frozen_with_arrays
class _Parts:
    """What is drawn of K keypoints.

    Attributes:
        pairs: (L, 2) the keypoints of each limb.
        colors: (K, 3) by their sides or fingers.
        rings: (K, 3) the colors of the edges of joints.
        sides: (K,) 0 for the middle, 1 for left, 2 for right.
        members: (K,) for each part of the body with keypoints that are close to each other: a face,
            a hand, and the rest.
        is_head, is_face, is_finger, is_body: (K,).
    """

    pairs: Ints
    colors: Floats
    rings: Floats
    sides: Ints
    members: tuple[Bools, ...]
    is_head: Bools
    is_face: Bools
    is_finger: Bools
    is_body: Bools


@cache
def _parts(skeleton: Skeleton) -> _Parts:
    names = skeleton.keypoints
    sides = np.array([1 if "left" in name else 2 if "right" in name else 0 for name in names], int)
    is_head = np.array([bool(set(name.split("_")) & _HEAD) for name in names], bool)
    is_face = np.array([bool(_FACE.fullmatch(name)) for name in names], bool)
    is_finger = np.array([bool(finger_of(name) or _WRIST.fullmatch(name)) for name in names], bool)
    is_rest = ~(is_face | is_finger)
    members = (is_rest, is_face, *(is_finger & (sides == side) for side in range(3)))
    limbs = [*skeleton.limbs]
    # Without a neck, the head would float.
    for ear, shoulder in (("left_ear", "left_shoulder"), ("right_ear", "right_shoulder")):
        if {ear, shoulder} <= set(names) and "neck" not in names:
            limbs.append((names.index(ear), names.index(shoulder)))
    colors = np.array([*map(keypoint_color, names)], np.float32).reshape(-1, 3)
    return _Parts(
        pairs=np.array(limbs, int).reshape(-1, 2),
        colors=np.where(is_face[:, None], (colors + _LIGHT) / 2, colors),
        rings=np.where(is_face[:, None], _OUTLINE, _LIGHT),
        sides=sides,
        members=tuple(filter(np.any, members)),
        is_head=is_head,
        is_face=is_face,
        is_finger=is_finger,
        is_body=is_rest & ~is_head,
    )
