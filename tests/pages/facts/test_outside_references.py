"""Models that a registry does not have, as charts show them for comparison."""

import re

import pytest

from fakes.zoo import as_yaml
from posezoo.core.errors import SpecError
from posezoo.core.registry import builtin_models_dir
from posezoo.pages.facts.outside_references import NAME, read_outside_references

REFERENCE = {
    "license": "AGPL-3.0",
    "source": "https://docs.publisher.invalid/models",
    "protocol": "COCO val2017",
    "models": [
        {"name": "near", "published_AP": 0.7, "gflops": 7.5},
        {"name": "nearer", "published_AP": 0.701},
        {"name": "far", "published_AP": 0.9},
    ],
}


def test_the_figures_are_those_that_the_publisher_states():
    (yolo26,) = read_outside_references(builtin_models_dir())
    assert (yolo26.license, yolo26.publisher) == ("AGPL-3.0", "docs.ultralytics.com")
    # https://docs.ultralytics.com/datasets/pose/coco/
    assert [model.published_AP for model in yolo26.models] == [0.572, 0.63, 0.688, 0.704, 0.716]
    assert [model.figures["gflops"] for model in yolo26.models] == [7.5, 23.9, 73.1, 91.3, 201.7]


@pytest.mark.parametrize("wrong", [{"gflops": 0}, {"speed": 3}])
def test_a_mistake_is_refused_with_its_line(tmp_path, wrong):
    model = {"name": "one", "published_AP": 0.5, **wrong}
    (tmp_path / NAME).write_text(as_yaml([{**REFERENCE, "models": [model]}]), "utf-8")
    with pytest.raises(SpecError, match=re.escape(NAME)):
        read_outside_references(tmp_path)
