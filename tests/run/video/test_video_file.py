"""When the frames of a video are shown, and at which rate it is drawn."""

import pytest

from posezoo.run.video.video_file import choose_even_fps


def at(*steps):
    """The times of frames that are this far apart."""
    times = [0.0]
    for step in steps:
        times.append(times[-1] + step)
    return times


@pytest.mark.parametrize(
    ("times", "fps", "drawn"),
    [
        ([], 25, None),
        ([0.0], 25, None),
        (at(*[0.04] * 30), 25, None),
        (at(*[0.03, 0.037] * 30), 29.9, None),  # a phone's jitter
        (at(*[0.04] * 4, 0.84, *[0.2] * 9), 5.95, 25),
        (at(*[1 / 30] * 20, *[1 / 20] * 20), 24, 30),
        (at(0.1, 0.2, 0.4), 5, 10),  # a slow animation: 5 by WebP and GIF
        (at(0.1, 0.2, 0.4), 4, 10),  # 4 by APNG
        (at(2, 3, 5), 0.3, 1),
        (at(2.5, 5, 2.5), 0.4, 1.2),
        (at(*[600] * 4), 30, 1),  # a time lapse whose stated rate is too low
        (at(*[0.97, 1.03] * 20), 1, None),  # repeats would be further off
        (at(*[0.001] * 20, *[1.0] * 20), 2, 120),  # at most
    ],
)
def test_frames_that_are_not_equally_far_apart_are_repeated(times, fps, drawn):
    assert choose_even_fps(times, fps) == (drawn and pytest.approx(drawn, rel=1e-3))


def test_a_drawn_video_of_hours_does_not_become_endless():
    slow = at(*[0.02] * 50, *[60.0] * 600)
    assert choose_even_fps(slow, 0.02) == pytest.approx(100_000 / slow[-1])
    endless = at(*[0.02] * 50, 1e9)
    assert choose_even_fps(endless, 1) is None
