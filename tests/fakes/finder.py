"""A model that keeps so many frames in flight, takes its time for each, and finds the given people."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from posezoo.poses.keypoints import Pose


class Finder:
    """Like an estimator: ``stream`` asks for the next item when there is room for it, and keeps the order."""

    def __init__(
        self, requests: int = 1, seconds: float = 0.0, poses: list[Pose] | None = None
    ) -> None:
        self.requests, self.seconds, self.poses = requests, seconds, poses or []
        self.taken: list[int] = []  # the frames that it was given
        self.is_video = False
        self.in_flight = self.most_in_flight = 0

    def stream(
        self,
        items: Iterable[Any],
        image: Callable[[Any], Any],
        *,
        is_video: bool,
        detect_every: int,
    ) -> Iterator[tuple[Any, list[Pose]]]:
        self.is_video = is_video
        on_wait: deque[tuple[Any, float]] = deque()
        for item in items:
            assert image(item).ndim == 3
            self.taken.append(item.index)
            on_wait.append((item, time.perf_counter() + self.seconds))
            self.most_in_flight = max(self.most_in_flight, len(on_wait))
            if len(on_wait) == self.requests:
                yield self._done(on_wait)
        while on_wait:
            yield self._done(on_wait)

    def _done(self, on_wait: deque[tuple[Any, float]]) -> tuple[Any, list[Pose]]:
        item, ready = on_wait.popleft()
        time.sleep(max(0.0, ready - time.perf_counter()))
        return item, self.poses
