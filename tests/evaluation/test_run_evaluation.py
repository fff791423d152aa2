"""From a model and a data set to figures: a model may be any callable."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from fakes.coco import annotations, person, written
from posezoo import coco
from posezoo.errors import EvaluationError, OutputError
from posezoo.evaluation import evaluate
from posezoo.pose.keypoints import SKELETONS, Pose

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")

STANDING = np.column_stack([200 + 2 * np.arange(17), 100 + 9 * np.arange(17), np.full(17, 2)]).astype(float)


def moved(x, y=0):
    return STANDING + np.array([x, y, 0])


@pytest.fixture
def dataset(tmp_path):
    """Four pictures with one person each, of whom the picture's grey tells the number."""
    for number in range(1, 5):
        cv2.imwrite(str(tmp_path / f"{number:012}.jpg"), np.full((480, 640, 3), 40 * number, np.uint8))
    people = [person(n, n, moved(10 * n), area=9000) for n in range(1, 5)]
    return coco.read_coco_dataset(written(tmp_path, annotations(4, people)), tmp_path)


class Oracle:
    """Finds everybody where they are, but in the pictures that it gets wrong; counts how often it was asked."""

    def __init__(self, wrong=(), skeleton="coco-17"):
        self.asked, self.wrong, self.skeleton = [], wrong, skeleton

    def __call__(self, image, boxes=None):
        number = round(float(image.mean()) / 40)
        self.asked.append((number, boxes))
        points = moved(10 * number, 900 * (number in self.wrong))
        points[:, 2] = 0.9
        whole = np.zeros((len(SKELETONS[self.skeleton].keypoints), 3), np.float32)
        places = SKELETONS[self.skeleton].coco or range(len(whole))
        for place, point in zip(places, points, strict=False):
            whole[place] = point
        return [Pose(whole, self.skeleton, 0.9 - number / 10, (200.0, 100.0, 300.0, 300.0))]


def test_a_model_that_finds_everybody_has_an_ap_of_1(dataset):
    accuracy = evaluate(Oracle(), dataset)
    assert accuracy.figures["AP"] == pytest.approx(1)
    assert (accuracy.people, len(accuracy.pictures), accuracy.kept) == (4, 4, 0)


def test_one_that_misses_half_of_the_people_finds_half_of_them(dataset):
    accuracy = evaluate(Oracle(wrong=(3, 4)), dataset)
    assert accuracy.figures["AR"] == pytest.approx(0.5)
    assert [picture.found for picture in accuracy.pictures] == [1, 1, 0, 0]
    low, high = accuracy.intervals["AR"]
    assert low < 0.5 < high


def test_keypoints_are_told_by_name_whatever_the_models_skeleton(dataset):
    assert evaluate(Oracle(skeleton="openpose-18"), dataset).figures["AP"] == pytest.approx(1)
    assert evaluate(Oracle(skeleton="blazepose-33"), dataset).figures["AP"] == pytest.approx(1)


def test_a_skeleton_that_lacks_an_annotated_keypoint_is_refused(tmp_path, dataset):
    content = json.loads(dataset.annotations.read_text())
    content["categories"][0]["keypoints"][0] = "tail"
    with pytest.raises(EvaluationError, match="coco-17 does not match the annotations: it has no tail"):
        evaluate(Oracle(), coco.read_coco_dataset(written(tmp_path, content), tmp_path))


def test_results_are_those_that_cocos_tools_take(dataset):
    results = evaluate(Oracle(), dataset.limited_to(1)).to_coco_results()
    assert [set(result) for result in results] == [{"image_id", "category_id", "keypoints", "score"}]
    assert results[0]["image_id"] == 1
    assert len(results[0]["keypoints"]) == 51


def test_a_keypoint_that_is_nowhere_is_one_that_was_not_found(dataset):
    def dizzy(image):
        (pose,) = Oracle()(image)
        pose.keypoints[:5] = np.nan
        return [pose]

    accuracy = evaluate(dizzy, dataset)
    assert 0 < accuracy.figures["AP"] < 1
    assert json.loads(json.dumps(accuracy.to_coco_results(), allow_nan=False))[0]["keypoints"][:3] == [
        0,
        0,
        0,
    ]
    assert accuracy.keypoints[0].found == 0


def test_boxes_are_handed_over_and_a_picture_without_any_is_not_looked_at(dataset):
    oracle = Oracle()
    boxes = {**dataset.annotated_boxes(), 2: ()}
    accuracy = evaluate(oracle, dataset, boxes=boxes)
    assert [number for number, _ in oracle.asked] == [1, 3, 4]
    assert oracle.asked[0][1] == ((10.0, 10.0, 90.0, 170.0, 1.0),)
    assert accuracy.figures["AR"] == pytest.approx(0.75)


