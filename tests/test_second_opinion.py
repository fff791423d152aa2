"""Each value of a result beside another opinion about the same photo: an annotation, another model, the mirrored photo.

A value can be equal to its publisher's, and its name, side or box can still say something else.
"""

import hashlib
import json
from collections import defaultdict
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import posezoo
from conftest import link_by_digest
from fakes.people import likeness
from posezoo.media.images import SAMPLE_PHOTOS

#: The default, whose detector finds boxes, and the threshold that its model.yml declares.
DEFAULT = "movenet-thunder"
#: Models whose weights packages of the index have.
SAMPLED = (DEFAULT, "blazepose-full")


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

    def load(name, precision="FP16", **options):
        where = {"mirror": str(npm_mirror), "weights_dir": str(made)}
        return posezoo.load(name, precision, listener=None, **where, **options)

    return load


@pytest.fixture(scope="module")
def of_samples(mediapipe, tfjs_models, tmp_path_factory):
    """The one person of each sample of the package, as two models of different publishers find it."""
    folder = tmp_path_factory.mktemp("index")
    for file in (*tfjs_models.iterdir(), *Path(mediapipe["POSEZOO_MIRROR"]).glob("1/*/*")):
        link_by_digest(file, folder, hashlib.sha384(file.read_bytes()).hexdigest())
    where = {"mirror": str(folder), "weights_dir": str(folder / "made")}
    first, second = (posezoo.load(name, listener=None, **where) for name in SAMPLED)
    return [(first(photo), second(photo)) for photo in SAMPLE_PHOTOS]


def test_two_models_find_the_same_person_in_each_sample(of_samples):
    for first, second in of_samples:
        ((one,), (other,)) = first, second
        assert overlap(np.array(one.keypoint_box), np.array(other.keypoint_box)) > 0.5
        for pose in (one, other):
            assert 0 <= pose.score <= 1
            assert all(0 <= keypoint["score"] <= 1 for keypoint in pose.to_json()["keypoints"])


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


#: Models with weights that find people with COCO's keypoints, and how their boxes are found.
OF_PEOPLE = (
    DEFAULT,
    "movenet-lightning",
    "movenet-multipose",
    "pp-tinypose-256x192",
    "posenet-mobilenet-v1",
    "human-pose-estimation-0001",
    "blazepose-full",
)


@pytest.fixture(scope="module")
def find(annotated, load):
    """The poses of a model in each photo, found once; with a minimum score of people, or as declared."""

    @cache
    def find(name, score=None):
        precision = "FP16-INT8" if name == "human-pose-estimation-0001" else "FP16"
        model = load(name, precision=precision, options=posezoo.Options(min_person_score=score))
        return [model(photo) for photo, _ in annotated]

    return find


@pytest.mark.parametrize(
    ("name", "least"),
    [
        (DEFAULT, 0.85),
        ("nanodet-g", 0.85),
        ("movenet-multipose", 0.9),
        ("pp-tinypose-256x192", 0.85),
    ],
)
def test_the_box_of_a_person_is_the_annotated_one(annotated, find, name, least):
    overlaps = []
    for poses, (_, people) in zip(find(name), annotated, strict=True):
        for person in people:
            best = max((overlap(np.array(pose.box), corners(person)) for pose in poses), default=0)
            overlaps.append(best)
    found = [each for each in overlaps if each > 0.5]
    assert len(found) > 20 and np.median(found) >= least and np.mean(found) >= least - 0.03


@pytest.mark.parametrize("name", OF_PEOPLE)
def test_the_sides_of_people_are_the_annotated_ones(annotated, find, name):
    """A person is found; with the sides exchanged, fewer keypoints are at their places."""
    named, exchanged = [], []
    for poses, (_, people) in zip(find(name), annotated, strict=True):
        for person in people:
            pose = max(poses, key=lambda each: likeness(each, person), default=None)
            if pose and likeness(pose, person) > 0.5:
                flipped = replace(pose, keypoints=pose.keypoints[list(pose.layout.flip_order)])
                named.append(likeness(pose, person))
                exchanged.append(likeness(flipped, person))
    assert len(named) >= 10
    assert np.mean(named) > np.mean(exchanged) + 0.1


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


@pytest.fixture
def find_hands(mediapipe, monkeypatch):
    for name, value in mediapipe.items():
        monkeypatch.setenv(name, value)
    return posezoo.load("hand-landmark-full", listener=None)


def test_a_hand_has_the_side_of_its_annotated_wrist(annotated, find_hands):
    sides = []
    for photo, people in annotated:
        for hand in find_hands(photo):
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
