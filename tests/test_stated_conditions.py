"""No verb and no page states a figure beside a condition that is not in the record of its run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import pytest

from fakes.checkout import ROOT
from fakes.command import posezoo
from posezoo.console.labels import format_figure
from posezoo.core.declarations.model import ITSELF
from posezoo.core.registry import open_registry
from posezoo.pages.cards.measurement_tables import TITLES
from posezoo.poses.people import describe_people
from posezoo.run.measured import measurements_of

REGISTRY = open_registry()


@dataclass(frozen=True)
class Stated:
    """What a place states: a figure as it is printed, and the conditions beside it."""

    model: str
    kind: str
    metric: str
    figure: str | float
    conditions: Mapping[str, object]


@cache
def records(model, kind):
    """The measurements of a model and of its variants, each with all of its conditions."""
    found = REGISTRY.find(model)
    variants = getattr(found, "variants", ())
    measured = [each for one in (found, *variants) for each in measurements_of(one, kind)]
    return [(each, conditions_of(each)) for each in measured]


def conditions_of(measurement):
    settings = measurement.settings
    people = describe_people(
        str(settings.get("people_from", "")), str(settings.get("detector_precision", ""))
    )
    conditions = {
        "precision": measurement.precision.value,
        "machine": measurement.machine,
        "weights": measurement.weights,
        "date": measurement.date,
        "shown": "4",
        "target_size": "None",
        **{name: str(value) for name, value in settings.items()},
        **measurement.tools,
        "people from": people or ITSELF,
        "found": str(settings.get("people", "")),
    }
    if "rounds" in measurement.figures:
        conditions["rounds"] = f"{measurement.figures['rounds']:g}"
    return conditions


def is_recorded(stated):
    """Whether a run gave the figure under all of the conditions."""
    wanted = {name: str(value) for name, value in stated.conditions.items()}
    return any(
        _states(stated.figure, measured.figures.get(stated.metric))
        and wanted.items() <= conditions.items()
        for measured, conditions in records(stated.model, stated.kind)
    )


def _states(stated, number):
    if number is None:
        return False
    if isinstance(stated, str):
        return stated in (format_figure(number), f"{number:.3f}", f"{number:.2f}")
    return stated == number


#: By the columns of ``recommend``: the metric, and what it is of.
SPEEDS = {
    "throughput_fps": ("throughput_fps", {"shown": 4, "pipeline": "read, found, drawn"}),
    "latency_p50_ms": ("latency_p50_ms", {"shown": 4, "pipeline": "read, found, drawn"}),
    "single_p50_ms": ("latency_p50_ms", {"shown": 1, "pipeline": "read, found, drawn"}),
    "network_fps": ("throughput_fps", {}),
    "network_p50_ms": ("latency_p50_ms", {}),
}
ACCURACIES = ("AP", "AR50_single", "AR50_several")
SITUATIONS = ("ghosts", "found_lying", "found_upside_down", "found_in_video")


def of_rows(rows):
    for row in rows:
        size = {"precision": row["precision"], "target_size": row["target_size"]}
        pipeline = {
            **size,
            "people from": describe_people(row["people_from"], row["detector_precision"] or ""),
        }
        for metric in ACCURACIES:
            if row[metric]:
                yield Stated(row["model"], "accuracy", metric, row[metric]["number"], pipeline)
        for metric in SITUATIONS:
            if row[metric]:
                yield Stated(row["model"], "situations", metric, row[metric]["number"], pipeline)
        for key, (metric, more) in SPEEDS.items():
            if not (stated := row[key]) or stated["origin"].startswith("estimated"):
                continue
            where = {**more, "machine": stated["machine"]}
            if more:
                where |= pipeline | {
                    "found": row["people_found"].get(str(more["shown"]), more["shown"])
                }
            else:
                where |= size
            where["weights"] = "generated" if "generated" in stated["origin"] else "published"
            yield Stated(row["model"], "speed", metric, stated["number"], where)


def of_recommend(*words):
    answer = json.loads(posezoo("recommend", *words, "--format", "json").stdout)
    yield from of_rows(answer["models"])
    people = 4 if "4" in words else 1
    for model in answer["models"]:
        latency = model["latency_ms"]
        if latency and not latency["origin"].startswith("estimated"):
            conditions = {
                **{name: model[name] for name in ("precision", "target_size")},
                "people from": describe_people(
                    model["people_from"], model["detector_precision"] or ""
                ),
                "shown": people,
                "found": model["people_found"].get(str(people), people),
                "machine": latency["machine"],
            }
            yield Stated(model["name"], "speed", "latency_p50_ms", latency["number"], conditions)


def of_index():
    """Of the index of models: the rows that we measured."""
    text = (ROOT / "models" / "index.md").read_text("utf-8")
    section = text.partition("\n## Human pose estimation\n")[2].partition("\n## ")[0]
    machine = re.search(r"drawn poses, on (.*?)\. Download", " ".join(text.split()))[1]
    rows = re.findall(
        r"^\| \[([\w.-]+)\]\([^)]*\)(?: \((FP16-INT8)\))?(?: at (\d+))? \|[^|]*\|[^|]*"
        r"\| (0\.\d{3}) \([^)]*\)(?:, people from ([^|]+))? \|(.*)\|$",
        section,
        re.MULTILINE,
    )
    for model, precision, size, ap, people, others in rows:
        single, several, _, *times = (cell.strip() for cell in others.split("|"))
        conditions = {
            "precision": precision or "FP16",
            "target_size": size or None,
            "people from": people or ITSELF,
        }
        of_photos = {**conditions, "images": 17}
        yield Stated(model, "accuracy", "AP", ap, of_photos)
        yield Stated(model, "accuracy", "AR50_single", single, of_photos)
        yield Stated(model, "accuracy", "AR50_several", several, of_photos)
        for shown, time in zip((1, 4), times, strict=True):
            if time and not time.startswith("\\~"):
                of_speed = {**conditions, "machine": machine, "requests": 1, "shown": shown}
                yield Stated(model, "speed", "latency_p50_ms", time, of_speed)


#: The columns of the tables of cards that are conditions, and those that are figures.
CONDITIONS = {
    "Precision": "precision",
    "People from": "people_from",
    "Input": "input",
    "Height": "target_size",
    "Precision of the detector": "detector_precision",
    "Arithmetic": "arithmetic",
    "Device": "device",
    "Hint": "hint",
    "Executed in": "executed_precision",
    "Requests": "requests",
}
FIGURES = {
    "AP": "AP",
    "AR": "AR",
    "PCK": "PCK",
    "AR50, two people or more": "AR50_several",
    "AP50": "AP50",
    "AP75": "AP75",
    "AR50 single": "AR50_single",
    "Throughput (images/s)": "throughput_fps",
    "Median latency (ms)": "latency_p50_ms",
    "90th percentile (ms)": "latency_p90_ms",
    "99th percentile (ms)": "latency_p99_ms",
    "CPU time (ms)": "cpu_ms",
    "Compilation (s)": "compile_s",
    "Peak memory (MiB)": "memory_mib",
    "Median shift (px)": "shift_p50_px",
    "90th percentile shift (px)": "shift_p90_px",
}


def of_cards():
    for card in sorted((ROOT / "models").glob("*/*/README.md")):
        for kind, title in TITLES.items():
            text = card.read_text("utf-8").replace("\\", "")
            section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
            for table, line in re.findall(
                r"((?:^\|.*\n)+)\nMeasured with: (.*)\.$", section, re.MULTILINE
            ):
                yield from of_table(card.parent.name, kind, table, line)


def of_table(owner, kind, table, line):
    headers, _, *rows = (
        [cell.strip() for cell in row[1:-1].split("|")] for row in table.split("\n")[:-1]
    )
    for cells in rows:
        row = dict(zip(headers, cells, strict=True))
        model = row.get("Model", owner)
        stated = {CONDITIONS[name]: row[name] for name in CONDITIONS.keys() & row if row[name]}
        for name in FIGURES.keys() & row:
            if figure := row[name].partition(" (")[0]:
                beside = {**stated, **conditions_in(line, model, kind)}
                yield Stated(model, kind, FIGURES[name], figure, beside)


def conditions_in(line, model, kind):
    """The conditions in the line below a table, by the names of the model's records; a condition of
    no record keeps its own words as its name.
    """
    names = {name for _, conditions in records(model, kind) for name in conditions}
    by_words = {name.replace("_", " "): name for name in names} | {"compared on": "photos"}
    conditions = {}
    if kind == "speed":
        conditions["machine"], _, line = line.partition("; ")
    separator = rf"; |, (?=(?:{'|'.join(by_words)}) )"
    for part in re.split(separator, line):
        words = max((each for each in by_words if part.startswith(f"{each} ")), key=len, default="")
        if re.fullmatch(r"\d{4}-\d\d-\d\d", part):
            conditions["date"] = part
        elif part == "generated (random) weights":
            conditions["weights"] = "generated"
        else:
            value = part.removeprefix(words).strip()
            conditions[by_words.get(words, part)] = re.sub(r"( other)? photos$", "", value)
    return conditions


def of_card_json():
    cards = json.loads(posezoo("card", "--all", "--format", "json").stdout)
    for card in cards:
        for each in card["measured"]:
            for metric, number in each["figures"].items():
                conditions = {
                    **each.get("settings", {}),
                    **each.get("tools", {}),
                    **{name: each[name] for name in ("precision", "machine") if name in each},
                }
                yield Stated(each["model"], each["kind"], metric, number, conditions)


PLACES = {
    "recommend": of_recommend,
    "recommend --people 4": lambda: of_recommend("--people", "4", "--max_latency", "1s"),
    "recommend --task detection": lambda: of_recommend("--task", "detection"),
    "the index of models": of_index,
    "cards": of_cards,
    "card.json": of_card_json,
}


@cache
def stated_in(place):
    return list(PLACES[place]())


@pytest.mark.parametrize("place", PLACES)
def test_each_figure_has_one_run_with_all_conditions_that_are_stated_beside_it(place):
    stated = stated_in(place)
    assert len(stated) > 10
    assert [each for each in stated if not is_recorded(each)] == []
