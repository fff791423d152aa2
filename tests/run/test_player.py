"""The loop plays every frame once and in order, whatever modes, keys and outputs do."""

import time
from pathlib import Path

import numpy as np
import pytest

from fakes.finder import Finder
from posezoo.core.errors import ImageError
from posezoo.media.frame_outputs import FrameOutput
from posezoo.media.frames import Frame, FrameSource
from posezoo.media.utilization_monitor import UtilizationMonitor
from posezoo.poses.keypoints import Pose
from posezoo.run import player as player_module
from posezoo.run.player import (
    ExecutionMode,
    Player,
    draw_poses,
    draw_text,
    format_pose,
    format_summary,
    summarize_run,
)
from posezoo.run.runtime.runtime_config import VideoOptions

BLANK = np.full((240, 320, 3), 90, np.uint8)


def pose(score=0.9, keypoint_score=0.9):
    """A person in the middle of the frame."""
    places = np.linspace((140, 60), (180, 180), 17, dtype=np.float32)
    keypoints = np.concatenate([places, np.full((17, 1), keypoint_score, np.float32)], axis=1)
    return Pose(keypoints, "coco-17", score, (140, 60, 180, 180))


class Frames(FrameSource):
    """A camera with a fixed time for each frame."""

    def __init__(self, frames, seconds=0.0, images=False):
        self.name, self.size = "fake", (320, 240)
        self.image_paths = [Path("a.png")] if images else []
        self._frames, self._seconds = frames, seconds
        self.is_closed = False

    def frames(self):
        try:
            for index in range(self._frames):
                start_time = time.perf_counter()
                time.sleep(self._seconds)
                yield Frame(index, self.name, BLANK.copy(), start_time)
        finally:
            self.is_closed = True


class Keyboard:
    """A screen whose user presses keys at certain frames."""

    def __init__(self, keys=None, waits=""):
        self.keys, self.waits = keys or {}, list(waits)
        self.pictures = []
        self.is_open = True

    def show(self, image):
        self.pictures.append(image)
        return self.keys.get(len(self.pictures) - 1, "")

    def wait_for_key(self):
        return self.waits.pop(0)


class Kept(FrameOutput):
    """Records the indices of the frames that it receives."""

    def __init__(self, seconds=0.0):
        self.numbers = []
        self.seconds = seconds

    def write(self, frame, image):
        time.sleep(self.seconds)
        self.numbers.append(frame.index)


def player(source, *finders, **others):
    names = ("User specified", "Min latency")
    modes = [
        ExecutionMode(name, lambda each=each: each)
        for name, each in zip(names, finders, strict=False)
    ]
    monitors = others.pop("monitors", UtilizationMonitor())
    return Player(source, modes, monitors=monitors, **others), modes


def test_every_frame_is_found_shown_and_written_once_in_order():
    found, screen, kept = [], Keyboard(), Kept()
    playing, _ = player(
        Frames(20),
        Finder(requests=4, poses=[pose()]),
        screen=screen,
        outputs=[kept],
        on_poses=lambda frame, poses: found.append((frame.index, len(poses))),
    )
    playing.play()
    assert found == [(index, 1) for index in range(20)]
    assert kept.numbers == list(range(20))
    assert len(screen.pictures) == playing.frames == 20
    assert (screen.pictures[0] != BLANK).any()


def test_latency_runs_from_before_a_frame_is_read_to_after_it_is_written():
    playing, (mode,) = player(
        Frames(5, seconds=0.03), Finder(seconds=0.02), outputs=[Kept(seconds=0.04)]
    )
    playing.play()
    assert mode.speed.latency_ms >= 90
    assert 0 < mode.speed.fps < 1 / 0.09
    each = playing.steps.mean_ms(playing.frames)
    assert each["read"] >= 30
    assert each["find poses"] >= 20
    assert each["write"] >= 40


