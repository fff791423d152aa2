"""Generated walks of people who cross each other, as a pose network would see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posezoo.pose.keypoints import Pose, bounding_box

SIZE = (1280, 720)
FPS = 30.0

#: x and y of COCO's keypoints of a standing person, in body heights from the middle between the
#: feet.
_STANDING = np.array(
    [
        *[(0.0, -0.93), (0.02, -0.95), (-0.02, -0.95), (0.04, -0.94), (-0.04, -0.94)],
        *[(0.11, -0.82), (-0.11, -0.82), (0.14, -0.64), (-0.14, -0.64), (0.15, -0.47)],
        *[(-0.15, -0.47), (0.08, -0.52), (-0.08, -0.52), (0.08, -0.28), (-0.08, -0.28)],
        *[(0.08, -0.03), (-0.08, -0.03)],
    ]
)
#: How far each keypoint swings to the front and back in a step, in body heights; left and right
#: swing in turn.
_SWING = np.array([0, 0, 0, 0, 0, 0, 0, -0.03, 0.03, -0.09, 0.09, 0, 0, 0.06, -0.06, 0.15, -0.15])

#: A person walks at 1.4 m/s and is 1.7 m tall: so many body heights a second.
WALKING = 1.4 / 1.7


@dataclass(frozen=True, slots=True)
class Walk:
    """The keypoints of some people in each frame of a video.

    Attributes:
        keypoints: (T, N, 17, 2) in pixels.
        heights: (N,) of the people, in pixels.
    """

    keypoints: NDArray[np.float64]
    heights: NDArray[np.float64]


def walk(people: int = 10, frames: int = 300, *, seed: int = 0, speed: float = WALKING) -> Walk:
    """People who walk to and fro on lines of their own; at a speed of 0 they stand still."""
    rng = np.random.default_rng(seed)
    heights = rng.uniform(150, 320, people)
    # Those who are nearer are larger, and their feet are lower in the image.
    feet = 380 + 320 * (heights - 150) / 170 + rng.normal(0, 15, people)
    times = np.arange(frames) / FPS
    pace = speed * rng.uniform(0.6, 1.2, people) * rng.choice([-1, 1], people)
    reach = SIZE[0] - 160
    way = np.pi * (rng.uniform(-1, 1, people) + times[:, None] * pace * heights / reach)
    # To one side, and back: a triangle wave, with corners that are turns of half a second.
    x = SIZE[0] / 2 + reach / np.pi * np.arcsin(0.97 * np.sin(way))
    drift = 25 * np.sin(times[:, None] * rng.uniform(0.3, 0.8, people)) * (speed > 0)
    phase = 2 * np.pi * 0.9 * times[:, None] * (speed > 0) + rng.uniform(0, 6, people)
    swing = np.sin(phase)[..., None] * _SWING
    points = np.broadcast_to(_STANDING, (frames, people, 17, 2)).copy()
    points[..., 0] += swing
    points *= heights[:, None, None]
    points[..., 0] += x[..., None]
    points[..., 1] += (feet + drift)[..., None]
    return Walk(points, heights)


def detections(
    walked: Walk, *, seed: int = 0, noise: float = 0.008, miss: float = 0.05, ghosts: float = 0.1
) -> Iterator[tuple[list[Pose], list[int]]]:
    """The poses of each frame, and the person whom each shows (-1 for nobody), in no order.

    People in front cover those behind: covered keypoints have low scores and are less exact, and a
    person who is mostly covered is not found.

    Args:
        noise: the standard deviation of keypoints, in body heights.
        miss: the share of people who are not found although they can be seen.
        ghosts: the number of poses of nobody in a frame.
    """
    rng = np.random.default_rng(seed + 1)
    for points in walked.keypoints:
        found: list[tuple[Pose, int]] = []
        for person, height in enumerate(walked.heights):
            covered = _covered(points, walked.heights, person)
            if covered.mean() > 0.7 or rng.random() < miss:
                continue
            spread = noise * height * np.where(covered, 3, 1)[:, None]
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
    """(17,) which keypoints of a person are behind a larger one."""
    covered = np.zeros(17, bool)
    for other in np.flatnonzero(heights > heights[person]):
        low = points[other].min(axis=0)
        high = points[other].max(axis=0)
        covered |= ((points[person] >= low) & (points[person] <= high)).all(axis=1)
    return covered


def _pose(points: NDArray[np.float64], scores: NDArray[np.float64]) -> Pose:
    keypoints = np.column_stack([points, scores]).astype(np.float32)
    return Pose(keypoints, "coco-17", float(scores.mean()), bounding_box(keypoints, SIZE))
