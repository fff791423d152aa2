"""Poses have skeletons, and are written as COCO results and as JSON."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from fakes.people import standing_person
from posezoo.core.errors import PosezooError, UnknownKeypointError
from posezoo.poses.keypoints import (
    NO_KEYPOINTS,
    SKELETONS,
    Pose,
    Pose3D,
    Skeleton,
    bounding_box,
    coco_order,
    create_poses,
    from_pixel_indices,
    pose_similarity,
    sigmas_of,
    to_pixel_indices,
)


def person(x=200.0, y=50.0, height=300.0, score=0.9):
    keypoints = np.full((33, 3), 0.75, np.float32)
    keypoints[:, :2] = standing_person(x, y, height)
    return Pose(keypoints, "blazepose-33", score, bounding_box(keypoints, (640, 480)))


#: Those with keypoints; of people in boxes nothing else is known.
WITH_KEYPOINTS = [name for name in SKELETONS if name not in ("box", "class")]


@pytest.mark.parametrize("name", WITH_KEYPOINTS)
def test_a_skeleton_agrees_with_itself(name):
    skeleton = SKELETONS[name]
    count = int(name.split("-")[-1])
    assert len(skeleton.keypoints) == len(set(skeleton.keypoints)) == count
    in_limbs = {joint for limb in skeleton.limbs for joint in limb}
    assert in_limbs == {place for place in range(count) if "face" not in skeleton.keypoints[place]}
    assert len({frozenset(limb) for limb in skeleton.limbs}) == len(skeleton.limbs)
    named = [pair for pair in skeleton.flip_pairs if "face" not in skeleton.keypoints[pair[0]]]
    for left, right in named:
        assert skeleton.keypoints[left].replace("left", "right") == skeleton.keypoints[right]
    sided = [key for key in skeleton.keypoints if "left" in key or "right" in key]
    assert len(named) * 2 == len(sided)


def test_coco_has_a_spread_for_each_keypoint():
    sigmas = SKELETONS["coco-17"].sigmas
    assert len(sigmas) == 17 and sum(sigmas) == pytest.approx(1.138)


def test_spreads_are_cocos_wherever_a_skeleton_stands():
    coco = SKELETONS["coco-17"]
    for name in ("openpose-18", "panoptic-19"):
        skeleton = SKELETONS[name]
        assert len(skeleton.sigmas) == len(skeleton.keypoints)
        assert tuple(skeleton.sigmas[place] for place in coco_order(skeleton) or ()) == coco.sigmas
    assert SKELETONS["openpose-18"].sigmas[1] == 0.079  # CrowdPose's neck
    for name in ("halpe-26", "coco-wholebody-133"):
        assert SKELETONS[name].sigmas[:17] == coco.sigmas
    assert SKELETONS["blazepose-33"].sigmas == ()  # nobody measured the hands and feet


def test_the_sets_of_2026_have_the_published_sigmas_and_flips():
    """Sums of mmpose's configs: halpe26.py, coco_wholebody.py, crowdpose.py."""
    sums = {"halpe-26": 1.73, "coco-wholebody-133": 3.861, "crowdpose-14": 1.15}
    assert {name: round(sum(SKELETONS[name].sigmas), 3) for name in sums} == sums
    face = SKELETONS["coco-wholebody-133"].flip_order[23:91]
    assert (
        face[0] == 39
        and face[8] == 31
        and face[36 - 23 + 23] == 68
        and sorted(face) == list(range(23, 91))
    )
    assert SKELETONS["coco-wholebody-133"].flip_order[91:112] == tuple(range(112, 133))
    assert coco_order(SKELETONS["crowdpose-14"]) is None


def test_openpose_and_panoptic_are_in_their_published_order():
    """OpenPose's COCO model starts nose, neck, right arm; Panoptic Studio's neck, nose, body centre, left arm."""
    assert SKELETONS["openpose-18"].keypoints[:5] == (
        *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist"),
    )
    assert SKELETONS["openpose-18"].keypoints[14:] == (
        "right_eye",
        "left_eye",
        "right_ear",
        "left_ear",
    )
    assert SKELETONS["panoptic-19"].keypoints[:4] == ("neck", "nose", "pelvis", "left_shoulder")
    assert SKELETONS["panoptic-19"].keypoints[15:] == (
        "left_eye",
        "left_ear",
        "right_eye",
        "right_ear",
    )


