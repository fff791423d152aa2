"""Synthetic keypoints of people who walk and cross each other, as a pose network would find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from posezoo.poses.keypoints import Pose, bounding_box

SIZE = (1280, 720)
FPS = 30.0

#: x and y of COCO's 17 keypoints of a standing person, in body heights. The origin is on the ground
#: between the feet.
_STANDING = np.array(
    [
        *[(0.0, -0.93), (0.02, -0.95), (-0.02, -0.95), (0.04, -0.94), (-0.04, -0.94)],
        *[(0.11, -0.82), (-0.11, -0.82), (0.14, -0.64), (-0.14, -0.64), (0.15, -0.47)],
        *[(-0.15, -0.47), (0.08, -0.52), (-0.08, -0.52), (0.08, -0.28), (-0.08, -0.28)],
        *[(0.08, -0.03), (-0.08, -0.03)],
    ]
)
#: How far each keypoint moves forward and back in a step, in body heights; left and right keypoints
#: move in opposite directions.
_SWING = np.array([0, 0, 0, 0, 0, 0, 0, -0.03, 0.03, -0.09, 0.09, 0, 0, 0.06, -0.06, 0.15, -0.15])

#: The walking speed in body heights per second, for 1.4 m/s and a height of 1.7 m.
WALKING = 1.4 / 1.7


@dataclass(frozen=True, slots=True)
class Walk:
    """The keypoints of some people in each frame of a video.

    Attributes:
        keypoints: (T, N, 17, 2) in pixels; NaN if unknown.
        heights: (N,), the height of each person in pixels.
        pillars: (P, 2), the x of the left and right edge of each pillar in pixels; pillars hide the
            people behind them.
    """

    keypoints: NDArray[np.float64]
    heights: NDArray[np.float64]
    pillars: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def is_inside(self) -> NDArray[np.bool_]:
        """(T, N): whether the mean x of each person's known keypoints is inside the image."""
        x = self.keypoints[..., 0]
        number = np.isfinite(x).sum(axis=2)
        middle = np.nansum(x, axis=2) / number.clip(min=1)
        is_inside: NDArray[np.bool_] = (number > 0) & (middle >= 0) & (middle < SIZE[0])
        return is_inside


def walk(people: int = 10, frames: int = 300, *, seed: int = 0, speed: float = WALKING) -> Walk:
    """People who walk to the right and back, or stand still if ``speed`` is 0. Each has another
    distance from the camera.
    """
    rng = np.random.default_rng(seed)
    heights = rng.uniform(150, 320, people)
    feet = _feet(heights, rng)
    times = np.arange(frames) / FPS
    pace = speed * rng.uniform(0.6, 1.2, people) * rng.choice([-1, 1], people)
    reach = SIZE[0] - 160
    way = np.pi * (rng.uniform(-1, 1, people) + times[:, None] * pace * heights / reach)
    # A smoothed triangle wave: people walk at a constant speed, and turn around in half a second.
    x = SIZE[0] / 2 + reach / np.pi * np.arcsin(0.97 * np.sin(way))
    drift = 25 * np.sin(times[:, None] * rng.uniform(0.3, 0.8, people)) * (speed > 0)
    phase = 2 * np.pi * 0.9 * times[:, None] * (speed > 0) + rng.uniform(0, 6, people)
    bodies = np.broadcast_to(_STANDING, (people, 17, 2))
    return Walk(_place(bodies * heights[:, None, None], x, feet + drift, phase), heights)


def hidden_walk(walkers: int = 10, frames: int = 300, *, seed: int = 0) -> Walk:
    """People who walk behind two pillars, each of which hides them for 0.5 to 2.5 seconds.

    Some turn around behind a pillar, and some wait there. Six people are visible in the first
    frame, the others enter at the sides, and all leave the image. Two more people near the camera
    walk slowly and hide those behind them.
    """
    rng = np.random.default_rng(seed)
    heights = np.append(rng.uniform(150, 320, walkers), rng.uniform(340, 420, 2))
    people = len(heights)
    middles = SIZE[0] * np.array([0.33, 0.67]) + rng.uniform(-80, 80, 2)
    pillars = middles[:, None] + rng.uniform(40, 90, 2)[:, None] * [-1, 1]
    pace = WALKING * rng.uniform(0.6, 1.2, people) * rng.choice([-1, 1], people) * heights
    pace[walkers:] *= 0.4
    x = np.zeros((frames, people))
    for person in range(people):
        enters_s = 0.0 if person < 6 or person >= walkers else rng.uniform(0, 6)
        start = rng.uniform(60, SIZE[0] - 60)
        if enters_s:
            start = -60 if pace[person] > 0 else SIZE[0] + 60
        is_near = person >= walkers
        stops = [] if is_near else middles.tolist()
        x[:, person] = _way(start, pace[person], stops, round(enters_s * FPS), frames, rng)
    drift = 10 * np.sin(np.arange(frames)[:, None] / FPS * rng.uniform(0.3, 0.8, people))
    phase = 2 * np.pi * 0.9 * np.arange(frames)[:, None] / FPS + rng.uniform(0, 6, people)
    points = _place(
        _bodies(people, rng) * heights[:, None, None], x, _feet(heights, rng) + drift, phase
    )
    return Walk(points, heights, pillars)


