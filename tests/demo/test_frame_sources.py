"""Frames come from pictures, folders, globs, videos, cameras and streams; each ends by itself."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from fakes.server import Server
from fakes.videos import MJPEG, SIZE, frame, mjpeg, number_of, write_video
from fakes.waiting import HANG_S
from posezoo.demo.frame_sources import FrameSource, open_source
from posezoo.errors import ImageError, PosezooError


@pytest.fixture
def told() -> list[PosezooError]:
    return []


def numbers(source: FrameSource) -> list[int]:
    return [number_of(each.image) for each in source.frames()]


def pictures(folder: Path, *names: str) -> Path:
    """Pictures numbered in the order of their names."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), frame(number))
    return folder


def test_a_picture_is_one_frame(tmp_path, told):
    source = open_source(str(pictures(tmp_path, "a.png") / "a.png"), report_error=told.append)
    (only,) = source.frames()
    assert (only.index, only.name) == (0, str(tmp_path / "a.png"))
    assert only.image.shape == (*SIZE[::-1], 3)
    assert source.size == SIZE
    assert not told


def test_a_folder_gives_its_pictures_by_name_and_nothing_else(tmp_path, told):
    pictures(tmp_path, "a.png", "b.JPG", "c.webp")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "d.png").mkdir()
    source = open_source(str(tmp_path), report_error=told.append)
    assert [Path(each.name).name for each in source.frames()] == ["a.png", "b.JPG", "c.webp"]
    assert not told


def test_a_glob_gives_what_it_matches(tmp_path, told):
    pictures(tmp_path / "one", "a.png", "b.png")
    pictures(tmp_path / "two", "a1.png")
    source = open_source(str(tmp_path / "**" / "a*.png"), report_error=told.append)
    assert [Path(path).name for path in source.pictures] == ["a.png", "a1.png"]


def test_a_number_is_a_camera_unless_a_file_is_called_so(tmp_path, told, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match=r"^camera 97: cannot be opened$"):
        open_source("97", report_error=told.append)
    write_video(tmp_path / "v.avi").rename(tmp_path / "97")
    assert len(numbers(open_source("97", report_error=told.append))) == 20


@pytest.mark.parametrize(
    ("name", "codec"), [("v.avi", "MJPG"), ("v.mkv", "mp4v"), ("v.mp4", "mp4v"), ("v.mov", "mp4v")]
)
def test_a_video_gives_every_frame_in_order_with_its_rate(tmp_path, told, name, codec):
    source = open_source(str(write_video(tmp_path / name, 20, codec, fps=12.5)), report_error=told.append)
    assert numbers(source) == list(range(20))
    assert (source.fps, source.size) == (12.5, SIZE)
    assert not told


def test_grey_frames_as_infrared_cameras_give_them_have_three_channels_to_draw_into(tmp_path, told):
    path, codec = tmp_path / "v.avi", cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, codec, 25, SIZE, False)
    writer.write(np.full(SIZE[::-1], 90, np.uint8))
    writer.release()
    source = open_source(str(path), report_error=told.append)
    source._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)  # type: ignore[attr-defined]
    image = next(source.frames()).image
    assert image.shape == (*SIZE[::-1], 3) and image.flags.writeable


def test_a_network_camera_gives_frames_until_it_is_left(told):
    with Server() as server:
        address = server.serve("camera", mjpeg(8), headers=MJPEG, without_length=True, endless=True)
        source = open_source(address, report_error=told.append)
        frames = source.frames()
        seen = [number_of(each.image) for each in itertools.islice(frames, 20)]
        frames.close()
    assert seen == [0, 1, 2, 3, 4, 5, 6, 7] * 2 + [0, 1, 2, 3]
    assert not told