def test_tab_finishes_frames_in_flight_and_continues_in_the_next_mode():
    many, one, kept = Finder(requests=4), Finder(requests=1), Kept()
    playing, (first, second) = player(
        Frames(30), many, one, screen=Keyboard({9: "\t"}), outputs=[kept]
    )
    playing.play()
    assert kept.numbers == list(range(30))
    assert many.taken == list(range(13))  # ten are done when Tab comes, three more in flight
    assert one.taken == list(range(13, 30))
    assert (many.most_in_flight, one.most_in_flight) == (4, 1)
    assert (first.speed.frames, second.speed.frames) == (13, 17)


def test_tab_twice_returns_to_the_first_mode_and_each_model_is_loaded_once():
    opened = []

    def opens(name):
        opened.append(name)
        return Finder()

    modes = [ExecutionMode(name, lambda name=name: opens(name)) for name in ("one", "two")]
    keys = Keyboard({2: "\t", 5: "\t", 8: "\t"})
    playing = Player(Frames(12), modes, monitors=UtilizationMonitor(), screen=keys)
    playing.play()
    assert [mode.speed.frames for mode in modes] == [6, 6]
    assert opened == ["one", "two"]


@pytest.mark.parametrize("key", ["q", "\x1b"])
def test_q_and_escape_quit_after_the_frames_in_flight(key):
    kept, source = Kept(), Frames(1000)
    playing, _ = player(source, Finder(requests=3), screen=Keyboard({5: key}), outputs=[kept])
    playing.play()
    assert kept.numbers == list(range(8))
    assert source.is_closed


def test_a_failure_releases_the_source():
    class Failing(Finder):
        def stream(self, items, image, is_video, detect_every):
            next(items)
            raise ImageError("no such thing")
            yield

    source = Frames(10)
    playing, _ = player(source, Failing())
    with pytest.raises(ImageError):
        playing.play()
    assert source.is_closed


def test_monitor_keys_show_and_hide():
    screen = Keyboard({0: "c", 4: "c"})
    playing, _ = player(Frames(8), Finder(), screen=screen)
    playing.play()
    corner = [bool((image[-3:, :40] != 90).any()) for image in screen.pictures]
    assert corner == [False, True, True, True, True, False, False, False]


def test_an_image_stays_until_a_key_and_monitor_keys_redraw_it():
    screen = Keyboard(waits="cmx" + "q")
    playing, _ = player(Frames(5, images=True), Finder(), screen=screen)
    playing.play()
    assert playing.frames == 2  # x: the next one, q: the end
    corners = [int((image[-40:, :40] != 90).any(axis=2).sum()) for image in screen.pictures]
    assert corners[0] == 0 < corners[1] < corners[2] == corners[3]


def test_poses_and_keypoints_below_the_threshold_are_left_out():
    found = []
    finder = Finder(poses=[pose(0.5), pose(0.3)])
    playing, _ = player(
        Frames(1),
        finder,
        min_score=0.4,
        on_poses=lambda frame, poses: found.extend(poses),
    )
    playing.play()
    assert [each.score for each in found] == [0.5]
    painted = [draw_poses(BLANK, [pose(0.9, score)], min_score=0.4) for score in (0.39, 0.41)]
    assert [(each != BLANK).any() for each in painted] == [False, True]


def test_people_keep_their_numbers_when_the_mode_is_switched():
    found = []
    playing, _ = player(
        Frames(6),
        Finder(poses=[pose()]),
        Finder(poses=[pose()]),
        screen=Keyboard({2: "\t"}),
        video=VideoOptions(track=True),
        on_poses=lambda frame, poses: found.extend(poses),
    )
    playing.play()
    assert [each.track_id for each in found] == [1] * 6
    assert {mode.speed.frames for mode in playing.modes} == {3}


