"""The times that programs give to frames: seconds that rise."""

import datetime
import warnings

import numpy as np
import pytest

from posezoo.core.errors import UsageError
from posezoo.run.runtime import frame_times
from posezoo.run.runtime.frame_times import RisingTimes

STEP_S = 0.033  # of a camera with 30 frames a second


@pytest.fixture
def clock(monkeypatch):
    """Steps by as much as the first item at each look."""
    steps = [STEP_S]
    now = [0.0]

    def look():
        now[0] += steps[0]
        return now[0]

    monkeypatch.setattr(frame_times.time, "monotonic", look)
    return steps


@pytest.fixture(autouse=True)
def errors_for_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("number", [float, int, np.float32, np.int64])
@pytest.mark.usefixtures("clock")
def test_seconds_of_any_kind_of_number_rise(number):
    times = RisingTimes()
    assert [times.check(number(each)) for each in (1, 2, 4)] == [1, 2, 4]


@pytest.mark.parametrize(
    ("unit", "start"), [(1e3, 0), (1e6, 0), (1e9, 0), (1e9, 1.7e18), (1e3, 1.7e12)]
)
@pytest.mark.parametrize("passed_s", [0.006, 0.033, 0.9])
def test_milliseconds_and_nanoseconds_are_found(clock, unit, start, passed_s):
    clock[0] = passed_s
    times = RisingTimes()
    times.check(start)
    with pytest.raises(UsageError) as caught:
        times.check(start + max(passed_s, STEP_S) * unit)
    assert "timestamp_ms" in caught.value.hint
    assert "time_lapse" in caught.value.hint


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "0.5", None, True, datetime.datetime(2026, 1, 1), [1], b"1"],
)
def test_what_is_no_number_is_one_error_and_the_next_frame_is_taken(value):
    times = RisingTimes()
    times.check(0.0)
    with pytest.raises(UsageError, match="time_s: expected a number, got"):
        times.check(value)
    assert times.check(0.1) == 0.1


def test_times_that_start_again_need_another_tracker():
    times = RisingTimes()
    times.check(10.0)
    with pytest.raises(UsageError, match="0 s comes after 10 s") as caught:
        times.check(0)
    assert "another tracker" in caught.value.hint
