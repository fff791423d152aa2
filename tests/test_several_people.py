"""Every page gives one answer to what finds several people, and the answer is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fakes.rows import best_rows
from posezoo.core.registry import open_registry
from posezoo.core.settings import DEFAULT_MODEL
from posezoo.poses.people import people_from
from posezoo.run.advice import FALLBACK_MODEL
from posezoo.run.measurement_selection import MeasurementSelection

ROOT = Path(__file__).parents[1]

#: The page, and how its passage about several people begins.
PASSAGES = {
    "README.md": "| many people in a photo |",
    "docs/accuracy.md": "For photos of several people",
    "docs/tutorials/many_people.md": "For photos of several people",
    "docs/howto/choose_a_model.md": "| many people in a photo |",
    "docs/cli.md": "posezoo run posenet-mobilenet-v1 --input crowd.jpg",
}


@pytest.mark.parametrize("page", PASSAGES)
def test_each_page_names_the_same_model(page):
    passage = (ROOT / page).read_text("utf-8").partition(PASSAGES[page])
    assert passage[1], f"{page} has no such passage"
    assert FALLBACK_MODEL in passage[1] + passage[2].partition("\n\n")[0].partition("\n|")[0]


def test_the_default_model_has_the_highest_ap():
    measured = {row.model: row.values["AP"] for row in best_rows()}
    found = {name: ap.number for name, ap in measured.items() if ap is not None}
    assert max(found, key=lambda name: found[name]) == DEFAULT_MODEL


def test_the_model_for_missed_people_finds_the_most():
    """AR50 is the share of the annotated people that are found with an OKS of 0.5 or more."""
    registry = open_registry()
    found = {
        (model.name, measured.precision): measured.figures["AR50"]
        for model in map(registry.find, registry.entries)
        for measured in MeasurementSelection().select_of_pipeline(model, "accuracy")
        if "AR50" in measured.figures
    }
    of_fp16 = {name: share for (name, precision), share in found.items() if precision == "FP16"}
    best = max(of_fp16, key=lambda name: of_fp16[name])  # run's default precision
    assert best == FALLBACK_MODEL
    assert people_from(registry.find(best)) == ""


def test_the_tutorial_names_the_detector_of_its_model():
    text = (ROOT / "docs" / "tutorials" / "one_person.md").read_text("utf-8")
    (named,) = re.findall(r"posezoo run ([\w.-]+) --input photo.jpg", text)
    assert f"the default detector is `{people_from(open_registry().find(named))}`" in text