def _way(
    start: float,
    pace: float,
    stops: list[float],
    enters: int,
    frames: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """(T,): the x of a person who walks on, waits or turns around at each stop."""
    x = np.full(frames, start)
    wait = 0
    for frame in range(max(enters, 1), frames):
        x[frame] = x[frame - 1]
        if wait:
            wait -= 1
            continue
        x[frame] += pace / FPS
        if any(
            min(x[frame - 1 : frame + 1]) <= stop < max(x[frame - 1 : frame + 1]) for stop in stops
        ):
            kind = rng.choice(["on", "wait", "turn"], p=[0.5, 0.2, 0.3])
            wait = round(FPS * rng.uniform(0.2, 0.8)) if kind != "on" else 0
            pace *= -1 if kind == "turn" else 1
    return x


def _bodies(people: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(N, 17, 2) in body heights: bodies of different widths and leg lengths."""
    bodies = np.repeat(_STANDING[None], people, axis=0)
    for body, breadth, legs in zip(
        bodies, rng.normal(1, 0.08, people), rng.normal(1, 0.03, people), strict=True
    ):
        body[:, 0] *= breadth
        body[:, 1] = np.interp(body[:, 1], [-0.95, -0.5, 0], [-0.95, -0.5 * legs, 0])
    return bodies


def _feet(heights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """(N,), the y of the feet: taller people are nearer to the camera, so lower in the image."""
    return 380 + 320 * (heights - 150) / 170 + rng.normal(0, 15, len(heights))


def _place(
    bodies: NDArray[np.float64],
    x: NDArray[np.float64],
    feet: NDArray[np.float64],
    phase: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(T, N, 17, 2): bodies, (N, 17, 2) in pixels, at their positions and with moving limbs."""
    points = np.repeat(bodies[None], len(x), axis=0)
    heights = -bodies[:, 0, 1] / 0.93
    points[..., 0] += np.sin(phase)[..., None] * _SWING * heights[:, None] + x[..., None]
    points[..., 1] += feet[..., None]
    return points


def detections(
    walked: Walk, *, seed: int = 0, miss: float = 0.05, ghosts: float = 0.1
) -> Iterator[tuple[list[Pose], list[int]]]:
    """The poses that a network finds in each frame, in random order, and the index of the person of
    each pose (-1 for a false positive).

    People in front occlude those behind: occluded keypoints have low scores and larger errors, and
    a person who is mostly occluded is not found.

    Args:
        miss: the share of visible people who are not found.
        ghosts: the mean number of false positives in a frame.
    """
    rng = np.random.default_rng(seed + 1)
    for points, is_inside in zip(walked.keypoints, walked.is_inside, strict=True):
        found: list[tuple[Pose, int]] = []
        for person in np.flatnonzero(is_inside).tolist():
            height = walked.heights[person]
            covered = _covered(points, walked.heights, person)
            x = points[person, :, :1]
            covered |= ((x >= walked.pillars[:, 0]) & (x <= walked.pillars[:, 1])).any(axis=1)
            if covered.mean() > 0.7 or rng.random() < miss:
                continue
            spread = 0.008 * height * np.where(covered, 3, 1)[:, None]
            seen = points[person] + rng.normal(0, 1, (17, 2)) * spread
            scores = np.where(covered, rng.uniform(0.1, 0.5, 17), rng.uniform(0.6, 0.95, 17))
            found.append((_pose(seen, scores), person))
        for _ in range(rng.poisson(ghosts)):
            place = rng.uniform((80, 300), (SIZE[0] - 80, SIZE[1]))
            ghost = _STANDING * rng.uniform(100, 300) + place
            found.append((_pose(ghost, rng.uniform(0.05, 0.6, 17)), -1))
        order = rng.permutation(len(found))
        yield [found[place][0] for place in order], [found[place][1] for place in order]


def _covered(
    points: NDArray[np.float64], heights: NDArray[np.float64], person: int
) -> NDArray[np.bool_]:
    """(17,): whether each keypoint of a person is inside the bounding box of a taller one."""
    covered = np.zeros(17, bool)
    for other in np.flatnonzero(heights > heights[person]):
        low = points[other].min(axis=0)
        high = points[other].max(axis=0)
        covered |= ((points[person] >= low) & (points[person] <= high)).all(axis=1)
    return covered


def _pose(points: NDArray[np.float64], scores: NDArray[np.float64]) -> Pose:
    keypoints = np.column_stack([points, scores]).astype(np.float32)
    return Pose(keypoints, "coco-17", float(scores.mean()), bounding_box(keypoints, SIZE))
