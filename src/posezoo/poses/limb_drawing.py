"""Draw the limbs and keypoints of people into a picture: the style of ``posezoo.draw``, and of the
programs of ``posezoo export``, which contain a copy of this file.

It needs numpy, and gets the module cv2 from its caller.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Color = tuple[int, int, int]

# A pose with fewer visible keypoints shows no more than a limb. In 17 photos, none of the four such
# poses of movenet-thunder is of an annotated person (OKS above 0.5).
FEWEST = 3

# OpenCV gets coordinates in 1/16 pixels, so limbs do not jump between frames.
SHIFT = 4
_HALF = 1 << SHIFT - 1
OUTLINE: Color = (32, 32, 32)
_LIGHT: Color = (245, 245, 245)
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
# The share of the newest frame in how far a person who is tracked is spread. In 1176 steps of eight
# videos, the width of their limbs then changes by a fifth at most; without it, in 5.5 % of the
# steps by more than a quarter.
_NEWEST = 0.2

# A keypoint of this score or more is drawn in its full color; one of score 0 has this share of it.
_SURE = 0.6
_FAINTEST = 0.35

# The words in the names of a head's keypoints.
_HEAD = frozenset({"nose", "eye", "ear", "mouth", "head"})
# The points of a face or an eye have numbers, and hands a root.
_WRIST = re.compile(r"wrist|.*_hand_root")
_FACE = re.compile(r"(face-)?\d+|iris_.*")

_LEFT: Color = (255, 178, 29)
_RIGHT: Color = (46, 125, 255)
_MIDDLE: Color = (120, 220, 60)


# Of a hand's keypoints; those of blazepose-33 are ends of its arms.
_FINGER = re.compile(
    r"(?:left_|right_)?(thumb|index|forefinger|middle|ring|pinky)(?:_finger)?(?:\d|_[a-z]+)"
)
_FINGERS: dict[str, Color] = {
    "thumb": (90, 90, 245),
    "index": (60, 200, 250),
    "forefinger": (60, 200, 250),
    "middle": (100, 210, 90),
    "ring": (235, 180, 60),
    "pinky": (220, 110, 220),
}


def finger_of(keypoint: str) -> str:
    """The finger of a hand that has a keypoint; empty if there is none."""
    found = _FINGER.fullmatch(keypoint)
    return found[1] if found else ""


def keypoint_color(keypoint: str) -> Color:
    """The color of a keypoint, BGR 0..255, by the finger or the side that its name says."""
    if finger := finger_of(keypoint):
        return _FINGERS[finger]
    if "left" in keypoint:
        return _LEFT
    if "right" in keypoint:
        return _RIGHT
    return _MIDDLE


def find_visible(keypoints: Array, min_score: float) -> Array:
    """Whether each keypoint, (..., K, 3), has a place and at least this score: (..., K)."""
    is_visible: Array = (keypoints[..., 2] >= min_score) & np.isfinite(keypoints).all(axis=-1)
    return is_visible


def draw_people(
    cv2: Any,
    canvas: Array,
    parts: Parts,
    people: Sequence[Array],
    colors: Sequence[Color | None],
    *,
    min_score: float,
    thickness: float | None = None,
    radius: float | None = None,
    recent: Sequence[Array] | None = None,
) -> None:
    """Draw people into a picture, (H, W, 3) uint8, BGR.

    Args:
        people: (K, 3) of each: x, y in pixels and score, 0..1.
        colors: of each person; None: by the sides of the body.
        min_score: keypoints of lower scores are left out, and limbs that end in one.
        thickness: the width of a limb, in pixels; None: relative to the picture and the person.
        radius: of a joint of the body, in pixels; None: relative to the limbs.
        recent: of each person, how far the parts of the body, (len(parts.members),), were spread in
            the last frames, in pixels, 0 where that is unknown; this frame is added to it.
    """
    keypoints = np.concatenate(people).reshape(len(people), -1, 3)
    is_visible = find_visible(keypoints, min_score)
    reach = 4 * max(canvas.shape[:2])  # points far outside the image are clipped to this distance
    positions = np.nan_to_num(keypoints[..., :2]).clip(-reach, reach)
    widths, is_close = _widths(canvas, parts, positions, is_visible, thickness, recent)
    points = sixteenths(positions)
    limb_widths = widths[:, parts.pairs].min(axis=2)
    bars = _bars(points, parts.pairs, limb_widths)
    edges = _bars(points, parts.pairs, (1 + 2 * _EDGE) * limb_widths)
    radii = _JOINT * widths
    if radius is not None:
        radii = np.where(parts.is_body, radius, radii)
    radii = np.rint(np.stack([radii + _EDGE * widths, radii]) * (1 << SHIFT)).astype(int)
    is_limb = np.asarray(is_visible[:, parts.pairs].all(axis=2))
    is_joint = is_visible & ~(parts.is_face & is_close)
    opacity = (_FAINTEST + (1 - _FAINTEST) * keypoints[..., 2:] / _SURE).clip(0, 1)
    columns, rows = positions.astype(int).clip(0, np.subtract(canvas.shape[1::-1], 1)).T
    for person, color in enumerate(colors):
        own = parts.colors
        if color is not None:
            # Of the middle, of the left and of the right side.
            middle = np.array(color, np.float32)
            shades = np.stack([middle, (middle + 255) / 2, 0.75 * middle])
            own = np.where(parts.is_finger[:, None], own, shades[parts.sides])
        # A faint line is mixed with the color behind its ends: that is faster than with each pixel.
        behind = (
            canvas[rows[:, person], columns[:, person]].reshape(len(own), -1)[:, :3].astype(float)
        )
        layers = np.stack([np.broadcast_to(OUTLINE, own.shape), parts.rings, own])
        dark, rings, fills = behind + (layers - behind) * opacity[person]
        limbs = np.flatnonzero(is_limb[person])
        ends = parts.pairs[limbs]
        # All edges are drawn first, so none crosses a limb.
        for shapes, paint in ((edges, dark), (bars, fills)):
            mixed = paint[ends].mean(axis=1).tolist()
            for shape, tone in zip(shapes[person, limbs], mixed, strict=True):
                cv2.fillConvexPoly(canvas, shape, tone, cv2.LINE_AA, shift=SHIFT)
        joints = np.flatnonzero(is_joint[person])
        places = points[person, joints].tolist()
        for sizes, paint in zip(radii, (rings, fills), strict=True):
            circles = zip(
                places, sizes[person, joints].tolist(), paint[joints].tolist(), strict=True
            )
            for place, size, tone in circles:
                cv2.circle(canvas, place, size, tone, -1, cv2.LINE_AA, SHIFT)


def _widths(
    canvas: Array,
    parts: Parts,
    positions: Array,
    is_visible: Array,
    thickness: float | None,
    recent: Sequence[Array] | None,
) -> tuple[Array, Array]:
    """(P, K) the width of a limb at each keypoint, in pixels: relative to the image, but thinner
    where the keypoints of a part of the body are close to each other; and whether they are.
    """
    spacing = np.empty(is_visible.shape, np.float32)
    spans = [_spans(positions[:, members], is_visible[:, members]) for members in parts.members]
    if recent is not None:
        spans = _follow(spans, recent)
    for members, span in zip(parts.members, spans, strict=True):
        spacing[:, members] = span[:, None] / members.sum() ** 0.5
    usual = thickness or usual_width(canvas)
    widths = np.minimum(usual, _DENSITY * spacing)
    if thickness:
        widths[:, parts.is_body] = thickness
    widths = np.maximum(np.where(parts.is_head, _HEAD_WIDTH, 1) * widths, _THINNEST)
    return widths, spacing < _CLOSE


def _spans(positions: Array, is_visible: Array) -> Array:
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
    widest: Array = np.maximum(spans, 0).max(axis=1)
    return widest


def _follow(spans: Sequence[Array], recent: Sequence[Array]) -> list[Array]:
    """(P,) of each part: how far it was spread in the last frames, with this one.

    Args:
        spans: (P,) in this frame, of each part; 0 where none of it is visible.
        recent: (M,) in the last frames, of each person; changed.
    """
    for now, last in zip(np.stack(spans, axis=1), recent, strict=True):
        share = np.where(last > 0, _NEWEST, 1)
        last += np.where(now > 0, share * (now - last), 0)
    return [*np.stack(recent, axis=1)]


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


@cache
def person_color(number: int) -> Color:
    """A color for a person's number, in which neighbors differ much."""
    # The golden ratio spreads any number of hues; the first three are not those of the sides.
    rgb = colorsys.hsv_to_rgb((0.074 + number * 0.618) % 1, 0.75, 1)
    red, green, blue = (round(255 * part) for part in rgb)
    return blue, green, red


