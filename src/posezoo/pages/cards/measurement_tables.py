"""Published and measured values on a card: accuracy, variants, INT8 compared with FP32, and
speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from posezoo.console.labels import (
    format_ap,
    format_conditions,
    format_figure,
    format_pairs,
    format_port_shape,
    format_protocol,
    join,
)
from posezoo.core.declarations.model import ModelSpec, PublishedAccuracy
from posezoo.core.values import frozen
from posezoo.pages.cards.markdown import Paragraphs, escape, format_code, render_compact_table
from posezoo.pages.facts.comparison import INT8_BASELINES, int8_ratio
from posezoo.pages.facts.model_facts import ModelFacts, unique
from posezoo.run.measured import (
    DETECTOR_PRECISION,
    KINDS,
    TARGET_SIZE,
    Measurement,
    describe_settings,
    measurements_of,
)
from posezoo.run.measurement_selection import is_of_pipeline

#: Open Model Zoo's names of the metrics that it has.
METRICS = {"AP": "Average Precision (AP)", "MPJPE": "MPJPE (mm)"}

#: The names in measured.yml of metrics that have another name there.
_MEASURED_NAMES = {"MPJPE": "MPJPE_mm"}

HEADERS = ("Model", "Metric", "Original model", "Converted model", "Dataset", "Protocol")


#: The title of each kind's section; complexity is in the specification.
TITLES = {
    "accuracy": "Measured Accuracy",
    "quantization": "INT8 Compared with FP32",
    "situations": "Turned, in Videos, and Where Nobody Is",
    "speed": "Performance",
}

#: Column titles for metrics whose names are not readable.
_COLUMN_TITLES = {
    "throughput_fps": "Throughput (images/s)",
    "throughput_min_fps": "Range (images/s)",
    "latency_p50_ms": "Median latency (ms)",
    "latency_p90_ms": "90th percentile (ms)",
    "latency_p99_ms": "99th percentile (ms)",
    "cpu_ms": "CPU time (ms)",
    "compile_s": "Compilation (s)",
    "memory_mib": "Peak memory (MiB)",
    "AR50_several": "AR50, two people or more",
    "duplicates": "Images with a person twice",
    "MPJPE_mm": "MPJPE (mm)",
    "shift_p50_px": "Median shift (px)",
    "shift_p90_px": "90th percentile shift (px)",
    "found_fp32": "People detected by FP32",
    "found_int8": "People detected by INT8",
    "agreement": "Agreement",
    "bin_share": "Size of the .bin (INT8 / FP32)",
    "found_upright": "Found upright",
    "found_tilted": "Turned by 45°",
    "found_lying": "Lying",
    "found_upside_down": "Upside down",
    "found_in_video": "In video",
    "ghosts": "Ghosts",
    "ghost_pictures": "Pictures with a ghost",
    "other_numbers": "Changed numbers",
}

SHIFT_LEGEND = (
    "The shift of what INT8 detects relative to FP32, in pixels of the network's input, on photos"
    " that were not used for calibration. Agreement is the number of people that both detect,"
    " divided by the number that at least one of them detects."
)

#: Settings that distinguish the rows of a table, with their titles; the other settings are below
#: the table.
_ROW_SETTINGS = {
    "people_from": "People from",
    DETECTOR_PRECISION: "Precision of the detector",
    "input": "Input",
    TARGET_SIZE: "Height",
    "arithmetic": "Arithmetic",
    "device": "Device",
    "hint": "Hint",
    "executed_precision": "Executed in",
    "requests": "Requests",
}
#: Figures without a column: part of a range, or of the conditions; card.json has the others.
_NO_COLUMN = (
    "throughput_max_fps", "rounds",
    "APs", "APm", "APl", "AR50", "AR75", "ARs", "ARm", "ARl",
)  # fmt: skip

#: The first paragraph of a kind's section.
_LEGEND = {
    "accuracy": (
        "Measured with the published weights. In parentheses is the 95 % confidence interval "
        "(bootstrap over the images)."
    ),
    "quantization": SHIFT_LEGEND,
    "situations": (
        "The share of people who are found (object keypoint similarity above 0.5): each alone on a"
        " picture that is turned, and in the frames of videos, in which people may get another"
        " number. Ghosts are people who are found in a picture without people. Measured by"
        " benchmarks/measure_situations.py."
    ),
    "speed": (
        "These speeds are of the machine below. On another processor, INT8 may be no faster than"
        " FP16."
    ),
}

COSTS = {"gflops": "GFLOPs", "mparams": "MParams"}


@frozen
class MeasurementTable:
    """Measurements of one kind that were made under the same conditions."""

    kind: str  # a name of ``TITLES``
    is_of_pipeline: bool  # whether the figures are of the whole pipeline, not of the network alone
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]  # some columns may be empty
    conditions: str  # machine, settings, weights, versions and date, in words


def format_complexity(spec: ModelSpec) -> dict[str, str]:
    """GFLOPs and MParams of a model's first IR; empty if they were not counted."""
    counts = measurements_of(spec, "complexity")
    return format_costs(counts[0]) if counts else dict.fromkeys(COSTS, "")


