"""The people of images with several, as COCO's own tools count them."""

from __future__ import annotations

from collections import Counter

import pytest

from fakes.coco import crowded, written
from measure.evaluation.test_coco_metrics import predictions_of, pycocotools_says
from posezoo.measure import coco
from posezoo.measure.evaluation.breakdown import recall_of_several, score_image
from posezoo.measure.evaluation.coco_matching import match_dataset

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")


def recall(path, folder, results) -> float | None:
    dataset = coco.read_coco_dataset(path, folder)
    matches = match_dataset(dataset, predictions_of(results))
    return recall_of_several([score_image(each) for each in matches])


def test_the_recall_of_several_people_is_ar50_of_the_images_with_two_or_more(tmp_path):
    truth, results = crowded()
    counted = Counter(
        each["image_id"]
        for each in truth["annotations"]
        if each["num_keypoints"] and not each["iscrowd"]
    )
    several = {image for image, people in counted.items() if people > 1}
    assert 0 < len(several) < len(truth["images"])
    chosen = {
        **truth,
        "images": [each for each in truth["images"] if each["id"] in several],
        "annotations": [each for each in truth["annotations"] if each["image_id"] in several],
    }
    judged = pycocotools_says(
        written(tmp_path, chosen), [each for each in results if each["image_id"] in several]
    )
    assert recall(written(tmp_path, truth), tmp_path, results) == pytest.approx(judged["AR50"])


def test_without_an_image_of_several_people_there_is_no_such_recall(tmp_path):
    truth, results = crowded()
    first = {each["image_id"]: each for each in reversed(truth["annotations"])}
    alone = {**truth, "annotations": [{**each, "id": key + 1} for key, each in first.items()]}
    assert recall(written(tmp_path, alone), tmp_path, results) is None
