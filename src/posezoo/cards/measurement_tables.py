"""Published and measured values on a card: accuracy, variants, INT8 compared with FP32, and speed."""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.cards.markdown import draw_compact_table, escape, format_code
from posezoo.facts.labels import (
    describe_settings,
    format_pairs,
    format_percent,
    format_port_shape,
    format_protocol,
    join,
)
from posezoo.facts.model_facts import ModelFacts, measurements_of
from posezoo.measured import KINDS, Measurement
from posezoo.spec.model import ModelSpec

#: Open Model Zoo's names of the metrics.
METRICS = {"AP": "Average Precision (AP)", "MPJPE": "MPJPE (mm)"}

#: The names of the metrics in measured.yml.
_MEASURED_NAMES = {"AP": "AP", "MPJPE": "MPJPE_mm"}

HEADERS = ("Model", "Metric", "Original model", "Converted model", "Dataset", "Protocol")


#: The title of each kind's section; complexity is in the specification.
TITLES = {
    "accuracy": "Measured Accuracy",
    "quantization": "INT8 Compared with FP32",
    "speed": "Performance",
}

#: Column titles for metrics whose names are not readable.
_COLUMN_TITLES = {
    "shift_p50_px": "Median shift (px)",
    "shift_p90_px": "90th percentile shift (px)",
    "found_fp32": "People detected by FP32",
    "found_int8": "People detected by INT8",
    "agreement": "Agreement",
    "bin_share": "Size of the .bin",
}

SHIFT_LEGEND = (
    "The shift of what INT8 detects relative to FP32, in pixels of the network's input, on photos that were "
    "not used for calibration. Agreement is the number of people that both detect, divided by the number "
    "that at least one of them detects."
)

#: The first paragraph of a kind's section.
_LEGEND = {"quantization": f"{SHIFT_LEGEND} The size is relative to the FP32 IR."}

COSTS = {"gflops": "GFLOPs", "mparams": "MParams"}


def format_complexity(spec: ModelSpec) -> tuple[str, str]:
    """GFLOPs and MParams of a model's first IR; empty if they were not counted."""
    counts = measurements_of(spec, "complexity")
    return (format_figure(counts[0], "gflops"), format_figure(counts[0], "mparams")) if counts else ("", "")


def draw_measurement_sections(facts: ModelFacts) -> Iterator[str]:
    """A section for each kind of measurement that exists: a heading and a table."""
    for kind, title in TITLES.items():
        if rows := [*facts.measurements(kind)]:
            yield f"## {title}"
            yield _LEGEND.get(kind, "")
            titles = [_COLUMN_TITLES.get(name, name.replace("_", " ")) for name in KINDS[kind].figures]
            cells = [
                (
                    "" if len(facts.models) == 1 else model.full_name,
                    each.precision.value,
                    each.machine,
                    *(format_figure(each, name) for name in KINDS[kind].figures),
                    join(describe_settings(each), format_pairs(each.tools), separator="; "),
                    each.date,
                )
                for model, each in rows
            ]
            headers = ["Model", "Precision", "Machine", *titles, "Settings", "Date"]
            yield draw_compact_table(headers, cells)


def format_figure(measurement: Measurement, metric: str) -> str:
    """A measured value with six digits; empty if it was not measured."""
    return f"{measurement.figures[metric]:.6g}" if metric in measurement.figures else ""


def specification_accuracy(part: ModelSpec) -> tuple[str, str] | None:
    """The first published accuracy of a model, as a row of its specification table."""
    if not part.published.accuracy:
        return None
    first = part.published.accuracy[0]
    value = _format_value(first.value, first.metric)
    conditions = join(first.dataset, format_protocol(first))
    return METRICS[first.metric], f"{value} ({conditions})" if conditions else value


def draw_accuracy_section(facts: ModelFacts) -> Iterator[str]:
    """The section Accuracy: a table of published and measured values, and known differences."""
    parts = facts.parts
    rows = [row for part in parts for row in _rows(part, "" if len(parts) == 1 else part.name)]
    yield "## Accuracy"
    if rows:
        # If a model is published as IR, the IR is the original.
        title = "Value" if all(part.is_ir for part in parts) else "Original model"
        yield draw_compact_table([*HEADERS[:2], title, *HEADERS[3:]], rows)
    else:
        yield "No published accuracy is declared."
    for part in parts:
        if part.published.known_difference:
            yield f"Known difference: {escape(part.published.known_difference)}"


def draw_variants_section(facts: ModelFacts) -> Iterator[str]:
    """The section Variants: the other variants that the publisher offers under this name."""
    for part in facts.parts:
        if not part.variants:
            continue
        yield "## Variants"
        yield f"{format_code(part.full_name)} is {format_code(f'{part.name}@{part.tag}')}. There are also:"
        rows = []
        for variant in part.variants:
            shapes = "; ".join(map(format_port_shape, variant.inputs))
            start = (format_code(variant.full_name), shapes, *format_complexity(variant))
            rows += [(*start, *row[1:]) for row in _rows(variant, "")] or [(*start, *("",) * 5)]
        yield draw_compact_table(("Variant", "Input", *COSTS.values(), *HEADERS[1:]), rows)


def _rows(part: ModelSpec, name: str) -> Iterator[tuple[str, ...]]:
    """The published and the measured accuracy of a model; ``name`` is the first cell."""
    measurements = measurements_of(part, "accuracy")
    for claim in part.published.accuracy:
        comparable = [  # on the same data with the same protocol
            each
            for each in measurements
            if (each.settings.get("dataset"), bool(each.settings.get("flip"))) == (claim.dataset, claim.flip)
        ]
        metrics = (
            (METRICS[claim.metric], _MEASURED_NAMES[claim.metric], claim.value),
            ("AP50", "AP50", claim.ap50),
            ("AP75", "AP75", claim.ap75),
        )
        for title, metric, value in metrics:
            if value is None:
                continue
            converted = []
            if claim.converted is not None and metric == _MEASURED_NAMES[claim.metric]:
                converted.append(f"{_format_value(claim.converted, claim.metric)} (published)")
            for each in comparable:
                if metric in each.figures:
                    images = f", {each.settings['images']} images" if "images" in each.settings else ""
                    figure = _format_value(each.figures[metric], claim.metric)
                    converted.append(f"{figure} ({each.precision}{images})")
            cell = "" if part.is_ir else "; ".join(converted) or "not measured"
            original = "not published" if claim.is_of_ir else _format_value(value, claim.metric)
            yield name, title, original, cell, claim.dataset, format_protocol(claim)


def _format_value(value: float, metric: str) -> str:
    return f"{value:g}" if metric == "MPJPE" else format_percent(value)
