"""Keypoints of photos and videos as rows, and in a file: .csv, .json, .jsonl."""

import csv
import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest

from fakes.small_disk import small_disk
from posezoo import to_csv, to_rows
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import OutputError, PosezooError
from posezoo.core.events import ignore_event
from posezoo.media.frames import Frame
from posezoo.poses.keypoints import Pose, Poses, create_poses
from posezoo.run.keypoint_files import (
    COLUMNS,
    is_keypoint_file,
    open_keypoint_file,
    print_rows,
    require_written_ending,
)

IMAGE = np.zeros((4, 4, 3), np.uint8)
NOBODY = Poses()
SKELETON = "coco-17"


def person(score=0.5, *, x=10.25, name=SKELETON, keypoint_score=0.9):
    """A pose whose keypoints are in one column."""
    count = {"coco-17": 17, "panoptic-19": 19}[name]
    points = np.full((1, count, 3), (x, 20, keypoint_score), np.float32)
    points[0, :, 1] += np.arange(count)
    (pose,) = create_poses(points, np.array([score]), name, (640, 480))
    return pose


def read_table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def frame(index, name="walk.mp4", fps=25):
    return Frame(index, name, IMAGE, 0, shown_s=index / fps)


def photo(name, index=0):
    return Frame(index, name, IMAGE, 0)


def test_two_people_are_two_rows_and_a_photo_with_nobody_has_none(tmp_path):
    results = [
        (photo("two.jpg"), Poses([person(0.75), person(0.5)])),
        (photo("none.jpg", 1), NOBODY),
    ]
    to_csv(results, tmp_path / "k.csv")
    first, second = read_table(tmp_path / "k.csv")
    assert [first["file"], second["file"]] == ["two.jpg"] * 2
    assert [first["person"], second["person"]] == ["0", "1"]
    assert [first["score"], second["score"]] == ["0.75", "0.5"]
    assert (first["frame"], first["seconds"], first["track"]) == ("", "", "")
    box = [first[f"box_{side}"] for side in ("left", "top", "right", "bottom")]
    assert box == ["10.25", "20", "10.25", "36"]
    assert list(first)[:13] == [*COLUMNS, "nose_x", "nose_y", "nose_score"]
    assert (first["nose_x"], first["nose_y"], float(first["nose_score"])) == (
        "10.25", "20", pytest.approx(0.9),
    )  # fmt: skip
    assert first["right_ankle_y"] == "36"


def test_frames_of_a_video_have_their_number_their_time_and_the_numbers_of_people():
    tracked = replace(person(), track_id=7)
    results = [(frame(0), Poses([tracked])), (frame(1), NOBODY), (frame(2), Poses([person()]))]
    rows = [*to_rows(results)]
    assert [row["frame"] for row in rows] == [0, 2]
    assert [row["seconds"] for row in rows] == [0, 0.08]
    assert [row["track"] for row in rows] == [7, None]
    assert [row["person"] for row in rows] == [0, 0]


@pytest.mark.parametrize(
    ("results", "file", "number"),
    [
        (Poses([person()]), "", None),  # of model("a.jpg")
        ([("a.jpg", Poses([person()]))], "a.jpg", None),  # of zip(paths, model(paths))
        ([(IMAGE, NOBODY), (IMAGE, Poses([person()]))], "", 1),  # of model.stream(images)
    ],
)
def test_rows_are_made_from_what_each_call_returns(results, file, number):
    (row,) = to_rows(results)
    assert (row["file"], row["frame"], row["seconds"]) == (file, number, None)


def test_an_object_has_its_label_and_a_score_that_nothing_gave_is_empty(tmp_path):
    box = (1.0, 2.0, 3.0, 4.0)
    cat = Pose(np.zeros((0, 3), np.float32), "box", 0.5, box, class_id=15, label="cat")
    to_csv([("a.jpg", Poses([cat]))], tmp_path / "k.csv")
    (row,) = read_table(tmp_path / "k.csv")
    assert list(row) == [*COLUMNS, "label"] and row["label"] == "cat"
    unscored = replace(person(), pose_score=None)
    to_csv([("a.jpg", Poses([unscored]))], tmp_path / "k.csv")
    assert read_table(tmp_path / "k.csv")[0]["score"] == ""


