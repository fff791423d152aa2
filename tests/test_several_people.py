"""Every page gives one answer to what finds several people, and the answer is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from posezoo.facts.comparison import select_accuracy, select_pipeline_speed
from posezoo.measured import Measurement
from posezoo.pipeline.load import FALLBACK_MODEL
from posezoo.registry import open_registry
from posezoo.resolve.people import people_from
from posezoo.settings import DEFAULT_MODEL
from posezoo.spec.model import Model

ROOT = Path(__file__).parents[1]

#: The page, and how its passage about several people begins.
PASSAGES = {
    "README.md": "For photos of several people",
    "docs/tutorials/many_people.md": "For photos of several people",
    "docs/howto/choose_a_model.md": "| several people |",
    "docs/cli.md": "posezoo run posenet-mobilenet-v1 --input crowd.jpg",
}


def is_pose_model(model: Model) -> bool:
    return model.task == "human_pose_estimation"


@pytest.mark.parametrize("page", PASSAGES)
def test_each_page_names_the_same_model(page):
    passage = (ROOT / page).read_text("utf-8").partition(PASSAGES[page])
    assert passage[1], f"{page} has no such passage"
    assert FALLBACK_MODEL in passage[1] + passage[2].partition("\n\n")[0].partition("\n|")[0]


def measured_accuracy() -> dict[str, Measurement]:
    """What was measured of each pose model, by its name."""
    registry = open_registry()
    models = map(registry.find, registry.entries)
    pairs = ((model.name, select_accuracy(model)) for model in models if is_pose_model(model))
    return {name: measured for name, measured in pairs if measured is not None}


def test_the_default_model_has_the_highest_ap():
    measured = measured_accuracy()
    assert max(measured, key=lambda name: measured[name].figures["AP"]) == DEFAULT_MODEL


def test_the_model_for_missed_people_finds_the_most():
    """AR50 is the share of the annotated people that are found with an OKS of 0.5 or more."""
    measured = measured_accuracy()
    assert max(measured, key=lambda name: measured[name].figures["AR50"]) == FALLBACK_MODEL
    assert people_from(open_registry().find(FALLBACK_MODEL)) == ""


def test_the_models_for_a_slow_machine_are_the_fastest_of_the_table():
    text = (ROOT / "docs" / "howto" / "choose_a_model.md").read_text("utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith("| a slow machine")]
    named = set(re.findall(r"`([a-z][\w.-]+)`", row))
    registry, speeds = open_registry(), {}
    for model in map(registry.find, registry.entries):
        accuracy = select_accuracy(model) if is_pose_model(model) else None
        speed = select_pipeline_speed(model, accuracy.precision) if accuracy else None
        if speed is not None:
            speeds[model.name] = speed.figures["throughput_fps"]
    fastest = sorted(speeds, key=lambda name: -speeds[name])[: len(named)]
    assert named == set(fastest)


def test_the_tutorial_names_the_detector_of_its_model():
    text = (ROOT / "docs" / "tutorials" / "one_person.md").read_text("utf-8")
    (named,) = re.findall(r"posezoo run ([\w.-]+) --input photo.jpg", text)
    assert f"the default detector is `{people_from(open_registry().find(named))}`" in text