def test_a_detector_is_measured_by_its_boxes(dataset):
    accuracy = evaluate(Oracle(), dataset, of_boxes=True)
    assert set(accuracy.figures) >= {"AP", "AP50", "AR"}
    assert accuracy.keypoints == ()
    assert set(accuracy.to_coco_results()[0]) == {"image_id", "category_id", "bbox", "score"}


def test_missing_images_are_counted_and_named_and_left_out_only_when_that_is_said(dataset):
    dataset.pictures[1].path.unlink()
    oracle = Oracle()
    with pytest.raises(EvaluationError, match=r"1 of 4 images are missing: 000000000002.jpg"):
        evaluate(oracle, dataset)
    assert oracle.asked == []
    accuracy = evaluate(oracle, dataset, skip_unreadable=True)
    assert (accuracy.people, list(accuracy.unreadable)) == (3, ["000000000002.jpg"])
    assert accuracy.figures["AP"] == pytest.approx(1)


def test_images_that_cannot_be_read_or_have_another_size_are_told_at_the_end(dataset):
    dataset.pictures[0].path.write_bytes(b"no picture")
    cv2.imwrite(str(dataset.pictures[2].path), np.zeros((640, 480, 3), np.uint8))
    oracle = Oracle()
    with pytest.raises(
        EvaluationError, match=r"2 of 4 images cannot be used: 000000000001.jpg, 000000000003.jpg"
    ):
        evaluate(oracle, dataset)
    assert len(oracle.asked) == 2
    accuracy = evaluate(oracle, dataset, skip_unreadable=True)
    assert accuracy.unreadable["000000000003.jpg"].endswith("is 480x640, the annotations say 640x480")


class Stopped(Exception):
    pass


def test_a_run_that_was_ended_goes_on_where_it_stopped_with_the_same_figures(dataset, tmp_path):
    keep = tmp_path / "kept" / "made.jsonl"

    def tired(image):
        if len(oracle.asked) == 2:
            raise Stopped
        return oracle(image)

    oracle = Oracle(wrong=(2,))
    with pytest.raises(Stopped):
        evaluate(tired, dataset, keep=keep, heading={"model": "a"})
    with open(keep, "a") as stream:
        stream.write('{"id": 3, "file"')  # killed while it wrote
    second = Oracle(wrong=(2,))
    accuracy = evaluate(second, dataset, keep=keep, heading={"model": "a"})
    assert ([number for number, _ in second.asked], accuracy.kept) == ([3, 4], 2)
    third = evaluate(Oracle(), dataset, keep=keep, heading={"model": "a"})
    assert third.kept == 4
    whole = evaluate(Oracle(wrong=(2,)), dataset)
    assert accuracy.figures == third.figures == whole.figures
    assert accuracy.to_coco_results() == whole.to_coco_results()


def test_what_another_model_found_and_pictures_that_changed_are_not_taken_from_before(dataset, tmp_path):
    keep = tmp_path / "made.jsonl"
    evaluate(Oracle(), dataset, keep=keep, heading={"model": "a"})
    cv2.imwrite(str(dataset.pictures[2].path), np.full((480, 640, 3), 121, np.uint8))
    again = Oracle()
    assert evaluate(again, dataset, keep=keep, heading={"model": "a"}).kept == 3
    assert [number for number, _ in again.asked] == [3]
    other = Oracle()
    assert evaluate(other, dataset, keep=keep, heading={"model": "b"}).kept == 0
    assert len(other.asked) == 4


def test_two_runs_that_keep_in_one_file_do_not_mix(dataset, tmp_path):
    keep = tmp_path / "made.jsonl"

    def second_run(image):
        return evaluate(Oracle(), dataset, keep=keep)

    with pytest.raises(OutputError, match="another run keeps it locked"):
        evaluate(second_run, dataset, keep=keep)


def test_progress_is_told_for_every_picture(dataset):
    told = []
    evaluate(Oracle(), dataset, name="oracle", listener=told.append)
    assert [(each.model, each.images, each.total) for each in told] == [("oracle", n, 4) for n in range(1, 5)]


def test_a_set_with_nobody_to_find_is_refused_before_the_model_is_asked(tmp_path):
    path = written(tmp_path, annotations(1, [person(1, 1, np.zeros((17, 3)))]))
    oracle = Oracle()
    with pytest.raises(EvaluationError, match="nobody to measure on"):
        evaluate(oracle, coco.read_coco_dataset(path, tmp_path))
    assert oracle.asked == []
