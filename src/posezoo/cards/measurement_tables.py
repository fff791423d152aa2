"""Measured values on a card: complexity, accuracy, INT8 compared with FP32, and speed by machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from posezoo.cards.markdown import Markdown, format_table
from posezoo.facts.labels import describe_settings, format_pairs, join
from posezoo.facts.model_facts import ModelFacts, measurements_of
from posezoo.measured import KINDS, Measurement
from posezoo.spec.model import ModelSpec

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
    return (_number(counts[0], "gflops"), _number(counts[0], "mparams")) if counts else ("", "")


def describe_complexity(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """GFLOPs and MParams by name, with the precisions and weights for which they were counted."""
    counts = measurements_of(spec, "complexity")
    for metric, title in COSTS.items():
        precisions: dict[tuple[str, str], list[str]] = {}
        for count in counts:
            key = (_number(count, metric), describe_settings(count))
            precisions.setdefault(key, []).append(count.precision)
        yield (
            title,
            "; ".join(
                f"{value} ({join(', '.join(same), settings, separator='; ')})"
                for (value, settings), same in precisions.items()
            ),
        )


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
                    *(_number(each, name) for name in KINDS[kind].figures),
                    join(describe_settings(each), format_pairs(each.tools), separator="; "),
                    each.date,
                )
                for model, each in rows
            ]
            headers = ["Model", "Precision", "Machine", *titles, "Settings", "Date"]
            yield draw_compact_table(headers, cells)


def draw_compact_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Markdown:
    """A table without its empty columns."""
    kept = [index for index in range(len(headers)) if any(row[index] for row in rows)]
    return format_table([headers[index] for index in kept], [[row[index] for index in kept] for row in rows])


def _number(measurement: Measurement, metric: str) -> str:
    return f"{measurement.figures[metric]:.6g}" if metric in measurement.figures else ""
