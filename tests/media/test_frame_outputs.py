"""Annotated frames become an image, a folder or a video; a slow writer never blocks the rest."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from fakes.command import read_json
from fakes.videos import SIZE, frame, number_of, read_video, write_uneven_video, write_video
from fakes.waiting import HANG_S
from posezoo.core.errors import OutputError
from posezoo.core.events import WarningIssued
from posezoo.media import frame_outputs
from posezoo.media.frame_outputs import (
    JsonListWriter,
    VideoOutput,
    open_output,
)
from posezoo.media.frame_sources import open_source
from posezoo.media.frames import Frame, FrameSource
from posezoo.media.video_encoders import CODECS


def source_of(tmp_path, *names):
    """A folder of images, or the only one of them."""
    (tmp_path / "in").mkdir(exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(tmp_path / "in" / name), frame(number))
    where = tmp_path / "in" / names[0] if len(names) == 1 else tmp_path / "in"
    return opened(where)


def opened(place):
    return open_source(str(place), report_error=print)


def video_source(folder, *args, **options):
    return opened(write_video(folder / "v.avi", *args, **options))


def write_all(path, source):
    output = open_output(path, source)
    for each in source.frames():
        output.write(each, each.image)
    output.close()
    return output


def write_frames(output, count):
    for number in range(count):
        output.write(Frame(number, "", frame(number), 0), frame(number))


def numbers_in(video):
    return [number_of(image) for image in read_video(video)]


def test_a_folder_becomes_a_folder_with_the_same_names(tmp_path):
    source = source_of(tmp_path, "a.png", "b.jpg")
    output = write_all(tmp_path / "out", source)
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["a.png", "b.jpg"]
    assert number_of(cv2.imread(str(tmp_path / "out" / "b.jpg"))) == 1
    assert (output.written, output.dropped) == (2, 0)


def test_images_with_one_name_in_several_folders_get_different_names(tmp_path):
    for number, folder in enumerate(("x", "y")):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), frame(number))
    source = opened(tmp_path / "*" / "a.png")
    write_all(tmp_path / "out", source)
    written = {
        path.name: number_of(cv2.imread(str(path))) for path in (tmp_path / "out").glob("[!.]*")
    }
    assert written == {"a.png": 0, "a_2.png": 1}


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_a_video_becomes_a_video_of_the_same_rate(tmp_path, suffix):
    source = video_source(tmp_path, 12, fps=10)
    path = tmp_path / f"out{suffix}"
    write_all(path, source)
    assert numbers_in(path) == list(range(12))
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert not list(tmp_path.glob(".posezoo-*"))


@pytest.mark.parametrize("suffix", sorted(CODECS))
@pytest.mark.parametrize(("fps", "written"), [(23.976, 23.976), (68.0787, 68.08), (999.99, 1000)])
def test_a_rate_that_mpeg_4_cannot_state_is_rounded(tmp_path, monkeypatch, suffix, fps, written):
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / f"out{suffix}"
    output = VideoOutput(path, fps, 0, may_drop=False, time_s=lambda each: each.index / 10)
    write_frames(output, 3)
    output.close()
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(written)
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == round(0.2 * written) + 1


def test_images_of_many_sizes_become_a_video_of_the_first_size(tmp_path):
    source = source_of(tmp_path, "a.png", "b.png")
    cv2.imwrite(str(tmp_path / "in" / "b.png"), np.full((200, 100, 3), 255, np.uint8))
    write_all(tmp_path / "out.avi", source)
    first, second = read_video(tmp_path / "out.avi")
    assert first.shape == second.shape == (*SIZE[::-1], 3)
    assert second[:, SIZE[0] // 2].mean() > 240  # in the middle, between black borders
    assert second[:, :10].mean() < 15


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_a_video_of_odd_sides_loses_no_row_and_no_column(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    output = VideoOutput(path, 25, 0)
    image = np.zeros((47, 63, 3), np.uint8)
    image[-1], image[:, -1] = 255, 255
    output.write(Frame(0, "", image, 0), image)
    output.close()
    (drawn,) = read_video(path)
    assert drawn.shape == (48, 64, 3)
    assert drawn[46:].min() > 200 and drawn[:, 62:].min() > 200 and drawn[:44, :60].max() < 60


@pytest.mark.parametrize("limit", [0, 3])
def test_no_more_frames_than_the_limit_are_written(tmp_path, limit):
    source = video_source(tmp_path, 8)
    for path in (tmp_path / "out.avi", tmp_path / "folder"):
        output = open_output(path, source, limit=limit)
        write_frames(output, 8)
        output.close()
        assert output.written == (limit or 8)
    assert len(read_video(tmp_path / "out.avi")) == (limit or 8)
    assert len(list((tmp_path / "folder").glob("[!.]*"))) == (limit or 8)


class SlowEncoder:
    """OpenCV's encoder on a slow disk: it writes nothing until ``go`` is set."""

    def __init__(self, path, *_):
        self.path, self.numbers, self.go = Path(path), [], threading.Event()

    def isOpened(self):  # noqa: N802 OpenCV's name
        return True

    def write(self, image):
        assert self.go.wait(HANG_S)
        self.numbers.append(number_of(image))

    def release(self):
        self.path.write_bytes(b"whole")


