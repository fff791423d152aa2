"""Who is whom follows COCO's rules: the figures that follow from it are those of COCO's tools."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.test_coco_metrics import founds
from fakes.coco import annotations, crowded, person, written
from posezoo import coco
from posezoo.evaluation.bootstrap import NAMES, _PooledMatches, bootstrap_intervals
from posezoo.evaluation.breakdown import score_images, score_keypoints, worst_images
from posezoo.evaluation.coco_matching import match_dataset
from posezoo.evaluation.coco_metrics import compute_coco_metrics

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")

STANDING = np.column_stack([200 + np.arange(17), 100 + 9 * np.arange(17), np.full(17, 2)]).astype(float)


def figures_of(matched):
    """The figures that follow from who was found to be whom, with each picture counted once."""
    every = _PooledMatches(list(matched))
    return dict(zip(NAMES, every.resampled_metrics(np.ones(every.count, np.int64)), strict=True))


def test_the_figures_that_follow_are_those_of_cocos_tools(tmp_path):
    truth, results = crowded(120, people=300, found=2500)
    dataset, found = coco.read_coco_dataset(written(tmp_path, truth), tmp_path), founds(results)
    metrics = compute_coco_metrics(dataset, found)
    for name, value in figures_of(match_dataset(dataset, found)).items():
        assert value == pytest.approx(metrics[name], abs=1e-12), name


def test_so_are_those_of_boxes(tmp_path):
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
    dataset, found = coco.read_coco_dataset(written(tmp_path, truth), tmp_path), founds(results)
    metrics = compute_coco_metrics(dataset, found, boxes=True)
    follow = figures_of(match_dataset(dataset, found, boxes=True))
    for name in ("AP", "AP50", "AP75", "AR"):
        assert follow[name] == pytest.approx(metrics[name], abs=1e-12), name


def test_intervals_hold_the_figure_are_the_same_each_time_and_narrower_with_more_people(tmp_path):
    widths = []
    for images in (20, 320):
        truth, results = crowded(images, people=2 * images, found=8 * images)
        dataset, found = coco.read_coco_dataset(written(tmp_path, truth), tmp_path), founds(results)
        matched = list(match_dataset(dataset, found))
        found_between = bootstrap_intervals(matched, draws=200)
        assert found_between == bootstrap_intervals(matched, draws=200)
        low, high = found_between["AP"]
        assert low < compute_coco_metrics(dataset, found)["AP"] < high
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]


def made(tmp_path):
    """In the first picture one of two is found, and somebody who is not there; in the second nobody is found."""
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
    found = founds(results)
    return dataset, found, list(match_dataset(dataset, found))


def test_a_row_for_each_picture_says_who_was_found_and_who_is_nobody(tmp_path):
    _, _, matched = made(tmp_path)
    first, second, third = score_images(matched)
    assert (first.people, first.found, first.wrong) == (2, 1, 1)
    assert first.similarity == pytest.approx(16 / 17 / 2, abs=1e-3)
    assert (second.people, second.found, second.wrong, second.similarity) == (1, 0, 0, 0.0)
    assert (third.people, third.similarity) == (0, None)
    assert [image.picture.id for image in worst_images((first, second, third), 12)] == [2, 1]


def test_a_row_for_each_keypoint_says_how_often_it_is_right(tmp_path):
    nose, eye, *_ = score_keypoints(*made(tmp_path))
    assert (nose.name, nose.labelled, nose.found, nose.error_px) == ("nose", 3, 0, 60)
    assert (eye.name, eye.labelled, eye.found) == ("left_eye", 3, pytest.approx(1 / 3))
    assert (eye.similarity, eye.error_px) == (pytest.approx(1 / 3), 0)
