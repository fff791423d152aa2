"""The accuracy of a model on its card: published for the original, measured for the converted model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from posezoo.cards.markdown import escape, format_code
from posezoo.cards.measurement_tables import COSTS, draw_compact_table, format_complexity
from posezoo.facts.labels import format_percent, format_port_shape, format_protocol, join
from posezoo.facts.model_facts import ModelFacts, measurements_of
from posezoo.measured import Measurement
from posezoo.spec.model import ModelSpec, PublishedAccuracy

#: Open Model Zoo's names of the metrics.
METRICS = {"AP": "Average Precision (AP)", "MPJPE": "MPJPE (mm)"}

#: The names of the metrics in measured.yml.
_MEASURED_NAMES = {"AP": "AP", "MPJPE": "MPJPE_mm"}

HEADERS = ("Model", "Metric", "Original model", "Converted model", "Dataset", "Protocol")


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
    measurements = measurements_of(part, "accuracy")
    for claim in part.published.accuracy:
        metrics = (
            (METRICS[claim.metric], _MEASURED_NAMES[claim.metric], claim.value),
            ("AP50", "AP50", claim.ap50),
            ("AP75", "AP75", claim.ap75),
        )
        for title, metric, value in metrics:
            if value is not None:
                original = _format_value(value, claim.metric)
                converted = "" if part.is_ir else _converted_cell(claim, metric, measurements)
                yield name, title, original, converted, claim.dataset, format_protocol(claim)


def _converted_cell(claim: PublishedAccuracy, metric: str, measurements: Sequence[Measurement]) -> str:
    """The converted model's accuracy: published, and measured on the same data with the same protocol."""
    values = []
    if claim.converted is not None and metric == _MEASURED_NAMES[claim.metric]:
        values.append(f"{_format_value(claim.converted, claim.metric)} (published)")
    for each in measurements:
        settings = each.settings
        is_comparable = settings.get("dataset") == claim.dataset and bool(settings.get("flip")) == claim.flip
        if is_comparable and metric in each.figures:
            images = f", {settings['images']} images" if "images" in settings else ""
            values.append(f"{_format_value(each.figures[metric], claim.metric)} ({each.precision}{images})")
    return "; ".join(values) or "not measured"


def _format_value(value: float, metric: str) -> str:
    return f"{value:g}" if metric == "MPJPE" else format_percent(value)