@pytest.fixture
def encoders(monkeypatch):
    """The encoders that were opened, which are slow."""
    opened = []

    def open_slow(*args):
        opened.append(SlowEncoder(*args))
        return opened[0]

    monkeypatch.setattr(cv2, "VideoWriter", open_slow)
    return opened


def test_a_slow_writer_does_not_block_and_dropped_frames_are_counted(
    encoders, tmp_path, monkeypatch
):
    monkeypatch.setattr(frame_outputs, "_MAX_WAITING", 4)
    output = VideoOutput(tmp_path / "out.avi", 25, 0)
    write_frames(output, 20)
    # The encoder works on the first one, four wait.
    assert (output.written, output.dropped) == (
        5,
        15,
    )
    encoders[0].go.set()
    output.close()
    assert encoders[0].numbers == [0, 1, 2, 3, 4]
    assert (tmp_path / "out.avi").read_bytes() == b"whole"


def test_a_writer_may_also_wait_so_that_no_frame_is_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(frame_outputs, "_MAX_WAITING", 2)
    source = video_source(tmp_path, 20)
    output = write_all(tmp_path / "out.avi", source)
    assert (output.written, output.dropped) == (20, 0)
    assert len(read_video(tmp_path / "out.avi")) == 20


def test_a_failure_to_write_is_raised_and_an_earlier_file_stays(tmp_path, monkeypatch):
    class Broken(SlowEncoder):
        def write(self, image):
            raise OSError("the disk is on fire")

    monkeypatch.setattr(cv2, "VideoWriter", Broken)
    (tmp_path / "out.avi").write_bytes(b"old")
    output = VideoOutput(tmp_path / "out.avi", 25, 0)
    with pytest.raises(OutputError, match=r"out\.avi: writing failed: the disk is on fire"):
        for number in range(1000):
            output.write(Frame(number, "", frame(0), 0), frame(0))
            time.sleep(0.001)
    with pytest.raises(OutputError, match="on fire"):
        output.close()
    assert (tmp_path / "out.avi").read_bytes() == b"old"
    assert not list(tmp_path.glob(".posezoo-*"))


