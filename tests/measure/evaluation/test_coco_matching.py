"""Matches follow COCO's rules: their metrics equal those of COCO's tools."""

import numpy as np
import pytest

from fakes.coco import annotations, crowded, person, read_written, written
from measure.evaluation.test_coco_metrics import predictions_of, pycocotools_says
from posezoo.measure import coco
from posezoo.measure.evaluation.breakdown import score_image, score_keypoints, worst_images
from posezoo.measure.evaluation.coco_matching import (
    NAMES,
    PooledMatches,
    bootstrap_intervals,
    match_dataset,
)
from posezoo.measure.evaluation.coco_metrics import compute_coco_metrics

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")

STANDING = np.column_stack([200 + np.arange(17), 100 + 9 * np.arange(17), np.full(17, 2)]).astype(
    float
)


def metrics_of(matches):
    """The metrics that follow from the matches, with each image counted once."""
    matches = list(matches)
    weights = np.ones(len(matches), np.int64)
    return dict(zip(NAMES, PooledMatches(matches).resampled_metrics(weights), strict=True))


def test_the_metrics_of_matched_boxes_equal_those_of_cocos_tools(tmp_path):
    truth, _ = crowded(40, people=120, found=1)
    random = np.random.default_rng(1)
    results = [
        {
            "image_id": each["image_id"],
            "bbox": (np.array(each["bbox"]) * random.normal(1, 0.1, 4)).tolist(),
            "score": s,
        }
        for each in truth["annotations"]
        for s in random.uniform(0, 1, 2)
    ]
    dataset, found = (
        read_written(tmp_path, truth),
        predictions_of(results),
    )
    metrics = compute_coco_metrics(dataset, found, boxes=True)
    follow = metrics_of(match_dataset(dataset, found, boxes=True))
    for name in ("AP", "AP50", "AP75", "AR"):
        assert follow[name] == pytest.approx(metrics[name], abs=1e-12), name


def test_intervals_contain_the_metric_are_reproducible_and_narrow_with_more_people(tmp_path):
    widths = []
    for images in (20, 320):
        truth, results = crowded(images, people=2 * images, found=8 * images)
        dataset, found = (
            read_written(tmp_path, truth),
            predictions_of(results),
        )
        matches = list(match_dataset(dataset, found))
        intervals = bootstrap_intervals(matches)
        if images == 20:
            assert intervals == bootstrap_intervals(matches)
        low, high = intervals["AP"]
        assert low < compute_coco_metrics(dataset, found)["AP"] < high
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]


def test_a_resampled_data_set_has_the_metrics_that_pycocotools_computes_for_it(tmp_path):
    truth, results = crowded(30, people=80, found=500)
    random = np.random.default_rng(3)
    for result in results:  # without ties: pycocotools orders equal scores by image
        result["score"] = float(random.uniform())
    dataset = read_written(tmp_path, truth)
    pooled = PooledMatches(list(match_dataset(dataset, predictions_of(results))))
    for _ in range(5):
        repeats = random.multinomial(30, np.full(30, 1 / 30))
        assert (repeats == 0).any()
        assert (repeats > 1).any()
        copies = [image for image, count in enumerate(repeats, 1) for _ in range(count)]
        people = [
            {**each, "image_id": copy}
            for copy, image in enumerate(copies, 1)
            for each in truth["annotations"]
            if each["image_id"] == image
        ]
        resampled = annotations(
            30, [{**each, "id": number} for number, each in enumerate(people, 1)]
        )
        found = [
            {**each, "image_id": copy}
            for copy, image in enumerate(copies, 1)
            for each in results
            if each["image_id"] == image
        ]
        expected = pycocotools_says(written(tmp_path, resampled, "resampled.json"), found)
        for name, value in zip(NAMES, pooled.resampled_metrics(repeats), strict=True):
            assert value == pytest.approx(expected[name], abs=1e-12), name


def small_dataset(tmp_path):
    """In the first image one of two people is found, and one prediction is wrong; in the second none is found."""
    away = STANDING + np.array([300, 0, 0])
    people = [
        person(1, 1, STANDING, area=9000),
        person(2, 1, away, area=9000),
        person(3, 2, STANDING, area=9000),
    ]
    dataset = coco.read_coco_dataset(written(tmp_path, annotations(3, people)), tmp_path)
    seen = STANDING.copy()
    seen[0, :2] += (60, 0)  # the nose is far off
    nowhere = STANDING + np.array([0, 5000, 0])
    results = [
        {"image_id": 1, "keypoints": seen.tolist(), "score": 0.9},
        {"image_id": 1, "keypoints": nowhere.tolist(), "score": 0.8},
    ]
    found = predictions_of(results)
    return dataset, found, list(match_dataset(dataset, found))


def test_an_image_score_counts_found_people_and_wrong_predictions(tmp_path):
    _, _, matches = small_dataset(tmp_path)
    first, second, third = map(score_image, matches)
    assert (first.people, first.found, first.wrong) == (2, 1, 1)
    assert first.similarity == pytest.approx(16 / 17 / 2, abs=1e-3)
    assert (second.people, second.found, second.wrong, second.similarity) == (1, 0, 0, 0.0)
    assert (third.people, third.similarity) == (0, None)
    assert [score.image.id for score in worst_images((first, second, third), 12)] == [2, 1]


def test_a_keypoint_score_says_how_often_the_keypoint_is_right(tmp_path):
    nose, eye, *_ = score_keypoints(*small_dataset(tmp_path))
    assert (nose.name, nose.labelled, nose.found, nose.error_px) == ("nose", 3, 0, 60)
    assert (eye.name, eye.labelled, eye.found) == ("left_eye", 3, pytest.approx(1 / 3))
    assert (eye.similarity, eye.error_px) == (pytest.approx(1 / 3), 0)
