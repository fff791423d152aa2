"""Frame rate and latency of each mode, and the time of each step."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# The values drawn into a frame are means over this time: short enough to be current, long enough to
# be read.
_RECENT_S = 1.0


@dataclass(slots=True)
class FrameRateMeter:
    """Frames per second, and latency: from before a frame is read to after it is shown or written.

    Attributes:
        latency_s: the sum of all frames.
        running_s: from the mode's start to its last frame.
    """

    frames: int = 0
    latency_s: float = 0.0
    running_s: float = 0.0
    _since: float = 0.0
    _recent: deque[tuple[float, float]] = field(default_factory=deque)

    def start(self, now: float) -> None:
        """Start to count: the mode is switched on."""
        self._since = now
        self._recent.clear()

    def frame_done(self, start_time: float, now: float) -> None:
        """Count a frame; both times are in seconds of the same clock."""
        self.frames += 1
        self.latency_s += now - start_time
        self.running_s += now - self._since
        self._since = now
        self._recent.append((now, now - start_time))
        while self._recent[0][0] < now - _RECENT_S and len(self._recent) > 2:
            self._recent.popleft()

    @property
    def fps(self) -> float:
        """Frames per second over the whole time; 0 without frames."""
        return self.frames / self.running_s if self.running_s else 0.0

    @property
    def latency_ms(self) -> float:
        """The mean latency; 0 without frames."""
        return 1e3 * self.latency_s / self.frames if self.frames else 0.0

    def recent(self) -> tuple[float, float] | None:
        """Frames per second and latency in ms over about the last second; None before two
        frames.
        """
        if len(self._recent) < 2:
            return None
        span = self._recent[-1][0] - self._recent[0][0]
        latency = sum(latency for _, latency in self._recent) / len(self._recent)
        return (len(self._recent) - 1) / span if span else 0.0, 1e3 * latency


@dataclass(slots=True)
class StepTimer:
    """The total time of each step, in seconds and in order of first use.

    Steps of several frames run at the same time, so times may add up to more than the run.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        """Add a time to a step."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @contextmanager
    def time_step(self, name: str) -> Iterator[None]:
        """Add the time of a block to a step."""
        start_time = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start_time)

    def mean_ms(self, frames: int) -> dict[str, float]:
        """The mean time of each step per frame, in ms."""
        return {name: 1e3 * seconds / max(1, frames) for name, seconds in self.seconds.items()}