def test_an_openpose_person_becomes_a_coco_result_without_the_neck():
    keypoints = np.arange(54, dtype=np.float32).reshape(18, 3)
    result = Pose(keypoints, "openpose-18", 0.5, (0, 0, 1, 1)).to_coco()
    assert len(result["keypoints"]) == 51 and result["keypoints"][:3] == [-0.5, 0.5, 2]
    assert result["keypoints"][3:6] == [44.5, 45.5, 47]  # the left eye
    assert keypoints[1, 0] - 0.5 not in result["keypoints"][::3]


def test_coco_counts_from_the_middle_of_the_first_pixel_and_posezoo_from_its_corner():
    points = np.array([[0.5, 0.5, 0.9], [12.25, 7.5, 0.1], [0, 0, 0]], np.float32)
    indices = to_pixel_indices(points)
    assert indices.tolist() == [[0, 0, np.float32(0.9)], [11.75, 7, np.float32(0.1)], [0, 0, 0]]
    assert from_pixel_indices(indices).tolist() == points.tolist()


def test_a_pose_becomes_a_coco_result():
    pose = person()
    result = pose.to_coco(image_id=785)
    assert result["image_id"] == 785 and result["category_id"] == 1 and result["score"] == 0.9
    assert len(result["keypoints"]) == 51
    places = coco_order(SKELETONS["blazepose-33"]) or ()
    assert len(places) == 17
    for number, place in enumerate(places):
        x, y, score = pose.keypoints[place].tolist()
        assert result["keypoints"][3 * number : 3 * number + 3] == [x - 0.5, y - 0.5, score]
    assert "image_id" not in pose.to_coco()
    json.dumps(result)


def test_a_pose_becomes_json_with_names():
    said = json.loads(json.dumps(person().to_json()))
    assert said["skeleton"] == "blazepose-33" and len(said["keypoints"]) == 33
    assert said["keypoints"][15] == {
        "name": "left_wrist",
        "x": pytest.approx(245),
        "y": pytest.approx(185),
        "score": 0.75,
    }
    assert said["box"] == pytest.approx([152, 50, 248, 332])


def test_a_skeleton_of_ones_own_has_all_its_keypoints_in_cocos_form_and_none_of_cocos():
    skeleton = Skeleton("hand-2", ("thumb", "index"))
    points = np.array([[1, 2, 0.5], [3, 4, 0.25]], np.float32)
    hand = Pose(points, "hand-2", 1.0, (0, 0, 1, 1), own_skeleton=skeleton)
    assert hand.to_coco()["keypoints"] == [0.5, 1.5, 0.5, 2.5, 3.5, 0.25]
    assert [each["name"] for each in hand.to_json()["keypoints"]] == ["thumb", "index"]
    with pytest.raises(PosezooError, match="hand-2 cannot be written in COCO's format") as caught:
        hand.coco_keypoints()
    assert "to_json" in caught.value.hint


def test_the_box_holds_the_keypoints_that_count_and_stays_inside_the_image():
    keypoints = np.array([[10, 20, 0.9], [30, 90, 0.8], [500, 500, 0.1]], np.float32)
    assert bounding_box(keypoints, (640, 480)) == (10, 20, 30, 90)
    assert bounding_box(keypoints, (25, 40)) == (10, 20, 25, 40)
    keypoints[:, 2] = 0.1
    assert bounding_box(keypoints, (640, 480)) == (10, 20, 500, 480)


def test_similarity_is_cocos():
    moved = 7.0
    width, height = 0.30 * 300, 0.90 * 300  # wrists are the widest, ankles the lowest
    variances = (2 * np.array(SKELETONS["coco-17"].sigmas)) ** 2
    expected = np.exp(-(moved**2) / (2 * 0.53 * width * height * variances)).mean()
    assert pose_similarity(person(), person(x=200 + moved)) == pytest.approx(expected, rel=1e-4)


def test_keypoints_that_were_not_found_do_not_stretch_the_box():
    keypoints = np.array([[10, 20, 0.4], [30, 90, 0.3], [0, 0, 0]], np.float32)
    assert bounding_box(keypoints, (640, 480)) == (10, 20, 30, 90)
    (pose,) = create_poses(keypoints[None], np.array([0.7]), "keypoints-3", (25, 480))
    assert pose.box == (10, 20, 25, 90) and pose.score == 0.7


@pytest.mark.parametrize(
    ("name", "sigmas"),
    [("crowdpose-14", SKELETONS["crowdpose-14"].sigmas), ("keypoints-12", [0.079] * 12)],
)
def test_poses_without_cocos_keypoints_are_compared_by_their_own_or_the_usual_sigmas(name, sigmas):
    points = np.random.default_rng(0).uniform(50, 250, (len(sigmas), 3)).astype(np.float32)
    one = Pose(points, name, 0.9, bounding_box(points, (640, 480)))
    moved = Pose(points + np.float32([5, 0, 0]), name, 0.9, one.box)
    assert pose_similarity(one, one) == 1
    # One point: exp(-d^2 / (2 area (2 sigma)^2)).
    expected = np.exp(-25 / (2 * 10_000 * (2 * np.array(sigmas)) ** 2)).mean()
    assert pose_similarity(one, moved, 10_000) == pytest.approx(expected)


