"""Models that a registry does not have, as charts show them for comparison."""

from __future__ import annotations

import re

import pytest

from fakes.zoo import as_yaml, model_yml, write_model
from posezoo.core.errors import SpecError
from posezoo.core.registry import builtin_models_dir
from posezoo.pages.cards.registry_pages import PICTURE, render_pages
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
    assert [model.gflops for model in yolo26.models] == [7.5, 23.9, 73.1, 91.3, 201.7]


def test_a_registry_without_the_file_has_none(tmp_path):
    assert read_outside_references(tmp_path) == ()


@pytest.mark.parametrize("wrong", [{"published_AP": 57.2}, {"gflops": 0}, {"speed": 3}])
def test_a_mistake_is_refused_with_its_line(tmp_path, wrong):
    model = {"name": "one", "published_AP": 0.5, **wrong}
    (tmp_path / NAME).write_text(as_yaml([{**REFERENCE, "models": [model]}]), "utf-8")
    with pytest.raises(SpecError, match=re.escape(NAME)):
        read_outside_references(tmp_path)


OF_ONE = "{pipeline: all, shown: 1}"
FIGURES = "{throughput_fps: 9, latency_p50_ms: 100}"


def test_the_chart_of_published_ap_has_a_line_for_each_and_their_letters_do_not_overlap(tmp_path):
    claim = {"accuracy": [{"metric": "AP", "value": 0.5, "dataset": "COCO"}]}
    for name in ("one", "two"):
        path = write_model(tmp_path / "models", name, model_yml(published=claim))
        speed = (
            f"speed: [{{precision: FP16, machine: M, settings: {OF_ONE}, figures: {FIGURES}}}]\n"
        )
        path.with_name("measured.yml").write_text(speed)
    before = render_pages(tmp_path / "models")[PICTURE]
    (tmp_path / "models" / NAME).write_text(as_yaml([REFERENCE]), "utf-8")
    picture = render_pages(tmp_path / "models")[PICTURE]
    assert "near: " not in before
    assert "Not in this zoo (AGPL-3.0): AP as stated by" in picture
    assert "docs.publisher.invalid, COCO val2017" in picture
    assert re.findall(r">(near|nearer|far): AP ([\d.]+)<", picture) == [
        ("near", "0.700"), ("nearer", "0.701"), ("far", "0.900"),
    ]  # fmt: skip
    letters = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>([ABC])<', picture)
    in_plot = [(float(x), float(y)) for x, y, _ in letters if float(y) < 420]
    assert len(in_plot) == 3
    (ax, ay), (bx, by), (_, cy) = in_plot
    assert abs(ay - by) < 14 < by - cy and ax - bx >= 18