def test_a_full_disk_is_reported(tmp_path, monkeypatch):
    class Full(SlowEncoder):
        def write(self, image):
            """OpenCV's does not report it either."""

        def release(self):
            """Not a byte could be written."""

    monkeypatch.setattr(cv2, "VideoWriter", Full)
    output = VideoOutput(tmp_path / "out.avi", 25, 0)
    output.write(Frame(0, "", frame(0), 0), frame(0))
    with pytest.raises(OutputError, match="nothing could be written"):
        output.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("out.xyz", "files with suffix .xyz cannot be written"),
        ("out.png", "is one image, and .* gives several"),
    ],
)
def test_a_name_that_does_not_suit_the_source_is_refused(tmp_path, name, problem):
    with pytest.raises(OutputError, match=problem) as caught:
        open_output(tmp_path / name, source_of(tmp_path, "a.png", "b.png"))
    assert "name a folder" in caught.value.hint


def test_the_input_is_never_overwritten(tmp_path):
    for path, source in (
        (tmp_path / "in" / "a.png", source_of(tmp_path, "a.png")),
        (tmp_path / "in", source_of(tmp_path, "a.png", "b.png")),
        (tmp_path / "v.avi", video_source(tmp_path)),
    ):
        with pytest.raises(OutputError, match="is the input itself"):
            open_output(path, source)


