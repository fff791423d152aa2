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
from posezoo.figures.measured import measurements_of
from posezoo.poses.people import describe_people

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
    where = re.search(r"drawn poses, (.*?)\. Download", " ".join(text.split()))[1]
    machines = re.sub(r"^.*?\bon ", "", where).split(", of four on ")
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
                machine = machines[0 if shown == 1 else -1]
                of_speed = {**conditions, "machine": machine, "requests": 1, "shown": shown}
                yield Stated(model, "speed", "latency_p50_ms", time, of_speed)


def of_cards():
    """Of each card: the AP that we measured, and the time on one machine."""
    for card in sorted((ROOT / "models").glob("*/*/README.md")):
        text = card.read_text("utf-8").replace("\\", "")
        for ap, images, dataset, precision, arithmetic in re.findall(
            r"\| (0\.\d{3})(?: \([^)]*\))? \(measured by posezoo: (\d+) images of (\w+),"
            r" (\S+) in ([\w,]+)(?:, |\))",
            text,
        ):
            conditions = {"images": images, "dataset": dataset, "precision": precision}
            conditions["arithmetic"] = arithmetic
            yield Stated(card.parent.name, "accuracy", "AP", ap, conditions)
        for time, what, precision, executed, others in re.findall(
            r"^\| Milliseconds \| ([\d.,]+): (.*?) \((\S+) in ([\w,]+), (.*)\) \|$",
            text,
            re.MULTILINE,
        ):
            conditions = {"precision": precision, "executed_precision": executed, "requests": 1}
            conditions["weights"] = "generated" if "generated" in others else "published"
            if "one person" in what:
                conditions["shown"] = 1
            yield Stated(card.parent.name, "speed", "latency_p50_ms", time, conditions)


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
