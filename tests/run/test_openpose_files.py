"""The files of ``run --format openpose``, held against the tables in OpenPose's documentation (doc/02_output.md)."""

import cv2
import numpy as np
import pytest

from fakes import seeker
from fakes.command import posezoo, read_json, succeeded
from fakes.videos import write_frames
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import InferenceError
from posezoo.poses.keypoints import Pose
from posezoo.run.openpose_files import BODIES, write_openpose

BODY_25 = [
    "Nose",
    "Neck",
    "RShoulder",
    "RElbow",
    "RWrist",
    "LShoulder",
    "LElbow",
    "LWrist",
    "MidHip",
    "RHip",
    "RKnee",
    "RAnkle",
    "LHip",
    "LKnee",
    "LAnkle",
    "REye",
    "LEye",
    "REar",
    "LEar",
    "LBigToe",
    "LSmallToe",
    "LHeel",
    "RBigToe",
    "RSmallToe",
    "RHeel",
]
COCO_18 = [name for name in BODY_25[:19] if name != "MidHip"]
#: Whose keypoints have other names, or are no keypoints of a skeleton.
ALIASES = {"blazepose-33": {"BigToe": "foot_index"}, "halpe-26": {"MidHip": "hip"}}
LACKING = {
    "coco-17": {name for name in BODY_25 if name.endswith(("Toe", "Heel"))},
    "blazepose-33": {"LSmallToe", "RSmallToe"},
    "halpe-26": set(),
    "coco-wholebody-133": set(),
}


def pose(skeleton, **fields):
    """A pose whose keypoints have other places and scores each."""
    count = len(SKELETONS[skeleton].keypoints)
    rows = np.arange(1, 3 * count + 1, dtype=np.float32).reshape(count, 3)
    rows[:, 2] /= 1000
    return Pose(rows, skeleton, 1.0, (0, 0, 1, 1), **fields)


def written(folder, *poses, format="openpose"):
    write_openpose(folder / "a.json", [each.to_json() for each in poses], BODIES[format])
    document = read_json(folder / "a.json")
    assert document.keys() == {"version", "people"} and document["version"] == 1.3
    return document["people"]


def rows_of(person, part="pose"):
    return np.reshape(person[f"{part}_keypoints_2d"], (-1, 3))


def our_row(found, name):
    """The keypoint of OpenPose's name: "LBigToe" is left_big_toe."""
    side = {"L": "left_", "R": "right_"}.get(name[0], "")
    part = "".join(
        f"_{letter.lower()}" if letter.isupper() else letter for letter in name[bool(side) :]
    )
    ours = side + part.strip("_")
    for theirs, alias in ALIASES.get(found.skeleton, {}).items():
        if name.endswith(theirs):
            ours = side + alias
    return found.keypoints[found.layout.keypoints.index(ours)] - [0.5, 0.5, 0]


@pytest.mark.parametrize("skeleton", LACKING)
@pytest.mark.parametrize(("format", "names"), [("openpose", BODY_25), ("openpose-coco", COCO_18)])
def test_each_keypoint_is_where_openpose_has_it(skeleton, format, names, tmp_path):
    found = pose(skeleton)
    (person,) = written(tmp_path, found, format=format)
    rows = dict(zip(names, rows_of(person), strict=True))
    for middle, side in (("Neck", "Shoulder"), ("MidHip", "Hip")):
        if skeleton == "halpe-26" or middle not in names:
            continue  # it has its own
        left, right = rows[f"L{side}"], rows[f"R{side}"]
        expected = [*(left + right)[:2] / 2, min(left[2], right[2])]
        np.testing.assert_allclose(rows.pop(middle), expected, rtol=1e-6)
    for name, row in rows.items():
        expected = [0, 0, 0] if name in LACKING[skeleton] else our_row(found, name)
        np.testing.assert_allclose(row, expected, rtol=1e-6, err_msg=name)


def test_a_whole_body_has_a_face_of_70_keypoints_and_hands_of_21(tmp_path):
    found = pose("coco-wholebody-133")
    plain, (person,) = pose("coco-17"), written(tmp_path, found)
    ours = found.keypoints - [0.5, 0.5, 0]
    np.testing.assert_allclose(rows_of(person, "face")[:68], ours[23:91], rtol=1e-6)
    assert not rows_of(person, "face")[68:].any() and len(rows_of(person, "face")) == 70
    np.testing.assert_allclose(rows_of(person, "hand_left"), ours[91:112], rtol=1e-6)
    np.testing.assert_allclose(rows_of(person, "hand_right"), ours[112:], rtol=1e-6)
    (person,) = written(tmp_path, plain)
    assert [person[f"{part}_keypoints_2d"] for part in ("face", "hand_left", "hand_right")] == [
        [],
        [],
        [],
    ]


def test_who_is_tracked_has_a_number_and_a_missing_shoulder_gives_no_neck(tmp_path):
    found = pose("coco-17", track_id=7)
    found.keypoints[SKELETONS["coco-17"].keypoints.index("left_shoulder")] = 0
    tracked, other = written(tmp_path, found, pose("coco-17"))
    assert (tracked["person_id"], other["person_id"]) == ([7], [-1])
    assert not rows_of(tracked)[[1, 5]].any() and rows_of(other)[[1, 5]].all()


def test_a_hand_alone_is_no_person_of_openpose(tmp_path):
    with pytest.raises(InferenceError, match="hand-21 has none of OpenPose's keypoints"):
        written(tmp_path, pose("hand-21"))
    assert written(tmp_path) == []


def test_frames_of_a_longer_run_go_and_files_of_the_user_stay(tmp_path):
    photos = seeker.write_photos(tmp_path / "photos", 3)
    images = [cv2.imread(str(photo)) for photo in sorted(photos.iterdir())]
    clip, out = write_frames(tmp_path / "clip.avi", images), tmp_path / "out"
    ir = seeker.write_ir(tmp_path / "ir")
    words = ("run", ir, "--detector", "none", "-i", clip, photos, "-o", out, "--format", "openpose")
    succeeded(posezoo(*words))
    frames = [out / "clip_json" / f"clip_00000000000{number}_keypoints.json" for number in range(3)]
    assert sorted(out.rglob("*_keypoints.json")) == [
        *(out / f"0{number}_keypoints.json" for number in range(3)),
        *frames,
    ]
    row = read_json(out / "clip_poses.json")["frames"][2]["poses"][0]["keypoints"][0]
    (person,) = read_json(frames[2])["people"]
    assert list(rows_of(person)[0]) == pytest.approx([row["x"] - 0.5, row["y"] - 0.5, row["score"]])

    frames[1].write_text("mine", "utf-8")
    succeeded(posezoo(*words, "--limit", "1"))
    assert sorted(frames[0].parent.glob("*.json")) == frames[:2]
    assert frames[1].read_text("utf-8") == "mine"
    one = posezoo("run", ir, "-i", clip, "-o", tmp_path / "a.mp4", "--format", "openpose")
    assert (one.returncode, (tmp_path / "a.mp4").exists()) == (1, False)
    assert "hint: --output names a folder" in one.stderr
