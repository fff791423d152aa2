"""The people of images with several, as COCO's own tools count them."""

import math
from collections import Counter
from functools import partial

import numpy as np
import pytest

from fakes.coco import crowded, written
from measure.evaluation.test_coco_metrics import predictions_of, pycocotools_says
from posezoo.measure import coco
from posezoo.measure.evaluation.breakdown import (
    compute_pck,
    count_ghosts,
    has_duplicate,
    recall_of_groups,
    score_groups,
    score_image,
    share_of_duplicates,
)
from posezoo.measure.evaluation.coco_matching import PooledMatches, match_dataset
from posezoo.measure.evaluation.image_predictions import ImagePredictions

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")


#: Annotations of 40 images, and results.
crowd = partial(crowded, 40, people=100, found=800)


def recall(path, folder, results):
    dataset = coco.read_coco_dataset(path, folder)
    matches = match_dataset(dataset, predictions_of(results))
    return recall_of_groups([score_image(each) for each in matches], 2, math.inf)


def test_people_are_found_by_all_poses_and_ap_counts_the_best_20_of_an_image(tmp_path):
    truth, _ = crowded(1, people=30, found=0)
    results = [
        {
            "image_id": each["image_id"],
            "category_id": 1,
            "keypoints": each["keypoints"],
            "score": 1 - number / 100,
        }
        for number, each in enumerate(truth["annotations"])
    ]
    path = written(tmp_path, truth)
    dataset = coco.read_coco_dataset(path, tmp_path)
    (matches,) = match_dataset(dataset, predictions_of(results))
    score = score_image(matches)
    assert 20 < score.people == score.found
    metrics = PooledMatches([matches]).resampled_metrics(np.ones(1, int))
    judged = pycocotools_says(path, results)
    assert metrics[0] == pytest.approx(judged["AP"]) and judged["AR50"] < 1


def test_the_recall_of_several_people_is_ar50_of_the_images_with_two_or_more(tmp_path):
    truth, results = crowd()
    # As many as count in an image.
    results = [
        row
        for image in range(1, 41)
        for row in [each for each in results if each["image_id"] == image][:20]
    ]
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


def scored(path, folder, results):
    dataset = coco.read_coco_dataset(path, folder)
    matches = tuple(match_dataset(dataset, predictions_of(results)))
    return dataset, matches, tuple(map(score_image, matches))


def test_ghosts_are_the_people_found_in_images_without_people(tmp_path):
    truth, results = crowd()
    shown = {each["image_id"] for each in truth["annotations"]}
    truth["images"] = [each for each in truth["images"] if each["id"] in shown]
    results = [each for each in results if each["image_id"] in shown]
    empty = [{**truth["images"][0], "id": number} for number in (9001, 9002)]
    more = {**truth, "images": [*truth["images"], *empty]}
    ghost = {**results[0], "image_id": 9001}
    found = [*results, {**ghost, "score": 0.9}, {**ghost, "score": 0.1}]

    _, _, before = scored(written(tmp_path, truth), tmp_path, results)
    _, _, after = scored(written(tmp_path, more), tmp_path, found)

    assert count_ghosts(before) is None  # each image has people
    assert count_ghosts(after) == (1.0, 0.5)  # two and none; one of them is sure
    first = score_groups(after)[0]
    assert (first.title, first.images, first.people, first.wrong, first.sure) == ("0", 2, 0, 2, 1)


def test_the_groups_have_all_people_that_count(tmp_path):
    truth, results = crowd()
    _, _, scores = scored(written(tmp_path, truth), tmp_path, results)
    groups = score_groups(scores)
    assert sum(each.people for each in groups) == sum(score.people for score in scores) > 0
    assert sum(each.found for each in groups) == sum(score.found for score in scores)


def test_pck_is_one_for_the_annotations_and_falls_as_keypoints_move_away(tmp_path):
    truth, _ = crowd()
    perfect = [
        {"image_id": each["image_id"], "score": 1.0, "category_id": 1, "keypoints": keypoints}
        for each in truth["annotations"]
        if each["num_keypoints"] and not each["iscrowd"]
        for keypoints in [
            [value if i % 3 < 2 else 1.0 for i, value in enumerate(each["keypoints"])]
        ]
    ]
    _, matches, _ = scored(written(tmp_path, truth), tmp_path, perfect)
    assert compute_pck(predictions_of(perfect), matches) == 1.0

    moved = [
        {**each, "keypoints": [value + 1e4 * (i == 0) for i, value in enumerate(each["keypoints"])]}
        for each in perfect
    ]
    _, matches, _ = scored(written(tmp_path, truth), tmp_path, moved)
    assert compute_pck(predictions_of(moved), matches) < 1.0


SIGMAS = np.full(17, 0.1)


def poses(*shifts, shown=17, height=200.0):
    """Poses of people who stand upright, each moved to the right; the first one has the highest score."""
    upright = np.stack(
        [np.tile([0.0, 40.0], 9)[:17], np.linspace(0, height, 17), np.full(17, 0.9)], 1
    )
    points = np.stack([np.add(upright, (shift, 0, 0)) for shift in shifts])
    points[:, shown:, 2] = 0.05
    scores = np.linspace(0.9, 0.1, len(shifts))
    return ImagePredictions(points, scores, np.zeros((len(shifts), 4)))


@pytest.mark.parametrize(
    ("people", "is_twice"),
    [
        (poses(0), False),
        (poses(0, 100), False),  # beside each other
        (poses(0, 2), True),
        (poses(0, 300, 303), True),
        (poses(0, 2, shown=3), False),  # three keypoints do not say whose they are
    ],
)
def test_two_poses_are_of_one_person_if_what_both_show_is_alike(people, is_twice):
    assert has_duplicate(people, SIGMAS) is is_twice


def test_the_share_of_images_with_a_person_twice_counts_images_and_not_poses(tmp_path):
    truth, _ = crowded(4, people=4, found=0)
    dataset = coco.read_coco_dataset(written(tmp_path, truth), tmp_path)
    found = [poses(0), poses(0, 1, 2, 3), poses(0, 300), poses(0)]
    predictions = {image.id: each for image, each in zip(dataset.images, found, strict=True)}
    assert share_of_duplicates(dataset, predictions) == 0.25
