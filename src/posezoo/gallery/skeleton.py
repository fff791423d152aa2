"""Where keypoints stand in a picture of their skeleton: somebody who faces us, arms and legs apart."""

from __future__ import annotations

from collections.abc import Sequence

#: The picture's height, where its width is 100.
HEIGHT = 150

# Of the middle, and of the person's left side, which we see on the right: x from the middle, y from the top.
_MIDDLE = {
    "nose": (0, 18), "head_top": (0, 2), "neck": (0, 40), "pelvis": (0, 84), "mouth": (0, 26),
}  # fmt: skip
_SIDE = {
    "eye_inner": (4, 11), "eye": (9, 9.5), "eye_outer": (14, 11), "ear": (20, 16), "mouth": (6, 27),
    "shoulder": (20, 42), "elbow": (29, 60), "wrist": (36, 77), "pinky": (45, 84), "index": (41, 90),
    "thumb": (32, 85), "hip": (12, 84), "knee": (15, 110), "ankle": (17, 135), "heel": (13, 143),
    "foot_index": (26, 146),
}  # fmt: skip

Point = tuple[float, float, str, int]


def points_of(keypoints: Sequence[str]) -> list[Point]:
    """For each keypoint x, y, its side (left, right, middle) and its number; empty where one is not known."""
    points = [_point(name, number) for number, name in enumerate(keypoints)]
    return [point for point in points if point] if all(points) else []


def _point(name: str, number: int) -> Point | None:
    words = name.split("_")
    side = next((word for word in words if word in ("left", "right")), "middle")
    part = "_".join(word for word in words if word != side)
    place = (_MIDDLE if side == "middle" else _SIDE).get(part)
    if place is None:
        return None
    x, y = place
    return 50 - x if side == "right" else 50 + x, y, side, number
