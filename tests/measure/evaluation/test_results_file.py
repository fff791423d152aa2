"""Files of results in COCO's format, as other programs write them."""

import json

import pytest

from fakes.coco import annotations, crowded, person, read_written, written
from measure.evaluation.test_coco_metrics import pycocotools_says
from posezoo import evaluation
from posezoo.core.errors import DatasetError, EvaluationError
from posezoo.measure.evaluation.results_file import read_results

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")

POINTS = [[20 + 3 * number, 30 + 5 * number, 2] for number in range(17)]


def result(image=1, *, shift=0.0, **changes):
    keypoints = [value for x, y, _ in POINTS for value in (x + shift, y, 0.9)]
    return {"image_id": image, "category_id": 1, "keypoints": keypoints, "score": 0.8, **changes}


@pytest.fixture
def dataset(tmp_path):
    return read_written(tmp_path, annotations(2, [person(1, 1, POINTS), person(2, 2, POINTS)]))


def test_all_metrics_equal_those_of_pycocotools(tmp_path):
    content, results = crowded(120, people=260, found=2400)
    data = read_written(tmp_path, content)
    measured = evaluation.evaluate_results(written(tmp_path, results, "results.json"), data)
    judged = pycocotools_says(data.annotations, results)
    assert {name: measured.figures[name] for name in judged} == judged
    assert measured.count_predictions() == 2400


def of_four_keypoints(**category):
    """Annotations of a paw with four keypoints, whose category has another number."""
    points = [(20, 20, 2), (60, 25, 2), (70, 80, 1), (30, 90, 2)]
    people = [
        {
            "id": number, "image_id": number, "category_id": 7, "iscrowd": 0, "num_keypoints": 4,
            "keypoints": [value for point in points for value in point],
            "bbox": [10, 10, 80, 100], "area": 8000,
        }
        for number in (1, 2)
    ]  # fmt: skip
    names = ["toe", "heel", "thumb", "claw"]
    content = annotations(2, people)
    content["categories"] = [{"id": 7, "name": "paw", "keypoints": names, **category}]
    found = [value for x, y, _ in points for value in (x + 4, y, 0.5)]
    results = [{"image_id": 1, "category_id": 7, "keypoints": found, "score": 0.5}]
    return content, results


def test_other_keypoints_are_compared_with_the_sigmas_of_their_category(tmp_path):
    sigmas = [0.02, 0.03, 0.04, 0.05]
    content, results = of_four_keypoints(sigmas=sigmas)
    data = read_written(tmp_path, content)
    measured = evaluation.evaluate_results(written(tmp_path, results, "results.json"), data)
    as_person = json.loads(
        json.dumps([content, results]).replace('"category_id": 7', '"category_id": 1')
    )
    as_person[0]["categories"][0]["id"] = 1
    judged = pycocotools_says(
        written(tmp_path, as_person[0], "one.json"), as_person[1], sigmas=sigmas
    )
    known = {name: value for name, value in judged.items() if value >= 0}
    assert 0 < known["AP"] < 1
    figures = {name: measured.figures[name] for name in known}
    assert figures == pytest.approx(known, rel=1e-12)


def test_without_sigmas_other_keypoints_are_not_compared(tmp_path):
    content, results = of_four_keypoints()
    data = read_written(tmp_path, content)
    with pytest.raises(EvaluationError, match="sigmas are unknown for toe, heel, thumb, claw"):
        evaluation.evaluate_results(written(tmp_path, results, "results.json"), data)


def test_poses_of_images_that_are_left_out_do_not_count(tmp_path, dataset):
    path = written(tmp_path, [result(1), result(2)], "results.json")
    read = read_results(path, dataset.limited_to(1))
    assert [(image, len(poses)) for image, poses in read.items()] == [(1, 1)]


@pytest.mark.parametrize(
    ("content", "problem", "hint"),
    [
        ({"annotations": []}, "is not a file of COCO results: expected a list", ""),
        ([{"image_id": 1}], r"\[0\] is not a pose: expected image_id, category_id, keypoints", ""),
        ([{**result(), "keypoints": None}], r"\[0\] is not a pose", ""),
        (
            [result(), result(keypoints=[1.0] * 12)],
            r"\[1\]\.keypoints has 12 numbers, and 17 annotated keypoints need 51",
            "in the order of the annotations' category",
        ),
        (
            [result(keypoints=[float("nan")] + [1.0] * 50)],
            r"\[0\]\.keypoints\[0\]: expected a number, got nan",
            "a keypoint that is not found is 0, 0, 0",
        ),
        ([result(category_id=3)], "has no poses of people", "category_id must be 1, as in"),
        ([result(9)], "1 of 1 poses are of images that .* does not list", "such as 1"),
        (
            [result(keypoints=[0.5, 0.25, 0.9] * 17)],
            "all keypoints are from 0 to 1",
            "multiply x by the image's width",
        ),
    ],
)
def test_what_is_no_file_of_results_of_these_images_is_refused(
    tmp_path, dataset, content, problem, hint
):
    path = written(tmp_path, content, "results.json")
    with pytest.raises(DatasetError, match=problem) as caught:
        read_results(path, dataset)
    assert hint in (caught.value.hint or "")
    assert caught.value.problem.startswith(str(path))
