"""From a model and a data set to metrics; a model may be any callable."""

import json

import cv2
import numpy as np
import pytest

from fakes.coco import annotations, person, read_written, written
from fakes.command import read_json
from posezoo.core.errors import EvaluationError, OutputError
from posezoo.core.events import WarningIssued
from posezoo.measure import coco
from posezoo.measure.evaluation import evaluate
from posezoo.poses.keypoints import SKELETONS, Pose, coco_order, from_pixel_indices

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")

STANDING = np.column_stack(
    [200 + 2 * np.arange(17), 100 + 9 * np.arange(17), np.full(17, 2)]
).astype(float)


def moved(x, y=0):
    return STANDING + np.array([x, y, 0])


@pytest.fixture
def dataset(tmp_path):
    """Four images with one person each; the grey level of an image is 40 times its number."""
    for number in range(1, 5):
        cv2.imwrite(
            str(tmp_path / f"{number:012}.jpg"), np.full((480, 640, 3), 40 * number, np.uint8)
        )
    people = [person(n, n, moved(10 * n), area=9000) for n in range(1, 5)]
    return coco.read_coco_dataset(written(tmp_path, annotations(4, people)), tmp_path)


class Oracle:
    """Finds every person exactly, except in the images of ``wrong``; records its calls in ``asked``."""

    def __init__(self, wrong=(), skeleton="coco-17"):
        self.asked, self.wrong, self.skeleton = [], wrong, skeleton

    def __call__(self, image, boxes=None):
        number = round(float(image.mean()) / 40)
        self.asked.append((number, boxes))
        points = from_pixel_indices(moved(10 * number, 900 * (number in self.wrong)))
        points[:, 2] = 0.9
        whole = np.zeros((len(SKELETONS[self.skeleton].keypoints), 3), np.float32)
        places = coco_order(SKELETONS[self.skeleton]) or range(len(whole))
        for place, point in zip(places, points, strict=False):
            whole[place] = point
        return [Pose(whole, self.skeleton, 0.9 - number / 10, (200.0, 100.0, 300.0, 300.0))]


def test_a_perfect_model_has_an_ap_of_1(dataset):
    result = evaluate(Oracle(), dataset)
    assert result.figures["AP"] == pytest.approx(1)
    assert (result.people, len(result.image_scores), result.cached_count) == (4, 4, 0)


def test_keypoints_are_matched_by_name_whatever_the_models_skeleton(dataset):
    assert evaluate(Oracle(skeleton="openpose-18"), dataset).figures["AP"] == pytest.approx(1)
    assert evaluate(Oracle(skeleton="blazepose-33"), dataset).figures["AP"] == pytest.approx(1)


def test_a_skeleton_that_lacks_an_annotated_keypoint_is_refused(tmp_path, dataset):
    content = read_json(dataset.annotations)
    content["categories"][0]["keypoints"][0] = "neck"
    with pytest.raises(
        EvaluationError, match="coco-17 does not match the annotations: it has no neck"
    ):
        evaluate(Oracle(), read_written(tmp_path, content))


def test_results_state_the_pixels_that_were_annotated(dataset):
    (result, *_) = evaluate(Oracle(), dataset).to_coco_results()
    stated = np.reshape(result["keypoints"], (17, 3))
    (person,) = dataset.images[0].people
    assert np.array_equal(stated[:, :2], person.keypoints[:, :2])


def test_a_keypoint_without_finite_coordinates_counts_as_not_found(dataset):
    def dizzy(image):
        (pose,) = Oracle()(image)
        pose.keypoints[:5] = np.nan
        return [pose]

    result = evaluate(dizzy, dataset)
    assert 0 < result.figures["AP"] < 1
    assert json.loads(json.dumps(result.to_coco_results(), allow_nan=False))[0]["keypoints"][
        :3
    ] == [
        0,
        0,
        0,
    ]
    assert result.keypoint_scores[0].found == 0


def test_boxes_are_passed_on_and_an_image_without_boxes_is_not_predicted(dataset):
    oracle = Oracle()
    boxes = {**dataset.annotated_boxes(), 2: ()}
    result = evaluate(oracle, dataset, boxes=boxes)
    assert [number for number, _ in oracle.asked] == [1, 3, 4]
    assert oracle.asked[0][1] == ((10.0, 10.0, 90.0, 170.0, 1.0),)
    assert result.figures["AR"] == pytest.approx(0.75)


def test_a_detector_is_evaluated_by_its_boxes(dataset):
    result = evaluate(Oracle(), dataset, of_boxes=True)
    assert set(result.figures) >= {"AP", "AP50", "AR"}
    assert result.keypoint_scores == ()
    assert set(result.to_coco_results()[0]) == {"image_id", "category_id", "bbox", "score"}


