"""The drop of a metric between two evaluations, with its interval."""

import json

import numpy as np
import pytest

from posezoo.measure.coco import read_object_dataset
from posezoo.measure.evaluation import EvaluationResult
from posezoo.measure.evaluation.coco_metrics import compute_coco_metrics
from posezoo.measure.evaluation.image_predictions import ImagePredictions
from posezoo.measure.evaluation.metric_drop import MetricDrop, measure_drop

IMAGES = 30


def annotated(folder):
    """Boxes of two categories in images."""
    rng = np.random.default_rng(0)
    annotations = []
    for image in range(1, IMAGES + 1):
        for category in (3, 7):
            x, y = rng.uniform(0, 100, 2).round(1).tolist()
            entry = {"id": len(annotations) + 1, "image_id": image, "category_id": category}
            annotations.append({**entry, "bbox": [x, y, 40, 50], "area": 2000, "iscrowd": 0})
    content = {
        "images": [{"id": image, "file_name": f"{image}.png"} for image in range(1, IMAGES + 1)],
        "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
        "annotations": annotations,
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path


def evaluated(dataset, *, blur, seed):
    """What a detector finds that misses boxes by some pixels."""
    rng = np.random.default_rng(seed)
    predictions = {}
    for image in dataset.images:
        boxes = np.array([each.bbox for each in image.people]) + rng.normal(0, blur, (2, 4))
        predictions[image.id] = ImagePredictions(
            np.zeros((2, 0, 3)),
            rng.uniform(0.3, 1, 2),
            boxes,
            categories=[each.category for each in image.people],
        )
    figures = compute_coco_metrics(dataset, predictions, boxes=True)
    return EvaluationResult(figures, len(predictions) * 2, dataset, {}, predictions, 0)


@pytest.fixture
def dataset(tmp_path):
    pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")
    return read_object_dataset(annotated(tmp_path), tmp_path)


def test_the_drop_of_boxes_is_that_of_pycocotools_and_within_its_interval(dataset):
    coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    from pycocotools.cocoeval import COCOeval

    before = evaluated(dataset, blur=1, seed=1)
    after = evaluated(dataset, blur=5, seed=2)
    drop = measure_drop(before, after, "AP", of_boxes=True)
    truth = coco.COCO(str(dataset.annotations))
    values = []
    for each in (before, after):
        judge = COCOeval(truth, truth.loadRes(each.to_coco_results()), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
        values.append(judge.stats[0])
    assert drop.drop == pytest.approx(values[0] - values[1], abs=1e-9)
    low, high = drop.interval
    assert 0 < low < drop.drop < high
    assert drop.images == IMAGES


def test_the_same_predictions_drop_by_nothing(dataset):
    before = evaluated(dataset, blur=3, seed=1)
    drop = measure_drop(before, before, "AP", of_boxes=True)
    assert drop.drop == 0 and drop.interval == (0, 0)


def test_a_few_images_without_a_difference_prove_no_small_limit():
    drop = MetricDrop(0.5, 0.5, (0, 0), images=6)
    assert drop.images_to_decide(0.005) == 600
    assert MetricDrop(0.5, 0.5, (0, 0), images=600).images_to_decide(0.005) == 0


def test_more_images_decide_the_closer_the_drop_is_to_the_limit():
    far = MetricDrop(0.5, 0.5, (-0.02, 0.02), images=1000).images_to_decide(0.01)
    near = MetricDrop(0.5, 0.495, (-0.015, 0.025), images=1000).images_to_decide(0.01)
    assert far == 4000 and near == pytest.approx(16000, abs=1)
    assert MetricDrop(0.5, 0.4, (0.08, 0.12), images=1000).images_to_decide(0.01) == 0