def tabulate_measurements(facts: ModelFacts) -> Iterator[MeasurementTable]:
    """All measurements except complexity, which is in the specification."""
    for kind in TITLES:
        names = [name for name in KINDS[kind].figures if name not in _NO_COLUMN]
        titles = [_COLUMN_TITLES.get(name, name.replace("_", " ")) for name in names]
        owner = () if len(facts.models) == 1 else ("Model",)
        baseline, _ = INT8_BASELINES.get(kind, ("", ""))
        headers = (
            *owner,
            "Precision",
            *_ROW_SETTINGS.values(),
            f"INT8 / {baseline}",
            *titles,
        )
        by_conditions: dict[tuple[bool, str], list[Sequence[str]]] = {}
        for model, each in facts.measurements(kind):
            row = [each.precision.value]
            if owner:
                row.insert(0, model.full_name)
            row += (str(each.settings.get(name, "")) for name in _ROW_SETTINGS)
            ratio = int8_ratio(each, measurements_of(model, kind))
            row.append("" if ratio is None else f"{ratio:.2f}")
            row += (_figure(each, name) for name in names)
            alike = is_of_pipeline(each), _describe_conditions(each)
            by_conditions.setdefault(alike, []).append(row)
        for (of_pipeline, conditions), rows in by_conditions.items():
            yield MeasurementTable(kind, of_pipeline, headers, rows, conditions=conditions)


def _describe_conditions(measurement: Measurement) -> str:
    # The streams follow from the requests; card.json has them.
    hidden = (*_ROW_SETTINGS, "streams")
    settings = {name: value for name, value in measurement.settings.items() if name not in hidden}
    if "rounds" in measurement.figures:
        settings["rounds"] = f"{measurement.figures['rounds']:g}"
    if measurement.kind == "quantization" and {"calibrated on", "photos"} <= settings.keys():
        calibration = settings.pop("calibrated on")
        comparison = settings.pop("photos")
        settings["calibrated on"] = f"{calibration} photos"
        settings["compared on"] = f"{comparison} other photos"
    settings = {name.replace("_", " "): value for name, value in settings.items()}
    described = describe_settings(replace(measurement, settings=settings))
    tools = format_pairs(measurement.tools)
    return join(measurement.machine, described, tools, measurement.date, separator="; ")


def render_measurement_sections(facts: ModelFacts) -> Paragraphs:
    """A section for each kind of measurement that exists: a heading and tables."""
    seen = ""
    for table in tabulate_measurements(facts):
        if table.kind != seen:
            yield f"## {TITLES[table.kind]}"
            yield _LEGEND[table.kind]
        seen = table.kind
        yield render_compact_table(table.headers, table.rows)
        yield escape(f"Measured with: {table.conditions}." if table.conditions else "")


def _figure(measurement: Measurement, metric: str) -> str:
    if metric not in measurement.figures:
        return ""
    number = measurement.figures[metric]
    if metric == "AP":
        return format_ap(number, measurement.intervals.get(metric))
    to = ""
    if metric == "throughput_min_fps":
        to = f" to {_figure(measurement, 'throughput_max_fps')}"
    return format_figure(number) + to


def format_costs(measurement: Measurement) -> dict[str, str]:
    """GFLOPs and MParams of an IR, as far as they were counted."""
    return {name: _figure(measurement, name) for name in COSTS}