def usual_width(canvas: Array) -> float:
    """Of a limb, in pixels, if its person is large."""
    return float(max(canvas.shape[:2])) / _LIMBS_ACROSS


def sixteenths(points: Array) -> Array:
    """Places in pixels as OpenCV takes them: in 1/16 pixels."""
    # In OpenCV the center of the first pixel is (0, 0).
    return np.rint((points - 0.5) * (1 << SHIFT)).astype(np.int32)


class Parts(NamedTuple):
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

    pairs: Array
    colors: Array
    rings: Array
    sides: Array
    members: tuple[Array, ...]
    is_head: Array
    is_face: Array
    is_finger: Array
    is_body: Array


def find_parts(names: Sequence[str], pairs: Sequence[Sequence[int]]) -> Parts:
    """What is drawn of keypoints with these names, and of limbs between these pairs of them."""
    sides = np.array([1 if "left" in name else 2 if "right" in name else 0 for name in names], int)
    is_head = np.array([bool(set(name.split("_")) & _HEAD) for name in names], bool)
    is_face = np.array([bool(_FACE.fullmatch(name)) for name in names], bool)
    is_finger = np.array([bool(finger_of(name) or _WRIST.fullmatch(name)) for name in names], bool)
    is_rest = ~(is_face | is_finger)
    members = (is_rest, is_face, *(is_finger & (sides == side) for side in range(3)))
    limbs = [*map(tuple, pairs)]
    # Without a neck, the head would float.
    for ear, shoulder in (("left_ear", "left_shoulder"), ("right_ear", "right_shoulder")):
        if {ear, shoulder} <= set(names) and "neck" not in names:
            limbs.append((names.index(ear), names.index(shoulder)))
    colors = np.array([*map(keypoint_color, names)], np.float32).reshape(-1, 3)
    return Parts(
        pairs=np.array(limbs, int).reshape(-1, 2),
        colors=np.where(is_face[:, None], (colors + _LIGHT) / 2, colors),
        rings=np.where(is_face[:, None], OUTLINE, _LIGHT),
        sides=sides,
        members=tuple(each for each in members if each.any()),
        is_head=is_head,
        is_face=is_face,
        is_finger=is_finger,
        is_body=is_rest & ~is_head,
    )
