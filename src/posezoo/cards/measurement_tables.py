"""Measured figures on a page: what was counted beside what is published, accuracy and speed by machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from posezoo.cards.markdown import Markdown, format_table
from posezoo.measured import KINDS, WEIGHTS, Measurement, Scalar, load_measurements
from posezoo.spec.model import CompositeSpec, ModelSpec

#: What a section of each kind is called; complexity stands in the specification.
TITLES = {
    "accuracy": "Measured Accuracy",
    "quantization": "INT8, Before and After",
    "speed": "Performance",
}

#: Figures whose names are not plain words with a unit.
_WORDS = {
    "shift_p50_px": "Median shift (px)",
    "shift_p90_px": "90 % shift less (px)",
    "found_fp32": "People found before",
    "found_int8": "People found after",
    "agreement": "Found by both",
    "bin_share": "Size of the .bin",
}

#: What a section of a kind begins with.
_LEGEND = {
    "quantization": "What INT8 finds beside what FP32 finds, on photos that it was not calibrated on: how "
    "far keypoints or boxes move in pixels of the network's input, and the share of all people whom both "
    "find. The size is a share of the FP32 IR's.",
}

COSTS = {"gflops": "GFLOPs", "mparams": "MParams"}


def format_complexity(spec: ModelSpec) -> tuple[str, str]:
    """GFLOPs and MParams of a model's first IR; empty where nobody counted."""
    first = next(
        (measurement for measurement in load_measurements(spec) if measurement.kind == "complexity"), None
    )
    if first is None:
        return "", ""
    return _number(first, "gflops"), _number(first, "mparams")


def describe_complexity(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """GFLOPs and MParams by their names, with the precisions and weights that they were counted on."""
    found = [measurement for measurement in load_measurements(spec) if measurement.kind == "complexity"]
    for name, title in COSTS.items():
        precisions: dict[tuple[str, str], list[str]] = {}
        for each in found:
            precisions.setdefault((_number(each, name), _how(each)), []).append(each.precision)
        words = [
            f"{value} ({'; '.join(filter(None, (', '.join(those), how)))})"
            for (value, how), those in precisions.items()
        ]
        yield title, "; ".join(words)


def draw_measurement_sections(models: Sequence[ModelSpec | CompositeSpec]) -> Iterator[str]:
    """A section for each kind of measurement that there is: a heading and a table."""
    rows = [(model, measurement) for model in models for measurement in load_measurements(model)]
    for kind, title in TITLES.items():
        if of_kind := [(part, each) for part, each in rows if each.kind == kind]:
            yield f"## {title}"
            yield _LEGEND.get(kind, "")
            yield _table(kind, of_kind, alone=len(models) == 1)


def _table(
    kind: str, rows: Sequence[tuple[ModelSpec | CompositeSpec, Measurement]], *, alone: bool
) -> Markdown:
    metrics = [name for name in KINDS[kind].figures if any(name in each.figures for _, each in rows)]
    headers = [
        "Model",
        "Precision",
        "Machine",
        *(_WORDS.get(name, name.replace("_", " ")) for name in metrics),
        "Settings",
        "Date",
    ]
    cells = [
        (
            "" if alone else part.full_name,
            each.precision.value,
            each.machine,
            *(_number(each, name) for name in metrics),
            "; ".join(filter(None, (_how(each), _pairs(each.tools)))),
            each.date,
        )
        for part, each in rows
    ]
    return draw_compact_table(headers, cells)


def draw_compact_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Markdown:
    """A table without the columns that nothing stands in."""
    kept = [index for index in range(len(headers)) if any(row[index] for row in rows)]
    return format_table([headers[index] for index in kept], [[row[index] for index in kept] for row in rows])


def _how(each: Measurement) -> str:
    """With which settings, and on which weights where these are not the published ones."""
    weights = "" if each.weights == WEIGHTS[0] else f"{each.weights} weights"
    return "; ".join(filter(None, (_pairs(each.settings), weights)))


def _pairs(values: Mapping[str, Scalar]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _number(each: Measurement, name: str) -> str:
    return f"{each.figures[name]:.6g}" if name in each.figures else ""