def test_missing_images_are_refused_by_name_and_left_out_only_on_request(dataset):
    dataset.images[1].path.unlink()
    oracle = Oracle()
    with pytest.raises(EvaluationError, match=r"1 of 4 images are missing: 000000000002.jpg"):
        evaluate(oracle, dataset)
    assert oracle.asked == []
    result = evaluate(oracle, dataset, skip_unreadable=True)
    assert (result.people, list(result.unreadable)) == (3, ["000000000002.jpg"])
    assert result.figures["AP"] == pytest.approx(1)


def test_unreadable_images_and_images_of_another_size_are_reported_at_the_end(dataset):
    dataset.images[0].path.write_bytes(b"no picture")
    cv2.imwrite(str(dataset.images[2].path), np.zeros((640, 480, 3), np.uint8))
    oracle = Oracle()
    with pytest.raises(
        EvaluationError, match=r"2 of 4 images cannot be used: 000000000001.jpg, 000000000003.jpg"
    ):
        evaluate(oracle, dataset)
    assert len(oracle.asked) == 2
    result = evaluate(oracle, dataset, skip_unreadable=True)
    assert result.unreadable["000000000003.jpg"].endswith("is 480x640, the annotations say 640x480")


class Stopped(Exception):
    pass


def test_an_interrupted_run_continues_where_it_stopped_with_the_same_metrics(dataset, tmp_path):
    keep = tmp_path / "kept" / "made.jsonl"

    def tired(image):
        if len(oracle.asked) == 2:
            raise Stopped
        return oracle(image)

    oracle = Oracle(wrong=(2,))
    with pytest.raises(Stopped):
        evaluate(tired, dataset, keep=keep, heading={"model": "a"})
    with open(keep, "a", encoding="utf-8") as stream:
        stream.write('\n{"id": 3, "file"')  # killed while it wrote
    second = Oracle(wrong=(2,))
    result = evaluate(second, dataset, keep=keep, heading={"model": "a"})
    assert ([number for number, _ in second.asked], result.cached_count) == ([3, 4], 2)
    third = evaluate(Oracle(), dataset, keep=keep, heading={"model": "a"})
    assert third.cached_count == 4
    whole = evaluate(Oracle(wrong=(2,)), dataset)
    assert result.figures == third.figures == whole.figures
    assert result.to_coco_results() == whole.to_coco_results()


def test_predictions_of_another_model_or_of_a_changed_image_are_not_reused(dataset, tmp_path):
    keep = tmp_path / "made.jsonl"
    evaluate(Oracle(), dataset, keep=keep, heading={"model": "a"})
    cv2.imwrite(str(dataset.images[2].path), np.full((480, 640, 3), 121, np.uint8))
    again = Oracle()
    assert evaluate(again, dataset, keep=keep, heading={"model": "a"}).cached_count == 3
    assert [number for number, _ in again.asked] == [3]
    other = Oracle()
    assert evaluate(other, dataset, keep=keep, heading={"model": "b"}).cached_count == 0
    assert len(other.asked) == 4


def test_two_runs_do_not_share_one_file_of_predictions(dataset, tmp_path):
    keep = tmp_path / "made.jsonl"

    def second_run(image):
        return evaluate(Oracle(), dataset, keep=keep)

    with pytest.raises(OutputError, match="another run keeps it locked"):
        evaluate(second_run, dataset, keep=keep)


def test_images_whose_people_are_not_annotated_are_left_out_with_a_warning(dataset):
    content = read_json(dataset.annotations)
    content["annotations"].pop()
    content["images"][3]["is_labeled"] = False
    written(dataset.folder, content)
    received = []
    frames = coco.read_coco_dataset(dataset.annotations, dataset.folder)
    result = evaluate(Oracle(), frames, listener=received.append)
    assert (len(result.dataset.images), result.people) == (3, 3)
    assert "ghosts" not in result.figures
    (warning,) = (event.message for event in received if isinstance(event, WarningIssued))
    assert warning.endswith("is_labeled is false for 1 of 4 images, which are left out")
    for image in content["images"]:
        image["is_labeled"] = False
    written(dataset.folder, content)
    with pytest.raises(EvaluationError, match="is_labeled is false for 4 of 4 images"):
        evaluate(Oracle(), coco.read_coco_dataset(dataset.annotations, dataset.folder))


def test_a_dataset_without_people_is_refused_before_the_model_runs(tmp_path):
    path = written(tmp_path, annotations(1, [person(1, 1, np.zeros((17, 3)))]))
    oracle = Oracle()
    with pytest.raises(EvaluationError, match="no person to evaluate"):
        evaluate(oracle, coco.read_coco_dataset(path, tmp_path))
    assert oracle.asked == []