def test_a_keypoint_of_an_unknown_set_has_the_sigma_of_its_joint_if_coco_has_it():
    assert sigmas_of(["left_wrist", "horn", "neck"]) == [0.062, None, 0.079]


def test_a_keypoint_is_found_by_its_name():
    pose = person()
    assert pose["left_knee"] == tuple(pose.keypoints[pose.layout.keypoints.index("left_knee")])
    assert pose["left_knee"].score == 0.75
    with pytest.raises(PosezooError, match="has no keypoint 'left_kne'") as caught:
        pose["left_kne"]
    assert caught.value.hint == "did you mean left_knee?"


def test_a_pose_is_a_mapping_from_names_to_keypoints():
    pose = person()
    names = list(pose.layout.keypoints)
    assert isinstance(pose, Mapping)
    assert list(pose) == list(pose.keys()) == names
    assert len(pose) == len(names) == len(pose.values())
    assert dict(pose) == dict(pose.items()) == {name: pose[name] for name in names}
    assert "nose" in pose and "tail" not in pose and 0 not in pose and None not in pose
    assert pose.get("tail") is None
    match pose:
        case {"nose": (_, _, score)}:
            assert score == pose["nose"].score
    with pytest.raises(KeyError):
        pose["tail"]


@pytest.mark.parametrize("place", [0, -1, slice(2), np.int64(1), None, ("nose", "left_eye")])
def test_what_is_no_name_of_a_keypoint_is_refused_with_what_to_write(place):
    with pytest.raises(UnknownKeypointError) as caught:
        person()[place]
    assert str(caught.value).startswith("the skeleton blazepose-33 has no keypoint ")
    assert caught.value.hint == "by number: pose.keypoints[0]; by name: pose['nose']"
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (str(copied), copied.hint) == (str(caught.value), caught.value.hint)


@pytest.mark.parametrize("skeleton", ["box", "coco-17", "of an IR alone"])
def test_a_box_is_an_empty_mapping_and_someone(skeleton):
    box = Pose(NO_KEYPOINTS, skeleton, 0.5, (0, 0, 1, 1), label="cat")
    assert box
    assert (list(box), len(box), "nose" in box) == ([], 0, False)
    with pytest.raises(UnknownKeypointError):
        box["nose"]
    assert "'cat'" in repr(box)


def test_numpy_takes_poses_as_their_keypoints():
    poses = [person(), person(score=0.5)]
    assert np.array_equal(np.array(poses), np.stack([pose.keypoints for pose in poses]))
    assert np.asarray(poses[0]) is poses[0].keypoints
    assert np.asarray(poses[0], np.float64).dtype == np.float64
    changed = np.array(poses[0])
    changed[:] = 0
    assert poses[0] == person()


def test_poses_are_equal_if_all_that_they_hold_is():
    pose = person()
    assert pose == person() and hash(pose) == hash(person())
    keypoints = pose.keypoints.copy()
    keypoints[0, 0] += 1
    for changes in (
        {"keypoints": keypoints},
        {"score": 0.1},
        {"track_id": 1},
        {"mask": np.zeros((2, 2), np.float32)},
    ):
        assert replace(pose, **changes) != pose
    in_space = Pose3D(
        pose.keypoints, pose.skeleton, pose.score, pose.box, pose.keypoints, pose.keypoints[0]
    )
    assert in_space != pose and in_space == replace(in_space)


def test_a_pose_is_shown_in_a_short_line():
    shown = "<Pose: 33 of 33 keypoints of 'blazepose-33', score 0.9, box 152 50 248 332>"
    assert repr(person()) == shown
    many = np.full((133, 3), 1e30, np.float32)
    long = dict.fromkeys(("skeleton", "label", "people_from"), "\N{PERSONAL COMPUTER}\x00" * 500)
    full = Pose3D(
        many,
        score=1e-9,
        box=(-1e30, float("nan"), 1e30, 123456.789),
        root_relative=many,
        translation=many[0],
        track_id=10**6,
        z=many[:, 0],
        world=many,
        depths=many[:, 0],
        mask=np.zeros((500, 500), np.float32),
        **long,
    )
    assert len(repr(full)) <= 250
