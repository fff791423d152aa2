"""The poses of each frame go out as they are found: to files and the standard output."""

import json
import time
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from posezoo.core.errors import OutputError
from posezoo.core.events import SourceChanged
from posezoo.media.frame_publishers import open_publisher
from posezoo.media.frames import Frame, FrameSource
from posezoo.poses.keypoints import Pose


class Video(FrameSource):
    """Frames of 48 x 64 pixels."""

    name, fps, size = "walk.mp4", 25.0, (64, 48)

    def frames(self):
        for index in range(10):
            image = np.zeros((48, 64, 3), np.uint8)
            yield Frame(index, self.name, image, time.perf_counter())


def person(track_id=None):
    keypoints = np.full((17, 3), 0.5, np.float32)
    return Pose(keypoints, "coco-17", 0.75, (1, 2, 3, 4), track_id=track_id)


def publish(path, frames=3):
    with ExitStack() as stack:
        publisher = open_publisher(path, stack)
        source = Video()
        for frame, _ in zip(source.frames(), range(frames), strict=False):
            publisher(source, frame, [person(frame.index + 1), person()], min_score=0.5)


def test_each_frame_is_a_line_with_its_time_number_and_people(tmp_path):
    publish(tmp_path / "new" / "poses.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "new" / "poses.jsonl").open()]
    assert [line["frame"] for line in lines] == [0, 1, 2]
    assert [line["seconds"] for line in lines] == [0, 0.04, 0.08]
    age = datetime.now(timezone.utc) - datetime.fromisoformat(lines[0]["time"])
    assert 0 <= age.total_seconds() < 60
    assert lines[1]["poses"] == [
        {"drawn": True, **person(2).to_json()},
        {"drawn": True, **person().to_json()},
    ]
    assert [pose["track_id"] for pose in lines[1]["poses"]] == [2, None]
    assert list(lines[0]) == ["time", "seconds", "frame", "name", "width", "height", "poses"]


def test_a_line_can_be_read_at_once_and_a_file_is_continued(tmp_path):
    path = tmp_path / "poses.jsonl"
    path.write_text('{"frame": "earlier"}\n')
    with ExitStack() as stack:
        publisher = open_publisher(path, stack)
        source = Video()
        for count, frame in enumerate(source.frames(), 2):
            publisher(source, frame, [], min_score=0.5)
            assert len(path.read_text().splitlines()) == count


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        publish(tmp_path / "file" / "poses.jsonl")
    if Path("/dev/full").exists():
        with pytest.raises(OutputError, match="/dev/full: cannot be written"):
            publish(Path("/dev/full"))


def test_the_state_of_a_camera_is_a_line_of_its_own_and_goes_on_to_a_listener(tmp_path):
    path, heard = tmp_path / "poses.jsonl", []
    event = SourceChanged("rtsp://camera.local/1", "reconnecting", 1796157022.1217635, "away")
    with ExitStack() as stack:
        open_publisher(path, stack).beside(heard.append)(event)
    assert heard == [event]
    assert json.loads(path.read_text()) == {
        "event": "source",
        "source": "rtsp://camera.local/1",
        "state": "reconnecting",
        "since": 1796157022.122,
    }
