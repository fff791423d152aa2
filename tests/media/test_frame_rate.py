"""FPS and latency of the frames of one mode."""

import time

import pytest

from posezoo.media.frame_rate import FrameRateMeter, StepTimer


def test_frames_and_latency_count_from_the_start_of_the_mode():
    speed = FrameRateMeter()
    speed.start(100.0)
    for number in range(10):  # a frame each 0.2 s, each of which took 0.5 s
        speed.frame_done(start_time=99.7 + 0.2 * (number + 1) - 0.2, now=100.0 + 0.2 * (number + 1))
    assert speed.frames == 10
    assert speed.fps == pytest.approx(5)
    assert speed.latency_ms == pytest.approx(500)


def test_recent_values_are_those_of_the_last_second():
    speed = FrameRateMeter()
    speed.start(0.0)
    for number in range(50):
        speed.frame_done(number * 1.0, number * 1.0 + 1.0)
    for number in range(50):
        speed.frame_done(51 + number * 0.1 - 0.05, 51 + number * 0.1)
    fps, latency = speed.recent() or (0, 0)
    assert fps == pytest.approx(10)
    assert latency == pytest.approx(50)


def test_without_frames_there_is_no_speed():
    assert (FrameRateMeter().fps, FrameRateMeter().latency_ms, FrameRateMeter().recent()) == (
        0,
        0,
        None,
    )


def test_times_of_a_step_add_up():
    steps = StepTimer()
    for _ in range(2):
        with steps.time_step("read"):
            time.sleep(0.01)
    steps.add("draw", 0.004)
    mean_ms = steps.mean_ms(2)
    assert list(mean_ms) == ["read", "draw"]
    assert mean_ms["read"] >= 10
    assert mean_ms["draw"] == pytest.approx(2)
