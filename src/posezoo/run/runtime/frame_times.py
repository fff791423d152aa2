"""Check the times that programs give to the frames of a video."""

from __future__ import annotations

import math
import time
import warnings
from numbers import Real

from posezoo.core.errors import ImageWarning, UsageError

# A frame may come so late that others overtook it; further back, another video begins.
_LATE_S = 1.0

# Frames that follow each other like those of a camera, in seconds of the clock, are not further
# apart in a video; times in milliseconds or nanoseconds are.
_CLOCK_S = (0.005, 1.0)
_LONGEST_STEP_S = 5.0


class RisingTimes:
    """The times of the frames of one video, in seconds.

    Args:
        time_lapse: whether frames may be further apart than they come.
    """

    def __init__(self, *, time_lapse: bool = False) -> None:
        self._time_lapse = time_lapse
        self._last_s: float | None = None
        self._clock_s = 0.0

    def check_ms(self, timestamp_ms: object) -> float:
        """As ``check``, for a time in milliseconds; the result is in seconds."""
        return self.check(_require_number("timestamp_ms", timestamp_ms) / 1000)

    def check(self, time_s: object) -> float:
        """The time of the next frame; that of the frame before if it is up to 1 s earlier, with an
        ImageWarning.

        Raises:
            UsageError: it is no finite number, is more than 1 s earlier, or seems to be in another
                unit.
        """
        seconds = _require_number("time_s", time_s)
        clock_s, last_s = time.monotonic(), self._last_s
        if last_s is not None:
            step_s = seconds - last_s
            if step_s < -_LATE_S:
                raise UsageError(
                    f"time_s: {seconds:g} s comes after {last_s:g} s",
                    hint="times rise; another video needs another tracker or stream",
                )
            passed_s = clock_s - self._clock_s
            is_steady = _CLOCK_S[0] <= passed_s <= _CLOCK_S[1]
            if is_steady and step_s > _LONGEST_STEP_S and not self._time_lapse:
                raise UsageError(
                    f"time_s: {step_s:g} s since the frame before, which came {passed_s:.3f} s ago",
                    hint=(
                        "for milliseconds, give timestamp_ms; nanoseconds / 1e9 are seconds; for"
                        " frames of a time lapse, time_lapse=True"
                    ),
                )
            if step_s <= 0:
                warnings.warn(
                    "time_s: a frame is not later than the one before: it counts as of the same"
                    " time",
                    ImageWarning,
                    stacklevel=1,
                )
                seconds = last_s
        self._last_s, self._clock_s = seconds, clock_s
        return seconds


def _require_number(name: str, value: object) -> float:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):  # type: ignore[arg-type]
        raise UsageError(
            f"{name}: expected a number, got {value!r}",
            hint="time_s takes seconds, such as those of time.monotonic()",
        )
    return float(value)  # type: ignore[arg-type]
