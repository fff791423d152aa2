"""What a video file says of its frames, when they are shown, and at which rate it is drawn."""

import sys
from dataclasses import replace

import pytest

from fakes.server import Server
from fakes.videos import set_matrix, trim, write_interlaced, write_video
from posezoo.media.media_boxes import Film, Turn
from posezoo.media.video_file import choose_even_fps, describe_film


@pytest.fixture
def av():
    return pytest.importorskip("av", reason="needs PyAV: the extra video")


def test_pyav_says_the_same_of_an_mp4_as_its_boxes_and_more(av, tmp_path, monkeypatch):
    path = trim(write_video(tmp_path / "cut.mp4", frames=30, codec="mp4v"), 0.4)
    set_matrix(path, a=0, b=-1, c=-1, d=0)
    film = describe_film(path)
    assert film.shown_s == pytest.approx(12 / 25)
    assert film.turn == Turn(exchanges_axes=True, mirrors_x=True, mirrors_y=True)
    assert film.has_times and film.is_interlaced is False
    monkeypatch.setitem(sys.modules, "av", None)
    assert describe_film(path) == replace(film, has_times=None, is_interlaced=None)


@pytest.mark.parametrize(
    ("name", "codec", "size"),
    [
        ("camcorder.mts", "libx264", (320, 240)),
        ("hdv.mp4", "mpeg2video", (320, 240)),
        ("camera.mov", "dvvideo", (720, 576)),
    ],
)
def test_pyav_notices_an_interlaced_film_on_each_system(av, tmp_path, name, codec, size):
    assert describe_film(write_interlaced(tmp_path / name, codec, size)).is_interlaced


def test_nothing_is_known_of_a_film_that_is_not_read(av, tmp_path):
    (tmp_path / "film.mp4").write_bytes(bytes(999))
    assert describe_film(tmp_path / "film.mp4") == Film()


def test_a_playlist_with_the_name_of_a_film_opens_no_address(av, tmp_path):
    with Server() as server:
        address = server.serve("part.ts", write_video(tmp_path / "v.avi", 3).read_bytes())
        lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", address, "#EXT-X-ENDLIST")
        (tmp_path / "film.mp4").write_text("\n".join(lines), "utf-8")
        assert describe_film(tmp_path / "film.mp4") == Film()
        assert not server.requests


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
        (at(*[0.04] * 30), 25, None),
        (at(*[0.03, 0.037] * 30), 29.9, None),  # a phone's jitter
        (at(*[0.04] * 4, 0.84, *[0.2] * 9), 5.95, 25),
        (at(*[1 / 30] * 20, *[1 / 20] * 20), 24, 30),
        (at(0.1, 0.2, 0.4), 4, 10),  # 4 by APNG
        (at(2, 3, 5), 0.3, 1),
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