def test_a_file_in_the_place_of_a_folder_is_refused_before_the_first_frame(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        VideoOutput(tmp_path / "file" / "out.avi", 25, 0)
    with pytest.raises(OutputError, match="cannot be written"):
        JsonListWriter(tmp_path / "file" / "out.json")


@pytest.mark.parametrize("items", [0, 1, 3])
def test_json_grows_on_disk_and_appears_when_it_is_complete(tmp_path, items):
    with (
        JsonListWriter(tmp_path / "list.json") as plain,
        JsonListWriter(tmp_path / "dict.json", "frames") as keyed,
    ):
        for number in range(items):
            plain.append({"number": number})
            keyed.append({"number": number})
        keyed.rest = {"report": {"fps": 3}}
        assert not (tmp_path / "list.json").exists()
    expected = [{"number": number} for number in range(items)]
    assert read_json(tmp_path / "list.json") == expected
    assert read_json(tmp_path / "dict.json") == {
        "frames": expected,
        "report": {"fps": 3},
    }
    assert len(list(tmp_path.glob("[!.]*"))) == 2


@pytest.mark.parametrize(("items", "expected"), [(0, "old"), (2, "[\n1,\n1\n]\n")])
def test_a_failure_before_the_first_item_keeps_the_earlier_file(tmp_path, items, expected):
    path = tmp_path / "list.json"
    path.write_text("old")
    with pytest.raises(OutputError), JsonListWriter(path) as file:
        for _ in range(items):
            file.append(1)
        raise OutputError("something else")
    assert path.read_text() == expected
    kept = [each.read_text() for each in tmp_path.glob("list.json.bak*")]
    assert kept == (["old"] if items else [])


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_no_link_in_the_folder_leads_a_result_elsewhere(tmp_path):
    """In a container, the number of the process is known before: 1."""
    outside = tmp_path / "outside.txt"
    outside.write_text("precious")
    results = tmp_path / "results"
    results.mkdir()
    for name in ("out.avi", "list.json"):
        stem, _, suffix = name.partition(".")
        for planted in (
            f".{stem}.{os.getpid()}.part.{suffix}",
            f".{name}.{os.getpid()}.part",
            name,
        ):
            (results / planted).symlink_to(outside)
    video = VideoOutput(results / "out.avi", 25, 0)
    video.write(Frame(0, "", frame(0), 0), frame(0))
    video.close()
    with JsonListWriter(results / "list.json") as file:
        file.append(1)
    assert outside.read_text() == "precious"
    for name in ("out.avi", "list.json"):
        assert not (results / name).is_symlink() and (results / name).stat().st_size


def test_a_file_that_the_user_puts_in_the_place_of_a_result_is_kept(tmp_path):
    warnings = []
    path = tmp_path / "list.json"
    with JsonListWriter(path, listener=warnings.append) as file:
        file.append(1)
        path.write_text("hours of labels")
    assert path.read_text() == "[\n1\n]\n"
    assert (tmp_path / "list.json.bak1").read_text() == "hours of labels"
    assert warnings == [
        WarningIssued(f"{path}: is not as posezoo wrote it: kept as list.json.bak1")
    ]


def test_what_a_killed_writer_left_goes_with_the_next_one(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from posezoo.media.frame_outputs import JsonListWriter, VideoOutput\n"
        "writers = [JsonListWriter(Path('list.json')), VideoOutput(Path('out.avi'), 25, 0)]\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=HANG_S, check=False)
    assert len(list(tmp_path.glob(".posezoo-*"))) == 2
    with JsonListWriter(tmp_path / "list.json") as file:
        file.append(1)
    assert {path.name for path in tmp_path.iterdir()} == {"list.json", ".posezoo"}


def test_json_is_written_to_a_pipe_and_no_device_is_replaced_by_a_file(tmp_path):
    reading, writing = os.pipe()
    with os.fdopen(reading) as read:
        with JsonListWriter(Path(f"/dev/fd/{writing}"), "frames") as file:
            file.append(1)
        os.close(writing)
        assert json.load(read) == {"frames": [1]}
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with (
        pytest.raises(OutputError, match="full: cannot be written: No space left"),
        JsonListWriter(full) as file,
    ):
        file.append(1)
    assert full.is_char_device() and [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_drawn_video_plays_as_long_as_one_with_a_frame_every_two_seconds(tmp_path):
    source = opened(write_video(tmp_path / "in.mp4", 4, "mp4v", 0.5))
    write_all(tmp_path / "out.mp4", source)
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    assert frames / capture.get(cv2.CAP_PROP_FPS) == pytest.approx(8)


class SlowCamera(FrameSource):
    """A camera of 10 frames a second, of which a model processes only some."""

    name = "camera 0"
    is_live = True
    fps = even_fps = 10.0

    def __init__(self, *times):
        self.times = times

    def frames(self):
        for number, shown_s in enumerate(self.times):
            yield Frame(number, self.name, frame(number), 0, shown_s=shown_s)


def test_the_drawn_video_of_a_camera_plays_at_the_speed_at_which_its_frames_were_read(tmp_path):
    # The model was loaded for 5 seconds, and the camera was disconnected for a minute.
    source = SlowCamera(5, 5.1, 5.5, 6.2, 66.2, 66.5)
    write_all(tmp_path / "out.avi", source)
    drawn = numbers_in(tmp_path / "out.avi")
    assert [drawn.index(number) for number in range(6)] == [0, 1, 5, 12, 13, 15]


def test_a_camera_that_is_faster_than_it_states_loses_no_frames(tmp_path):
    source = SlowCamera(*(number / 40 for number in range(16)))
    write_all(tmp_path / "out.avi", source)
    assert numbers_in(tmp_path / "out.avi") == [*range(16)]


def test_repeated_frames_of_a_camera_leave_room_for_new_ones(encoders, tmp_path, monkeypatch):
    monkeypatch.setattr(frame_outputs, "_MAX_WAITING", 20)
    source = SlowCamera(*range(0, 80, 8))
    output = open_output(tmp_path / "out.avi", source)
    for each in source.frames():
        output.write(each, each.image)
    encoders[0].go.set()
    output.close()
    assert (output.written, output.dropped) == (10, 0)
    assert len(encoders[0].numbers) <= frame_outputs._MAX_WAITING


def test_a_drawn_video_has_the_time_line_of_an_uneven_one(tmp_path):
    ticks = [0, 1, 2, 3, 4, 25, 30, 35, 40, 45]
    path = write_uneven_video(tmp_path / "in.mkv", ticks=ticks)
    source = opened(path)
    write_all(tmp_path / "out.avi", source)
    drawn = numbers_in(tmp_path / "out.avi")
    assert [drawn.index(number) for number in range(len(ticks))] == ticks
    assert len(drawn) == ticks[-1] + 1
    capture = cv2.VideoCapture(str(tmp_path / "out.avi"))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(25)