def test_a_network_camera_that_is_cut_off_ends_with_a_word(told):
    body = mjpeg(9)
    with Server() as server:
        address = server.serve("camera", body, headers=MJPEG, without_length=True, cut_at=len(body) // 2)
        source = open_source(address, report_error=told.append)
        assert 3 <= len(numbers(source)) <= 5
    assert re.fullmatch(r"http://localhost:\d+/camera: went away after \d frames", told[0].problem)
    assert len(told) == 1


@pytest.mark.slow
def test_a_network_camera_that_falls_silent_has_gone_away_after_ten_seconds(told):
    body = mjpeg(9)
    with Server() as server:
        address = server.serve("camera", body, headers=MJPEG, without_length=True, hang_at=len(body) // 2)
        start_time = time.monotonic()
        assert 3 <= len(numbers(open_source(address, report_error=told.append))) <= 5
    assert 9 < time.monotonic() - start_time < HANG_S
    assert "went away after" in told[0].problem


def test_a_network_cameras_password_is_not_told(told):
    with pytest.raises(ImageError) as caught:
        open_source("http://ann:s3cret@localhost:9/camera", report_error=told.append)
    assert caught.value.problem == "http://localhost:9/camera: nothing there that plays"


def test_a_frames_time_begins_before_it_is_read(told):
    """The camera takes its time for each frame: what is stamped afterwards would miss that."""
    with Server() as server:
        address = server.serve("camera", mjpeg(12), headers=MJPEG, without_length=True, body_drip_s=0.00005)
        frames = open_source(address, report_error=told.append).frames()
        waited = counted = 0.0
        requested = time.perf_counter()
        for each in frames:
            got = time.perf_counter()
            assert requested <= each.begun <= got
            waited, counted = waited + got - requested, counted + got - each.begun
            requested = time.perf_counter()
    assert waited > 0.1
    assert counted > waited / 2


@pytest.mark.parametrize("name", ["v.avi", "v.mkv"])
def test_a_video_that_is_cut_short_ends_with_a_word(tmp_path, told, name):
    path = write_video(tmp_path / name, 30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read = len(numbers(open_source(str(path), rounds=None, report_error=told.append)))
    assert 0 < read < 25
    assert [error.problem for error in told] == [
        f"{path}: is cut short or damaged: it ended after {read} frames of about 30"
    ]


@pytest.mark.parametrize("content", [b"", b"no video at all", bytes(1000)])
def test_a_file_that_is_no_video_is_refused(tmp_path, told, content):
    (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(ImageError, match="is no picture and no video that FFmpeg can play") as caught:
        open_source(str(tmp_path / "v.mp4"), report_error=told.append)
    assert "copy or download it again" in caught.value.hint


def test_what_cannot_be_read_is_told_once_and_left_out(tmp_path, told):
    pictures(tmp_path, "a.png", "c.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\ncut")
    source = open_source(str(tmp_path), rounds=3, report_error=told.append)
    assert [each.index for each in source.frames()] == list(range(6))
    assert [error.problem for error in told] == [f"{tmp_path / 'b.png'}: the picture is cut short"]


def test_where_nothing_can_be_read_the_first_reason_is_told(tmp_path, told):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ImageError, match="the file is empty"):
        open_source(str(tmp_path / "a.png"), report_error=told.append)
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"none of 2 files can be read as a picture; the first: .*a\.png"):
        open_source(str(tmp_path), report_error=told.append)


@pytest.mark.parametrize(
    ("name", "problem"),
    [("missing.png", "no such file or folder"), ("*.png", "matches no file"), ("", "no pictures there")],
)
def test_what_is_not_there_is_refused(tmp_path, told, name, problem):
    with pytest.raises(ImageError, match=problem) as caught:
        open_source(str(tmp_path / name), report_error=told.append)
    assert caught.value.hint


@pytest.mark.parametrize("rounds", [2, 5])
def test_a_video_is_played_as_often_as_asked(tmp_path, told, rounds):
    source = open_source(str(write_video(tmp_path / "v.avi", 4)), rounds=rounds, report_error=told.append)
    frames = list(source.frames())
    assert [number_of(each.image) for each in frames] == [0, 1, 2, 3] * rounds
    assert [each.index for each in frames] == list(range(4 * rounds))


def test_for_ever_goes_on(tmp_path, told):
    source = open_source(str(pictures(tmp_path, "a.png", "b.png")), rounds=None, report_error=told.append)
    frames = source.frames()
    assert [number_of(each.image) for each in itertools.islice(frames, 101)] == [0, 1] * 50 + [0]


def test_for_ever_ends_where_all_pictures_are_gone(tmp_path, told):
    source = open_source(str(pictures(tmp_path, "a.png", "b.png")), rounds=None, report_error=told.append)
    frames = source.frames()
    next(frames)
    for path in source.pictures:
        path.unlink()
    assert list(frames) == []
    assert len(told) == 2


def test_a_photo_stands_as_its_exif_says(tmp_path, told):
    """Turned by a quarter: what is read is higher than wide, and so is the size that is told."""
    data = cv2.imencode(".jpg", np.zeros((20, 40, 3), np.uint8))[1].tobytes()
    orientation = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(orientation) + 2).to_bytes(2, "big") + orientation
    (tmp_path / "a.jpg").write_bytes(data[:2] + segment + data[2:])
    source = open_source(str(tmp_path / "a.jpg"), report_error=told.append)
    assert source.size == (20, 40)
    assert next(source.frames()).image.shape == (40, 20, 3)