def test_results_that_fail_leave_the_earlier_file(tmp_path):
    def failing():
        yield frame(0), Poses([person()])
        raise PosezooError("the camera is gone")

    path = tmp_path / "k.csv"
    path.write_text("mine")
    with pytest.raises(PosezooError, match="the camera is gone"):
        to_csv(failing(), path)
    assert path.read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_leaves_no_file(tmp_path):
    with small_disk(tmp_path / "disk", "100k") as disk:
        results = ((frame(number), Poses([person()])) for number in range(1000))
        with pytest.raises(OutputError, match=r"k\.csv: cannot be written: No space left"):
            to_csv(results, disk / "k.csv")
        assert not list(disk.glob("[!.]*"))


NAMES = SKELETONS[SKELETON].keypoints


def described(name, *poses):
    drawn = [{"drawn": True, **pose.to_json()} for pose in poses]
    return {"image": name, "poses": drawn} if name.endswith(".jpg") else {
        "seconds": 0.04, "frame": 1, "name": name, "poses": drawn,
    }  # fmt: skip


def write(path, *items, summary=None):
    with open_keypoint_file(path, NAMES, {"provenance": "what ran"}, ignore_event) as file:
        for item in items:
            file.add(item)
        assert not path.exists()
        file.finish(summary or {})


@pytest.mark.parametrize(
    "items",
    [
        (),
        (described("a.jpg"), described("b.jpg", person())),
        (described("walk.mp4", person()),),
        (described("a.jpg"), described("walk.mp4"), described("walk.mp4", person())),
    ],
)
def test_json_has_the_images_then_the_frames_then_what_ran(tmp_path, items):
    write(tmp_path / "k.json", *items, summary={"model": "net", "failed": []})
    images = [item for item in items if "image" in item]
    frames = [item for item in items if "frame" in item]
    assert json.loads((tmp_path / "k.json").read_text()) == {
        "images": images, "frames": frames, "model": "net", "failed": [],
    }  # fmt: skip


def test_json_lines_have_a_line_for_each_photo_and_frame_the_first_with_what_ran(tmp_path):
    items = described("a.jpg"), described("walk.mp4", person())
    write(tmp_path / "k.jsonl", *items)
    first, second = map(json.loads, (tmp_path / "k.jsonl").read_text().splitlines())
    assert first == {**items[0], "provenance": "what ran"}
    assert second == items[1]


def test_rows_that_are_printed_control_no_terminal_and_a_file_has_the_name_as_it_is(tmp_path):
    name, stream = "a\x1b[2J\u202e\nfake.jpg", StringIO()
    print_rows(NAMES, stream).add(described(name, person()))
    heading, row = stream.getvalue().splitlines()
    assert heading.isprintable() and row.startswith(r"a\x1b[2J\u202e\nfake.jpg,")
    to_csv([(photo(name), Poses([person()]))], tmp_path / "k.csv")
    assert [row["file"] for row in read_table(tmp_path / "k.csv")] == [name]


def test_a_folder_with_the_name_of_a_file_stays_a_folder(tmp_path):
    for name in ("old.csv", "old.xlsx"):
        (tmp_path / name).mkdir()
        require_written_ending(tmp_path / name)
        assert not is_keypoint_file(tmp_path / name)
    for name in ("new.csv", "new.JSON", "new.jsonl"):
        assert is_keypoint_file(tmp_path / name)
    for name in ("v1.2", "results", "new.avi"):
        require_written_ending(tmp_path / name)
        assert not is_keypoint_file(tmp_path / name)


def test_poses_of_several_photos_without_their_paths_are_an_error_and_no_file(tmp_path):
    several = [Poses([person(), person()]), NOBODY]
    with pytest.raises(PosezooError, match="need the paths of the photos"):
        list(to_rows(several))
    with pytest.raises(PosezooError, match="need the paths of the photos"):
        to_csv(several, tmp_path / "k.csv")
    assert not [*tmp_path.iterdir()]
    assert [row["file"] for row in to_rows([["a.jpg", Poses([person()])]])] == ["a.jpg"]