def test_people_get_other_numbers_after_a_cut():
    found = []
    scenes = np.random.default_rng(0).integers(0, 2, (2, *BLANK.shape), dtype=np.uint8)
    source = Frames(4)
    source.frames = lambda: (
        Frame(number, "video", scenes[number // 2] * (100 + 100 * (number // 2)), 0.0)
        for number in range(4)
    )
    playing, _ = player(
        source,
        Finder(poses=[pose()]),
        video=VideoOptions(track=True),
        on_poses=lambda frame, poses: found.extend(poses),
    )
    playing.play()
    assert [each.track_id for each in found] == [1, 1, 2, 2]


def test_frames_and_poses_are_scaled_to_the_requested_size():
    small = draw_poses(BLANK, [pose()], min_score=0.1, within=(160, 1000))
    assert small.shape == (120, 160, 3)
    rows, columns = np.nonzero((small != 90).any(axis=2))
    assert columns.min() >= 70 - 6 and columns.max() <= 90 + 6
    assert rows.min() >= 30 - 6 and rows.max() <= 90 + 6
    assert draw_poses(BLANK, [], min_score=0.1, within=(4000, 4000)).shape == BLANK.shape


def test_the_mode_and_its_speed_are_drawn_into_the_frame():
    screen = Keyboard()
    playing, _ = player(Frames(4), Finder(seconds=0.01), screen=screen)
    playing.play()
    expected = BLANK.copy()
    draw_text(expected, ["User specified"])
    assert (screen.pictures[0] == expected).all()
    assert (screen.pictures[3] != expected)[20:60, :150].any()


def test_a_raw_line_is_the_score_then_x_y_and_score_of_each_keypoint():
    words = format_pose(person_of_three()).split()
    assert words == ["0.75", "1.0", "2.0", "0.50", "3.5", "4.0", "0.25", "0.0", "0.0", "0.00"]


def test_a_raw_line_of_an_object_is_its_label_score_and_box_and_of_a_class_its_label_and_score():
    empty = np.zeros((0, 3), np.float32)
    assert format_pose(Pose(empty, "box", 0.67, (1, 2, 3, 4))) == "person 0.67 1.0 2.0 3.0 4.0"
    image_class = Pose(empty, "class", 0.5, (0, 0, 9, 9), class_id=7, label="cock")
    assert format_pose(image_class) == "cock 0.50"


def person_of_three():
    return Pose(
        np.array([[1, 2, 0.5], [3.5, 4, 0.25], [0, 0, 0]], np.float32),
        "coco-17",
        0.75,
        (1, 2, 4, 4),
    )


def test_the_summary_lists_modes_steps_and_dropped_frames():
    kept = Kept()
    kept.path, kept.written, kept.dropped = "out.avi", 7, 3
    playing, _ = player(Frames(10), Finder(), Finder(), screen=Keyboard({3: "\t"}), outputs=[kept])
    playing.play()
    summary = summarize_run(playing, [ImageError("b.png: is empty")])
    assert summary["frames"] == 10
    assert [mode["frames"] for mode in summary["modes"].values()] == [4, 6]
    assert all(mode["fps"] > 0 and mode["latency_ms"] > 0 for mode in summary["modes"].values())
    assert list(summary["steps_ms"]) == ["read", "find poses", "draw", "show", "write"]
    assert summary["failed"] == ["b.png: is empty"]
    text = "\n".join(format_summary(summary))
    for words in ("User specified", "Min latency", "find poses", "out.avi: 7 written, 3 dropped"):
        assert words in text


class Dark(Frames):
    """A camera that gives a frame, and is then away."""

    is_live, state = True, "live"

    def wait(self, until):
        while self.state == "reconnecting" and not until():
            time.sleep(0.01)
        return self.state == "live"

    def frames(self):
        self.state, self.since = "reconnecting", time.time() - 12
        yield Frame(0, self.name, BLANK.copy(), time.perf_counter(), 0.0, time.perf_counter())


def test_the_window_shows_that_a_camera_is_away_and_the_user_can_quit(monkeypatch):
    monkeypatch.setattr(player_module, "_LOOK_S", 0.05)
    screen = Keyboard({3: "q"})
    playing, _ = player(Dark(1), Finder(poses=[pose()]), screen=screen)
    playing.play()
    picture, away = screen.pictures[0], screen.pictures[-1]
    assert playing.frames == 1
    assert len(screen.pictures) == 4
    corner = away[-40:, -40:]  # below the text
    assert (corner == picture[-40:, -40:] // 2 + 64).all()
    assert (away[:120] != picture[:120] // 2 + 64).any()  # the text that says since when
