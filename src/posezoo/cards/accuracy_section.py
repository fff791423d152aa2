"""How well a model does, on its card: as published of the original, as measured of the converted model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from posezoo.cards.markdown import escape, format_code
from posezoo.cards.measurement_tables import COSTS, draw_compact_table, format_complexity
from posezoo.cards.ports_section import format_port_shape
from posezoo.facts.labels import format_percent, format_protocol
from posezoo.measured import Measurement, load_measurements
from posezoo.spec.model import ModelSpec, PublishedAccuracy

#: Open Model Zoo's names of the metrics.
METRICS = {"AP": "Average Precision (AP)", "MPJPE": "MPJPE (mm)"}

HEADERS = ("Model", "Metric", "Original model", "Converted model", "Dataset", "Protocol")


def specification_accuracy(part: ModelSpec) -> tuple[str, str] | None:
    """The first accuracy that is published of a model, as a row of its specification."""
    if not part.published.accuracy:
        return None
    first = part.published.accuracy[0]
    said = ", ".join(filter(None, (first.dataset, format_protocol(first))))
    return METRICS[first.metric], f"{_value(first)} ({said})" if said else _value(first)


def draw_accuracy_section(parts: Sequence[ModelSpec]) -> Iterator[str]:
    """The section Accuracy: a table of what is published and what was measured of it, and what is wrong."""
    rows = [row for part in parts for row in _rows(part, "" if len(parts) == 1 else part.name)]
    yield "## Accuracy"
    if not rows:
        yield "No published figure is declared."
    # Of what is published as IR there is no other original.
    headers = (
        [("Value" if header == "Original model" else header) for header in HEADERS]
        if _are_ir(parts)
        else HEADERS
    )
    yield draw_compact_table(headers, rows) if rows else ""
    for part in parts:
        if part.published.known_difference:
            yield f"Known difference: {escape(part.published.known_difference)}"


def draw_variants_section(parts: Sequence[ModelSpec]) -> Iterator[str]:
    """The section Variants: what else the publisher offers under this name."""
    for part in parts:
        if not part.variants:
            continue
        yield "## Variants"
        yield f"{format_code(part.full_name)} is {format_code(f'{part.name}@{part.tag}')}; besides there is:"
        rows = []
        for variant in part.variants:
            start = (
                format_code(variant.full_name),
                "; ".join(map(format_port_shape, variant.inputs)),
                *format_complexity(variant),
            )
            rows += [(*start, *row[1:]) for row in _rows(variant, "")] or [(*start, *("",) * 5)]
        yield draw_compact_table(("Variant", "Input", *COSTS.values(), *HEADERS[1:]), rows)


def _are_ir(parts: Sequence[ModelSpec]) -> bool:
    return all(part.is_ir for part in parts)


def _rows(part: ModelSpec, name: str) -> Iterator[tuple[str, ...]]:
    measured = [measurement for measurement in load_measurements(part) if measurement.kind == "accuracy"]
    for claim in part.published.accuracy:
        where = (claim.dataset, format_protocol(claim))
        metrics = (
            (METRICS[claim.metric], _NAMES[claim.metric], claim.value),
            ("AP50", "AP50", claim.ap50),
            ("AP75", "AP75", claim.ap75),
        )
        for metric, key, value in metrics:
            if value is not None:
                there = "" if part.is_ir else _measured_cells(claim, key, measured)
                yield name, metric, _shown(value, claim.metric), there, *where


#: What measured.yml calls the metrics.
_NAMES = {"AP": "AP", "MPJPE": "MPJPE_mm"}


def _measured_cells(claim: PublishedAccuracy, metric: str, measured: Sequence[Measurement]) -> str:
    """What its publisher says of it, and what was measured on the same set in the same way, by precision."""
    published = claim.converted if metric == _NAMES[claim.metric] else None
    found = [] if published is None else [f"{_shown(published, claim.metric)} (published)"]
    for each in measured:
        alike = (
            each.settings.get("dataset") == claim.dataset and bool(each.settings.get("flip")) == claim.flip
        )
        if alike and metric in each.figures:
            images = f", {each.settings['images']} images" if "images" in each.settings else ""
            found.append(f"{_shown(each.figures[metric], claim.metric)} ({each.precision}{images})")
    return "; ".join(found) or "not measured"


def _value(claim: PublishedAccuracy) -> str:
    return _shown(claim.value, claim.metric)


def _shown(value: float, metric: str) -> str:
    return f"{value:g}" if metric == "MPJPE" else format_percent(value)
