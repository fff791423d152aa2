"""No verb and no page states a figure of a model that its record does not give."""

import json
import re
from collections.abc import Iterator

import pytest

from fakes.checkout import ROOT
from fakes.command import posezoo
from fakes.rows import best_rows, every_row
from posezoo.console.labels import format_ap, format_figure, format_megabytes
from posezoo.core.declarations.model import WHOLE_IMAGE
from posezoo.core.registry import open_registry
from posezoo.figures.comparison import MetricSource
from posezoo.figures.measured import measurements_of
from posezoo.figures.recommendation import LATENCIES

ROWS = {row.model: row for row in best_rows()}
ALL_ROWS = {(row.model, row.precision.value, row.target_size): row for row in every_row()}

BY_NAME = {row.name: row for row in every_row()}
#: Columns of figures of people in the index.
PEOPLE_KEYS = ("AR50_single", "AR50_several", "ghosts")

#: Of a model, what is stated, and what its record gives.
Pairs = Iterator[tuple[str, object, object]]


def value(row, key):
    metric = row.values[key]
    return None if metric is None else metric.number


def of_list():
    for model in json.loads(posezoo("list", "--format", "json").stdout):
        row = ROWS[model["name"]]
        yield row.model, model["download_bytes"], value(row, "transfer_bytes")


def of_info():
    for model in json.loads(posezoo("info", "--all", "--format", "json").stdout):
        row = ROWS[model["name"]]
        yield row.model, model["download_bytes"], value(row, "transfer_bytes")


def of_cards():
    for card in (ROOT / "models").glob("*/*/README.md"):
        row = ROWS[card.parent.name]
        text = card.read_text("utf-8")
        ((size, people),) = re.findall(
            r"^\| Download \| (.* MB)(?:, with )?(.*) \|$", text, re.MULTILINE
        )
        if transferred := value(row, "transfer_bytes"):
            yield row.model, size, format_megabytes(transferred)
        yield row.model, people or "the model", row.pipeline.people_from
        if not row.pipeline.model.task.startswith("human_pose_estimation"):
            continue  # the record has no AP of boxes
        measured = re.findall(
            r"^\| Average Precision \(AP\) \| (.*) \(measured by posezoo: 17 images of"
            r" person\\_keypoints, ([A-Z0-9-]+) in [\w,]+(?:, people from (.*))?\) \|$",
            text,
            re.MULTILINE,
        )
        yield row.model, len(measured), int(row.values["AP"] is not None)
        for ap, precision, detector in measured:
            of_precision = ALL_ROWS[row.model, precision, None]
            recorded = of_precision.values["AP"]
            yield row.model, ap, format_ap(recorded.number, recorded.interval)
            yield row.model, detector or "the model", of_precision.pipeline.people_from


def of_index():
    text = (ROOT / "models" / "index.md").read_text("utf-8")
    found = re.findall(
        r"^\| (?:↳ )?\[([\w.-]+)\]\([^|)]*\)([^|]*) \| ([\d.]+ MB) \| [^|]* \|(.*)\|$",
        text,
        re.MULTILINE,
    )
    stated = set()
    for name, details, download, others in found:
        row = BY_NAME.get(name + details, ROWS[name])
        metric = row.ap
        stated.add(row.name)
        ap, *figures = (cell.strip() for cell in others.split("|"))
        yield name, download, format_megabytes(value(row, "transfer_bytes"))
        yield name, ap[:5].strip(), format_ap(metric.number) if metric else ""
        if row.pipeline.model.task == "human_pose_estimation":
            yield from of_people_and_times(row, figures)
    for row in every_row():
        if row.values["AP"]:
            yield row.model, row.name in stated, True


def of_people_and_times(row, figures):
    *people, single, several = figures
    for key, figure in zip(PEOPLE_KEYS, people, strict=True):
        number = value(row, key)
        yield row.name, figure, "" if number is None else f"{number:.2f}"
    for shown, time in ((1, single), (4, several)):
        number = value(row, LATENCIES[shown])
        yield row.name, time.removeprefix("\\~"), format_figure(number) if number else ""


PLACES = {
    "list": of_list,
    "index": of_index,
    "info": of_info,
    "cards": of_cards,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_states_the_figures_of_the_record(place):
    pairs = list(PLACES[place]())
    assert len({model for model, _, _ in pairs}) >= 7
    assert [pair for pair in pairs if pair[1] != pytest.approx(pair[2])] == []


def test_with_a_limit_of_latency_only_models_whose_pipeline_is_that_fast_are_named():
    words = ("--max_latency", "60ms", "--people", "4", "--format", "json")
    models = json.loads(posezoo("recommend", *words).stdout)["models"]
    assert {(model["name"], model["precision"], model["target_size"]) for model in models} == {
        key
        for key, row in ALL_ROWS.items()
        if row.pipeline.model.task.startswith("human_pose_estimation")
        and (value(row, "latency_p50_ms") or 1e9) <= 60
        and row.pipeline.people_from != WHOLE_IMAGE
        and row.people_found.get(4, 4) >= 4
    }


def test_all_measured_figures_of_a_row_are_of_one_ir():
    """Two conversions of one file differ: a row would state the AP of one, and the speed of the other."""
    registry = open_registry()
    for row in every_row():
        records = measurements_of(registry.find(row.model), "")
        sources = []
        for key in ("AP", "found_in_video", "single_p50_ms", "latency_p50_ms"):
            metric = row.values[key]
            if metric and metric.origin is MetricSource.MEASURED:
                number = metric.number
                sources.append({each.irs for each in records if number in each.figures.values()})
        assert not sources or set.intersection(*sources), row.name