def format_aps(model: ModelSpec, *, flip: bool) -> str:
    """Published AP, AP50 and AP75: ``0.663/0.892/0.734``; or empty."""
    for claim in model.published.accuracy:
        if claim.metric == "AP" and claim.flip == flip:
            values = (claim.value, claim.ap50, claim.ap75)
            return "/".join("" if value is None else format_ap(value) for value in values)
    return ""


def specification_accuracy(part: ModelSpec) -> tuple[str, str] | None:
    """The first published accuracy of a model, as a row of its specification table."""
    if not part.published.accuracy:
        return None
    first = part.published.accuracy[0]
    value = _format_value(first.value, first.metric)
    conditions = format_conditions(first)
    if conditions:
        value += f" ({conditions})"
    return METRICS.get(first.metric, first.metric), value


def render_accuracy_section(facts: ModelFacts) -> Paragraphs:
    """The section Accuracy: a table of published and measured values, and known differences."""
    parts = facts.parts
    rows = [row for part in parts for row in _rows(part, "" if len(parts) == 1 else part.name)]
    yield "## Accuracy"
    if rows:
        # If a model is published as IR, the IR is the original.
        title = "Value" if all(part.is_ir for part in parts) else "Original model"
        yield render_compact_table([*HEADERS[:2], title, *HEADERS[3:]], rows)
        if any(claim.flip for part in parts for claim in part.published.accuracy):
            yield "With flip, the results for the image and for its mirror image are averaged."
    else:
        yield "No published accuracy is declared."
    for part in parts:
        if part.published.known_difference:
            yield f"Known difference: {escape(part.published.known_difference)}"


def render_variants_section(facts: ModelFacts) -> Paragraphs:
    """The section Variants: the other variants that the publisher offers under this name."""
    for part in facts.parts:
        if not part.variants:
            continue
        yield "## Variants"
        tagged = format_code(f"{part.name}@{part.tag}")
        yield f"{format_code(part.full_name)} is {tagged}. There are also:"
        rows = []
        for variant in part.variants:
            shapes = "; ".join(map(format_port_shape, variant.inputs))
            costs = format_complexity(variant).values()
            aps = (format_aps(variant, flip=flip) for flip in (False, True))
            datasets = unique(claim.dataset for claim in variant.published.accuracy)
            rows.append((format_code(variant.full_name), shapes, *costs, *aps, ", ".join(datasets)))
        titles = ("AP/AP50/AP75", "AP/AP50/AP75 with flip", "Dataset")
        yield render_compact_table(("Variant", "Input", *COSTS.values(), *titles), rows)


def _rows(part: ModelSpec, name: str) -> Iterator[tuple[str, ...]]:
    for claim in part.published.accuracy:
        title = METRICS.get(claim.metric, claim.metric)
        metrics = {
            _MEASURED_NAMES.get(claim.metric, claim.metric): (title, claim.value),
            "AP50": ("AP50", claim.ap50),
            "AP75": ("AP75", claim.ap75),
        }
        for metric, (title, value) in metrics.items():
            if value is None:
                continue
            cell = ""
            if not part.is_ir:
                cell = "; ".join(_converted_values(part, claim, metric)) or "not measured"
            original = "not published"
            if not claim.is_of_ir:
                original = _format_value(value, claim.metric)
            yield name, title, original, cell, claim.dataset, format_protocol(claim)


def _converted_values(part: ModelSpec, claim: PublishedAccuracy, metric: str) -> Iterator[str]:
    if claim.converted is not None and metric == _MEASURED_NAMES.get(claim.metric, claim.metric):
        yield f"{_format_value(claim.converted, claim.metric)} (published)"
    for measured in measurements_of(part, "accuracy"):
        settings = measured.settings
        conditions = settings.get("dataset"), bool(settings.get("flip"))
        if conditions == (claim.dataset, claim.flip) and metric in measured.figures:
            images = f"{settings['images']} images" if "images" in settings else ""
            figure = _format_value(measured.figures[metric], claim.metric)
            yield f"{figure} ({join(measured.precision, images)})"


def _format_value(value: float, metric: str) -> str:
    return f"{value:g}" if metric == "MPJPE" else format_ap(value)
