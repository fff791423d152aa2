"""posezoo dataset: what is in a set, and that nothing is fetched before its terms are accepted."""

import numpy as np
import pytest

from fakes.coco import annotations, person, written
from fakes.command import json_of, posezoo, refusal, succeeded

SEEN = np.column_stack([np.arange(17), np.arange(17) + 100, np.full(17, 2)])


def test_info_counts_people_and_keypoints_and_tells_the_licenses(shared):
    photos = shared / "data" / "photos"
    said = json_of(
        succeeded(
            posezoo(
                "dataset",
                "info",
                "--annotations",
                photos / "person_keypoints.json",
                "--images",
                photos,
                "--format",
                "json",
            )
        )
    )
    assert (said["pictures"], said["people"], said["without_keypoints"], said["crowds"]) == (
        17,
        44,
        42,
        3,
    )
    assert said["missing"] == []
    assert sum(each["pictures"] for each in said["licenses"]) == 17
    assert {each["name"] for each in said["licenses"]} == {
        "Attribution License",
        "Attribution-ShareAlike License",
    }
    assert said["labelled"]["nose"] == 24


def test_info_counts_everybody_once_if_the_category_has_no_keypoints(tmp_path):
    content = annotations(1, [person(1, 1, SEEN), person(2, 1, SEEN)])
    content["categories"] = [{"id": 1, "name": "person"}]
    for each in content["annotations"]:
        del each["keypoints"], each["num_keypoints"]
    (tmp_path / "000000000001.jpg").touch()
    path = written(tmp_path, content)
    told = succeeded(posezoo("dataset", "info", "--annotations", path, "--images", tmp_path))
    assert "people       2, 0 more without keypoints, 0 crowds\n" in told.stdout


def test_info_lists_every_missing_image_and_ends_with_1(tmp_path):
    path = written(tmp_path, annotations(3, [person(1, 1, SEEN)]))
    (tmp_path / "000000000002.jpg").touch()
    told = posezoo("dataset", "info", "--annotations", path, "--images", tmp_path)
    assert told.returncode == 1
    assert told.stdout.splitlines()[-2:] == [
        "missing: 000000000001.jpg",
        "missing: 000000000003.jpg",
    ]
    assert "Attribution License: 3 images" in told.stdout


def test_nothing_is_downloaded_before_the_terms_are_accepted(tmp_path):
    said = refusal(posezoo("dataset", "get", "coco-val2017", "-o", tmp_path / "coco"))
    assert "Creative Commons Attribution 4.0" in said
    assert "1,068.5 MB are downloaded only on these terms" in said
    assert "--accept_terms" in said
    assert not (tmp_path / "coco").exists()


def test_an_unknown_set_is_said_with_the_nearest_name():
    assert "did you mean coco-val2017?" in refusal(posezoo("dataset", "get", "coco-val2071"))


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("get",), "posezoo dataset get NAME, or posezoo dataset info"),
        (("info", "coco-val2017"), "posezoo dataset get NAME, or posezoo dataset info"),
        (("put",), "invalid choice: 'put'"),
        (("info", "--images", "a"), "--images requires --annotations"),
    ],
)
def test_flags_that_do_not_go_together_are_wrong_usage(args, problem):
    assert problem in refusal(posezoo("dataset", *args), code=2)
