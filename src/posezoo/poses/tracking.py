"""Track people through the frames of a video: each person keeps a number.

A Kalman filter with the velocity of the body predicts the keypoints of each person. The poses of a
frame are assigned to the predicted poses by COCO's object keypoint similarity, whose tolerance is
that of the annotators (sigmas) plus the uncertainty of the filter.

A person who was hidden, and may have waited or turned around, is recognized by size and path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from posezoo.core.arrays import Doubles
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.poses.assignment import solve_assignment
from posezoo.poses.keypoints import USUAL_SIGMA, Pose, bounds_of, usual_sigmas

# Poses with a lower similarity are not of the same person. The values here were chosen on synthetic
# walks (tests/fakes/walks.py).
_MIN_SIMILARITY = 0.13

# How long a person may be hidden and keep their number.
_MAX_GAP_S = 3.0

# Poses are first assigned to people who were seen within this time; the others count as hidden.
_RECENT_S = 0.24

# Standard deviations for people who come back: of the logarithm of their size; and of x and y from
# their expected path in body sizes, at the start and for each second. That of y is smaller, because
# feet stay on the ground.
_GROWTH = 0.09
_ASIDE = np.array([0.2, 0.05])
_ASIDE_IN_A_SECOND = np.array([0.2, 0.12])

# The largest distance of a person who comes back: half of the square of standard deviations.
_MAX_DISTANCE = 4.5

# The area of a person as a share of the square of their size: COCO's people cover 0.53 of a box,
# whose width is about 0.4 of its height.
_AREA = 0.2

# Standard deviations in body sizes: of a new person's velocity per second (people run at 3 sizes a
# second), of the change of the velocity per second, of a measured position, and of the pose after a
# second.
_NEW_VELOCITY = 1.0
_ACCELERATION = 1.0
_POSITION = 0.017
_SHAPE = 0.2


# Smoothing is the One-Euro filter (G. Casiez, N. Roussel and D. Vogel, "1 Euro Filter", CHI 2012):
# a low-pass filter whose cutoff frequency rises with the speed, so a still person does not jitter,
# and a moving one does not lag. As in MediaPipe, speeds are in body sizes a second: the result
# depends neither on the frame rate nor on the person's distance.

# In Hz: the cutoff of a point at rest, what it gains for each body size a second, and that of the
# speed itself. Chosen on synthetic walks (tests/fakes/walks.py).
_MIN_CUTOFF = 0.3
_BETA = 25.0
_SPEED_CUTOFF = 1.0


@dataclass(slots=True)
class PoseFilter:
    """The state of the filter for one person.

    Attributes:
        time_s: of the last frame with the person.
        points: (K + 2, 2): the smoothed keypoints and corners of the box, NaN where they were not
            found in that frame; None before the first frame.
        speeds: (K + 2, 2), in body sizes a second.
    """

    time_s: float = 0.0
    points: Doubles | None = None
    speeds: Doubles = field(default_factory=lambda: np.zeros(0))


def smooth_poses(filters: Sequence[PoseFilter], poses: Sequence[Pose], time_s: float) -> list[Pose]:
    """The smoothed poses of one frame, whose time is ``time_s``; keypoints that are missing stay
    so.

    Args:
        filters: of the people, in the order of their poses; they are changed.
        poses: of the same skeleton.
    """
    if not poses:
        return []
    keypoints = np.array([pose.keypoints for pose in poses])
    corners = np.array([pose.box for pose in poses]).reshape(-1, 2, 2)
    points = np.concatenate([keypoints[:, :, :2], corners], axis=1)
    is_found = np.isfinite(points[:, :, 0])
    is_found[:, :-2] &= keypoints[:, :, 2] > 0
    for person, first in zip(filters, points, strict=True):
        if person.points is None:
            person.points = np.full_like(first, np.nan)
            person.speeds = np.zeros_like(first)
    before = np.array([person.points for person in filters])
    speeds = np.array([person.speeds for person in filters])
    times_s = np.array([person.time_s for person in filters])
    spans = points[:, -1] - points[:, -2]
    sizes = np.maximum(spans.max(axis=1), 1.0)
    steps_s = np.maximum(time_s - times_s, 1e-3)
    change = points - before
    moved = change / (steps_s * sizes)[:, None, None]
    weights = low_pass_weight(_SPEED_CUTOFF, steps_s)
    speeds += weights[:, None, None] * (moved - speeds)
    total_speeds = np.sqrt((speeds * speeds).sum(axis=2))
    cutoffs = _MIN_CUTOFF + _BETA * total_speeds
    weights = low_pass_weight(cutoffs, steps_s[:, None])
    smoothed = before + weights[:, :, None] * change
    # The filter of a point that was missing starts again.
    is_new = ~is_found | np.isnan(before[:, :, 0])
    smoothed[is_new] = points[is_new]
    speeds[is_new] = 0
    for place, person in enumerate(filters):
        person.time_s = time_s
        person.points = np.where(is_found[place, :, None], smoothed[place], np.nan)
        person.speeds = speeds[place]
    keypoints[:, :, :2] = smoothed[:, :-2]
    boxes = smoothed[:, -2:].reshape(-1, 4).tolist()
    people = zip(poses, keypoints, boxes, strict=True)
    return [
        replace(pose, keypoints=rows, box=(x0, y0, x1, y1))
        for pose, rows, (x0, y0, x1, y1) in people
    ]


def low_pass_weight(cutoff: Any, step_s: Any) -> Any:
    """The weight of a new value in a low-pass filter of this cutoff frequency, in Hz."""
    turn = 2 * np.pi * step_s * cutoff
    return turn / (turn + 1)


@dataclass(slots=True)
class _Motion:
    """A Kalman filter of constant velocity; the variances are in body sizes and seconds."""

    velocity: Doubles = field(default_factory=lambda: np.zeros(2))  # in pixels a second
    position_variance: float = _POSITION**2
    velocity_variance: float = _NEW_VELOCITY**2
    covariance: float = 0.0

    def predict(self, step_s: float) -> None:
        noise = _ACCELERATION**2 * step_s
        self.position_variance += step_s * (2 * self.covariance + step_s * self.velocity_variance)
        self.position_variance += noise * step_s**2 / 3
        self.covariance += step_s * self.velocity_variance + noise * step_s / 2
        self.velocity_variance += noise

    def correct(self, error: Doubles) -> None:
        """``error``, (2,) in pixels, is from the predicted position to the measured one."""
        measured = self.position_variance + _POSITION**2
        gain = self.covariance / measured
        self.velocity = self.velocity + gain * error
        self.velocity_variance -= gain * self.covariance
        self.covariance *= _POSITION**2 / measured
        self.position_variance *= _POSITION**2 / measured


@dataclass(slots=True)
class _Track:
    """One person, as expected in the current frame.

    Attributes:
        points: (K, 3): x, y in pixels, and scores.
        size: of the body, in pixels.
        seen_s: the time of the frame in which the person was last seen.
    """

    points: Doubles
    size: float
    seen_s: float
    motion: _Motion = field(default_factory=_Motion)
    filter: PoseFilter = field(default_factory=PoseFilter)
    track_id: int | None = None

    def predict(self, step_s: float) -> None:
        self.motion.predict(step_s)
        self.points[:, :2] += self.motion.velocity * step_s


def _correct(
    tracks: Sequence[_Track], seen: Doubles, sizes: Sequence[float], time_s: float
) -> None:
    """Move people to where they were seen: (N, K, 3), all at once."""
    expected = np.array([track.points for track in tracks])
    weights = (seen[:, :, 2] * expected[:, :, 2]) ** 2 + 1e-9
    away = (seen - expected)[:, :, :2]
    errors = (weights[:, :, None] * away).sum(axis=1) / weights.sum(axis=1)[:, None]
    # Keypoints with low scores are guesses: where the body was expected is as good.
    expected[:, :, :2] += errors[:, None]
    trust = seen[:, :, 2:] / (seen[:, :, 2:] + expected[:, :, 2:] / 2 + 1e-9)
    expected += trust * (seen - expected)
    for track, points, error, size in zip(tracks, expected, errors, sizes, strict=True):
        track.motion.correct(error)
        track.points = points
        track.size += 0.2 * (size - track.size)
        track.seen_s = time_s


class PoseTracker:
    """Numbers the people in the frames of one video, from 1; with ``smooth``, also smooths their
    poses.

    In the first frame, all people get numbers; later a person gets one when they are seen for the
    second time, because few false detections appear twice at the same place. A second pose of a
    numbered person gets none. A person who comes back within 3 seconds gets the same number.
    """

    def __init__(self, *, smooth: bool = False) -> None:
        self._smooth = smooth
        self._tracks: list[_Track] = []
        self._time_s = 0.0
        self._count = 0
        self._is_first = True

    def begin_scene(self) -> None:
        """Forget all people, as after a cut of the video."""
        self._tracks = []
        self._is_first = True

    def update(self, poses: Sequence[Pose], time_s: float) -> list[Pose]:
        """The poses of the next frame, all of the same skeleton, in the same order, with
        ``track_id``.
        """
        expected = [track for track in self._tracks if self._is_expected(track, time_s)]
        # Those of the last frame, however long ago it was, and of a short time before.
        recent = [
            track
            for track in expected
            if track.seen_s == self._time_s or time_s - track.seen_s <= _RECENT_S
        ]
        step_s = max(time_s - self._time_s, 0.0)
        self._time_s = time_s
        for track in expected:
            track.predict(step_s)
        tracks = self._find_tracks(poses, expected, recent) if poses else []
        seen_ids = {track.track_id for track in tracks}
        self._tracks = [track for track in expected if track.track_id not in seen_ids] + tracks
        self._is_first = False
        if self._smooth:
            poses = smooth_poses([track.filter for track in tracks], poses, time_s)
        return [
            replace(pose, track_id=track.track_id)
            for pose, track in zip(poses, tracks, strict=True)
        ]

    def _find_tracks(
        self, poses: Sequence[Pose], expected: list[_Track], recent: list[_Track]
    ) -> list[_Track]:
        seen = _points(poses)
        sizes = [_size(pose) for pose in poses]
        matches = self._match(seen, poses[0].layout, recent)
        matched = list(matches)
        if matched:
            matched_sizes = [sizes[place] for place in matched]
            _correct(list(matches.values()), seen[matched], matched_sizes, self._time_s)
        missed = [track for track in expected if track.track_id and track.seen_s < self._time_s]
        seen_twice = self._find_seen_twice(list(matches.values()), poses[0].layout)
        if seen_twice and missed:
            # People who come back get the numbers that they had before.
            columns = _assign(self._distances(seen_twice, missed), _MAX_DISTANCE)
            for track, column in zip(seen_twice, columns, strict=True):
                if column is not None:
                    track.track_id = missed[column].track_id
                    track.filter = missed[column].filter
        for track in seen_twice:
            self._number(track)
        tracks = []
        for place, points in enumerate(seen):
            track = matches.get(place) or _Track(points, sizes[place], self._time_s)
            if self._is_first:
                self._number(track)
            tracks.append(track)
        return tracks

    def _find_seen_twice(self, tracks: list[_Track], skeleton: Skeleton) -> list[_Track]:
        """The tracks that get a number now: those without one, except duplicates of a person who
        has one, because networks that find all people at once find some of them twice.
        """
        new = [track for track in tracks if track.track_id is None]
        numbered = [track for track in tracks if track.track_id]
        if not (new and numbered):
            return new
        seen = np.stack([track.points for track in new])
        similarity = self._similarity(seen, numbered, _variances(skeleton)).max(axis=1)
        return [
            track for track, like in zip(new, similarity, strict=True) if like < _MIN_SIMILARITY
        ]

    def _distances(self, tracks: list[_Track], missed: list[_Track]) -> Doubles:
        """(N, M): the distance of each track from the expected path of each missed person, and of
        their sizes, as half of the square of standard deviations.
        """
        seen, expected = (np.stack([track.points for track in each]) for each in (tracks, missed))
        away, growth = _changes(seen, expected)
        gaps_s = self._time_s - np.array([[track.seen_s] for track in missed])
        # A hidden person may wait or turn around: all places on the path are equally likely.
        way = np.stack([track.motion.velocity for track in missed]) * gaps_s
        share = ((away + way) * way).sum(axis=2) / ((way * way).sum(axis=1) + 1e-9)
        aside = away + way - share.clip(0, 1)[:, :, None] * way
        sizes = np.array([[track.size] for track in missed])
        tolerated = sizes * (_ASIDE + gaps_s * _ASIDE_IN_A_SECOND)
        distances: Doubles = ((aside / tolerated) ** 2).sum(axis=2) / 2 + growth
        return distances

    def _number(self, track: _Track) -> None:
        if track.track_id is None:
            self._count += 1
            track.track_id = self._count

    def _is_expected(self, track: _Track, time_s: float) -> bool:
        """Whether a person may be in this frame. One without a number must have been in the last
        frame. If the time goes back, as when a stream starts again, no person is expected.
        """
        if time_s < track.seen_s:
            return False
        if track.track_id is None:
            return track.seen_s == self._time_s
        return time_s - track.seen_s <= _MAX_GAP_S

    def _match(self, seen: Doubles, skeleton: Skeleton, recent: list[_Track]) -> dict[int, _Track]:
        """The known person of each pose, (N, K, 3), by the index of the pose."""
        if not recent:
            return {}
        columns = _assign(-self._similarity(seen, recent, _variances(skeleton)), -_MIN_SIMILARITY)
        return {place: recent[column] for place, column in enumerate(columns) if column is not None}

    def _similarity(self, seen: Doubles, tracks: list[_Track], variances: Doubles) -> Doubles:
        """(N, T), 0..1: the similarity of each pose, (N, K, 3), to each expected pose."""
        expected = np.stack([track.points for track in tracks])
        sizes = np.array([track.size for track in tracks])
        moved = np.array([track.motion.position_variance for track in tracks])
        gaps_s = self._time_s - np.array([track.seen_s for track in tracks])
        tolerance = moved + _SHAPE**2 * np.minimum(gaps_s, 1)
        widened = variances + tolerance[:, None]  # (T, K)
        difference = seen[:, None, :, :2] - expected[:, :, :2]
        squared = (difference * difference).sum(axis=3)
        likeness = np.exp(squared / (-2 * widened * sizes[:, None] ** 2))
        # A large tolerance lowers the similarity, so people who were seen recently come first.
        likeness *= (variances / widened) ** 0.25
        weights = (seen[:, None, :, 2] * expected[:, :, 2]) ** 2 + 1e-9
        similarity: Doubles = (weights * likeness).sum(axis=2) / weights.sum(axis=2)
        return similarity * np.exp(-_changes(seen, expected)[1])


def _assign(costs: Doubles, limit: float) -> list[int | None]:
    """The column for each row of (N, M) costs; None if its cost would be above the limit."""
    rows, columns = costs.shape
    # An additional column for each row stands for no assignment.
    chosen = solve_assignment(np.hstack([costs, np.full((rows, rows), limit)]))
    return [
        column if column < columns and costs[row, column] <= limit else None
        for row, column in enumerate(chosen)
    ]


def _changes(seen: Doubles, expected: Doubles) -> tuple[Doubles, Doubles]:
    """The differences of seen poses, (N, K, 3), from expected poses, (T, K, 3).

    Returns:
        The differences of the positions, (N, T, 2), in pixels; and those of the sizes, (N, T), as
        half of the square of standard deviations.
    """
    weights = (seen[:, None, :, 2] * expected[:, :, 2]) ** 2 + 1e-9
    weights = (weights / weights.sum(axis=2, keepdims=True))[..., None]
    middles, variances = [], []
    for xy in (seen[:, None, :, :2], expected[None, :, :, :2]):
        middle = (weights * xy).sum(axis=2)
        away = xy - middle[:, :, None]
        middles.append(middle)
        variances.append((weights * away * away).sum(axis=(2, 3)) + 1)
    growth = np.log(variances[0] / variances[1]) / 2
    return middles[0] - middles[1], (growth / _GROWTH) ** 2 / 2


def _points(poses: Sequence[Pose]) -> Doubles:
    """(N, K, 3): the keypoints of poses, zeros where they are not finite; of boxes, the corners."""
    if len(poses[0].keypoints):
        points = np.array([pose.keypoints for pose in poses], np.float64)
        points[~np.isfinite(points).all(axis=2)] = 0
        return points
    points = np.ones((len(poses), 2, 3))
    points[:, :, :2] = np.reshape([pose.box for pose in poses], (-1, 2, 2))
    return points


def _size(pose: Pose) -> float:
    x0, y0, x1, y1 = bounds_of(pose.keypoints, 0.0) if len(pose.keypoints) else pose.box
    return max(x1 - x0, y1 - y0, 1.0)


@cache
def _variances(skeleton: Skeleton) -> Doubles:
    """(K,) in squares of a body size: COCO's (2 sigma)^2 times the area of a person."""
    sigmas = usual_sigmas(skeleton) or [USUAL_SIGMA] * 2  # the two corners of a box
    return _AREA * (2 * np.array(sigmas)) ** 2
