"""Each value of a result beside another opinion about the same photo: an annotation, another model, the mirrored photo.

A value can be equal to its publisher's, and its name, side or box can still say something else.
"""

import json
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

import posezoo
from posezoo.poses.keypoints import Pose, pose_similarity
from posezoo.run.images import read_image

pytestmark = pytest.mark.slow

#: The default, whose detector finds boxes, and the threshold that its model.yml declares.
DEFAULT = "movenet-thunder"


@pytest.fixture(scope="module")
def annotated(shared):
    """Each photo with the people whom COCO's annotators marked with five keypoints and more."""
    folder = shared / "data" / "photos"
    known = json.loads((folder / "person_keypoints.json").read_text())
    people = defaultdict(list)
    for each in known["annotations"]:
        if each["num_keypoints"] >= 5 and not each["iscrowd"]:
            people[each["image_id"]].append(each)
    return [(folder / image["file_name"], people[image["id"]]) for image in known["images"]]


@pytest.fixture(scope="module")
def load(npm_mirror, tmp_path_factory):
    """Loads a model of the mirror, whose IR are made once."""
    made = tmp_path_factory.mktemp("made")

    def load(name, **options):
        return posezoo.load(
            name, listener=None, mirror=str(npm_mirror), weights_dir=str(made), **options
        )

    return load


def overlap(one, other):
    """The intersection over union of two boxes."""
    shared = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    common = np.prod(np.maximum(shared, 0))
    areas = [np.prod(np.subtract(box[2:], box[:2])) for box in (one, other)]
    return common / (sum(areas) - common)


def corners(annotation):
    """The annotated box: left, top, right, bottom."""
    x, y, width, height = annotation["bbox"]
    return np.array([x, y, x + width, y + height])


def test_the_box_of_a_person_is_the_annotated_one(annotated, load):
    model = load(DEFAULT)
    overlaps = []
    for photo, people in annotated:
        poses = model(photo)
        for person in people:
            best = max((overlap(np.array(pose.box), corners(person)) for pose in poses), default=0)
            overlaps.append(best)
    found = [each for each in overlaps if each > 0.5]
    assert len(found) > 20 and np.median(found) >= 0.85


def test_a_higher_threshold_only_removes_people(annotated, load):
    models = {score: load(DEFAULT, min_person_score=score) for score in (None, 0.6, 0.8, 0.95)}

    def find(score, photo):
        return {(pose.score, pose.detector_score, pose.box) for pose in models[score](photo)}

    counts = dict.fromkeys(models, 0)
    for photo, _ in annotated:
        found = {score: find(score, photo) for score in models}
        assert found[0.95] <= found[0.8] <= found[0.6] <= found[None], photo.name
        for score in models:
            counts[score] += len(found[score])
    assert counts[None] > counts[0.6] > counts[0.8] >= 1


def test_the_score_is_the_product_of_the_two_beside_it(annotated, load):
    model = load(DEFAULT)
    for photo, _ in annotated:
        for pose in model(photo):
            written = pose.to_json()
            assert written["score"] == pytest.approx(
                written["detector_score"] * written["pose_score"]
            )
            assert 0 <= written["score"] <= 1
            assert all(0 <= keypoint["score"] <= 1 for keypoint in written["keypoints"])


def test_the_same_person_has_the_same_pose_score_in_a_photo_and_in_a_box(annotated, load):
    model = load(DEFAULT)
    compared = 0
    for photo, _ in annotated:
        for pose in model(photo):
            if not pose.people_from:
                (same,) = model(photo, boxes=[pose.box])
                assert same.pose_score == pytest.approx(pose.pose_score, abs=0.05)
                assert same.detector_score is None and same.score == same.pose_score
                compared += 1
    assert compared > 20


def mirrored(pose: Pose, width: float) -> Pose:
    """The pose as it is in the mirrored photo."""
    keypoints = pose.keypoints[list(pose.layout.flip_order)].copy()
    keypoints[:, 0] = width - keypoints[:, 0]
    return replace(pose, keypoints=keypoints)


@pytest.mark.parametrize("name", [DEFAULT, "blazepose-full"])
def test_a_mirrored_photo_has_mirrored_people_with_their_sides_exchanged(annotated, load, name):
    model = load(name)
    similar = []
    for photo, _ in annotated:
        image = read_image(photo)
        there = model(np.ascontiguousarray(image[:, ::-1]))
        for pose in model(image):
            wanted = mirrored(pose, image.shape[1])
            best = max((pose_similarity(wanted, other) for other in there), default=0)
            similar.append(best)
    assert np.median(similar) > 0.7


def side_of_nearest_wrist(people, point):
    """The side of the annotated wrist that is nearest to a point; empty if one of the other side is nearly as near."""
    distances = {"left": np.inf, "right": np.inf}
    for person in people:
        keypoints = np.reshape(person["keypoints"], (17, 3))
        for side, place in (("left", 9), ("right", 10)):
            x, y, is_labeled = keypoints[place]
            if is_labeled:
                distance = np.hypot(x - point[0], y - point[1])
                distances[side] = min(distances[side], distance)
    nearer, farther = sorted(distances, key=distances.get)
    return nearer if 2 * distances[nearer] < distances[farther] else ""


def test_a_hand_has_the_side_of_its_annotated_wrist(annotated, mediapipe, monkeypatch):
    for name, value in mediapipe.items():
        monkeypatch.setenv(name, value)
    model = posezoo.load("hand-landmark-full", listener=None)
    sides = []
    for photo, people in annotated:
        for hand in model(photo):
            if side := side_of_nearest_wrist(people, hand["wrist"]):
                sides.append((hand.label, side))
    assert len(sides) >= 3 and all(ours == annotated for ours, annotated in sides), sides


def test_each_eye_has_the_side_of_the_annotated_eye(annotated, mediapipe, monkeypatch):
    for name, value in mediapipe.items():
        monkeypatch.setenv(name, value)
    model = posezoo.load("iris", listener=None)
    compared = 0
    for photo, people in annotated:
        for eye in model(photo):
            written = eye.to_json()
            assert written["pose_score"] is None and written["keypoint_scores"] == "of the pose"
            for person in people:
                keypoints = np.reshape(person["keypoints"], (17, 3))
                (lx, ly, left), (rx, ry, right) = keypoints[1], keypoints[2]
                apart = np.hypot(lx - rx, ly - ry)
                x, y, _ = eye["iris_center"]
                distances = {"left": np.hypot(lx - x, ly - y), "right": np.hypot(rx - x, ry - y)}
                if left and right and min(distances.values()) < apart / 3:
                    assert eye.label == min(distances, key=distances.get)
                    compared += 1
    assert compared >= 2
