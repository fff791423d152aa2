"""The metrics equal those of pycocotools to the last digit."""

import contextlib
import copy
import io

import numpy as np
import pytest

from fakes.coco import annotations, crowded, person, read_written, written
from posezoo.core.errors import EvaluationError
from posezoo.measure import coco
from posezoo.measure.evaluation.coco_metrics import (
    BOX_METRICS,
    KEYPOINT_METRICS,
    compute_coco_metrics,
)
from posezoo.measure.evaluation.image_predictions import ImagePredictions

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")


def pycocotools_says(path, results, kind="keypoints", sigmas=()):
    """The metrics of COCO's own tools, by our names."""
    evaluator = pytest.importorskip("pycocotools.cocoeval", reason="needs pycocotools")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = pytest.importorskip("pycocotools.coco").COCO(str(path))
        evaluation = evaluator.COCOeval(truth, truth.loadRes(copy.deepcopy(results)), kind)
        evaluation.params.catIds = [1]
        if len(sigmas):
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    if kind == "keypoints":
        return dict(zip(KEYPOINT_METRICS, evaluation.stats.tolist(), strict=True))
    stats = evaluation.stats.tolist()
    return dict(zip(BOX_METRICS, [*stats[:6], *stats[8:]], strict=True))


def predictions_of(results):
    """Results, as COCO's files have them, by image."""
    by_image = {}
    for result in results:
        by_image.setdefault(result["image_id"], []).append(result)
    return {
        image: ImagePredictions(
            np.array([each.get("keypoints", []) for each in those]).reshape(len(those), -1, 3),
            np.array([each["score"] for each in those]),
            np.array([each.get("bbox", [0, 0, 0, 0]) for each in those], float),
        )
        for image, those in by_image.items()
    }


def test_all_ten_metrics_equal_those_of_pycocotools_on_difficult_images(tmp_path):
    truth, results = crowded(120, people=260, found=2400)
    path = written(tmp_path, truth)
    per_image = np.bincount([result["image_id"] for result in results])
    assert per_image.max() > 20
    assert any(each["iscrowd"] for each in truth["annotations"])
    assert any(not each["num_keypoints"] for each in truth["annotations"])
    assert len({result["score"] for result in results}) < len(results) / 10
    assert compute_coco_metrics(
        coco.read_coco_dataset(path, tmp_path), predictions_of(results)
    ) == pycocotools_says(path, results)


def test_the_metrics_equal_those_of_pycocotools_on_real_photos(shared):
    photos = shared / "data" / "photos"
    path = photos / "person_keypoints.json"
    dataset, random = coco.read_coco_dataset(path, photos), np.random.default_rng(4)
    results = [
        {
            "image_id": image.id,
            "category_id": 1,
            "keypoints": (person.keypoints + random.normal(0, (spread, spread, 0), (17, 3)))
            .ravel()
            .tolist(),
            "score": float(random.uniform()),
        }
        for image in dataset.images
        for person in image.people
        for spread in (2, 8)
        if person.num_keypoints
    ]
    metrics = compute_coco_metrics(dataset, predictions_of(results))
    assert metrics == pycocotools_says(path, results)
    assert 0.2 < metrics["AP"] < 0.9


def test_the_metrics_of_boxes_equal_those_of_pycocotools(tmp_path):
    truth, results = crowded(200, people=500, found=4000)
    random = np.random.default_rng(3)
    boxes = []
    for each, true in zip(results, random.choice(truth["annotations"], len(results)), strict=False):
        box = np.array(true["bbox"]) * random.normal(1, 0.05, 4)
        boxes.append(
            {
                "image_id": true["image_id"],
                "category_id": 1,
                "bbox": box.tolist(),
                "score": each["score"],
            }
        )
    path = written(tmp_path, truth)
    ours = compute_coco_metrics(
        coco.read_coco_dataset(path, tmp_path), predictions_of(boxes), boxes=True
    )
    assert ours == pycocotools_says(path, boxes, "bbox")
    assert 0.1 < ours["AP"] < 1


def test_a_dataset_without_people_is_refused(tmp_path):
    path = written(tmp_path, annotations(1, [person(1, 1, np.zeros((17, 3)))]))
    with pytest.raises(EvaluationError, match="no person to evaluate"):
        compute_coco_metrics(coco.read_coco_dataset(path, tmp_path), {})


def test_keypoints_without_a_known_sigma_are_refused_by_name(tmp_path):
    content = annotations(1, [person(1, 1, np.full((17, 3), 2))])
    content["categories"] = [
        {**content["categories"][0], "keypoints": [f"tail_{i}" for i in range(17)]}
    ]
    with pytest.raises(EvaluationError, match="tail_0, tail_1"):
        compute_coco_metrics(read_written(tmp_path, content), {})
