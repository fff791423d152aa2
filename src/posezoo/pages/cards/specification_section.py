"""The one table of a card: accuracy and who measured it, cost, and a time on one machine."""

from __future__ import annotations

import re
from collections.abc import Iterator

from posezoo.console.labels import (
    format_ap,
    format_conditions,
    format_figure,
    join,
)
from posezoo.core.declarations.model import ModelSpec, PublishedAccuracy
from posezoo.figures.measured import WEIGHTS, Measurement, measurements_of
from posezoo.figures.measurement_selection import (
    MeasurementSelection,
    executed_type,
)
from posezoo.figures.model_facts import ModelFacts
from posezoo.networks.custom_weights import with_known_network
from posezoo.pages.cards.markdown import Paragraphs, escape, format_table

#: Open Model Zoo's names of the metrics that it has.
METRICS = {"AP": "Average Precision (AP)", "MPJPE": "MPJPE (mm)"}
#: What a processor can do, of which the last is the newest: card.json has all of it.
_INSTRUCTIONS = re.compile(r" \([^)]*?([^\s,)]+)\)")
COSTS = {"gflops": "GFLOPs", "mparams": "MParams"}


def render_specification_section(facts: ModelFacts, *, is_published: bool) -> Paragraphs:
    """The section Specification; card.json has the other figures.

    Args:
        is_published: whether the weights are the publisher's, whose accuracy and time are known.
    """
    parts = facts.parts
    rows = []
    for part in parts:
        owner = "" if len(parts) == 1 else f" of {part.full_name}"
        for claim in part.published.accuracy if is_published else ():
            rows.append((f"{METRICS.get(claim.metric, claim.metric)}{owner}", _published(claim)))
    if is_published:
        rows += _measured_accuracy(facts)
    definitions = []
    for part in parts:
        owner = "" if len(parts) == 1 else f" of {part.full_name}"
        rows += _cost_rows(part, owner)
        network = with_known_network(part).network
        if network and network.names:  # model.yml names a class of its authors' code
            definitions.append(
                f"posezoo's own definition, {network.name}, with the published weights"
            )
    detector = f", with {facts.detector.name}" if facts.detector else ""
    rows += [
        ("Milliseconds", _milliseconds(facts) if is_published else ""),
        ("Source framework", ", ".join(facts.framework_labels)),
        ("Network", ", ".join(definitions)),
        ("Download", f"{facts.described_download}{detector}"),
    ]
    yield "## Specification"
    yield format_table(("Metric", "Value"), [row for row in rows if row[1]])
    for part in parts:
        if part.published.known_difference:
            yield f"Known difference: {escape(part.published.known_difference)}"


def _published(claim: PublishedAccuracy) -> str:
    value = format_value(claim.value, claim.metric)
    converted = ""
    if claim.converted is not None and not claim.is_of_ir:
        converted = f"{format_value(claim.converted, claim.metric)} converted"
    return f"{join(value, converted)} (published: {format_conditions(claim) or 'no conditions'})"


def format_value(value: float, metric: str) -> str:
    """An accuracy as a share, or an error in mm."""
    return f"{value:g}" if metric == "MPJPE" else format_ap(value)


def _measured_accuracy(facts: ModelFacts) -> Iterator[tuple[str, str]]:
    """The AP of the whole pipeline, as ``posezoo run`` computes it, in the usual precision."""
    measured = [
        each
        for each in MeasurementSelection().select_of_pipeline(facts.model, "accuracy")
        if "AP" in each.figures and each.precision is facts.usual_precision
    ]
    for each in measured[:1]:
        settings = each.settings
        value = format_ap(each.figures["AP"], each.intervals.get("AP"))
        people = settings.get("people_from")
        conditions = join(
            f"{settings.get('images', 'some')} images of {settings.get('dataset', 'own data')}",
            join(each.precision, executed_type(each), separator=" in "),
            f"people from {people}" if people else "",
        )
        yield METRICS["AP"], f"{value} (measured by posezoo: {conditions})"


def _cost_rows(part: ModelSpec, owner: str) -> Iterator[tuple[str, str]]:
    """As published, or else as counted on the IR: the rules on metadata compare both."""
    counts = measurements_of(part, "complexity")
    published = {"gflops": part.published.gflops, "mparams": part.published.mparams}
    for metric, value in published.items():
        text = ""
        if value is not None:
            text = f"{value:.6g}"
        elif counts and metric in counts[0].figures:
            text = f"{format_figure(counts[0].figures[metric])} (counted on the IR)"
        yield f"{COSTS[metric]}{owner}", text


def _milliseconds(facts: ModelFacts) -> str:
    """The median time of a photo of one person on one machine, or else of the network alone."""
    selection = MeasurementSelection(one_request=True)
    of_pipeline = selection.select_of_pipeline(facts.model, "speed", shown=1)
    for what, measured in (
        ("a photo of one person", of_pipeline),
        ("the network alone", selection.select_of_network(facts.model)),
    ):
        timed = [
            each
            for each in measured
            if each.precision is facts.usual_precision and "latency_p50_ms" in each.figures
        ]
        if timed:
            # The newest; of one day, that of the published weights.
            chosen = max(timed, key=lambda each: (each.weights == WEIGHTS[0], each.date))
            return _describe_time(chosen, what)
    return ""


def _describe_time(measured: Measurement, what: str) -> str:
    weights = "" if measured.weights == WEIGHTS[0] else "generated weights"
    computed = join(measured.precision, executed_type(measured), separator=" in ")
    figure = format_figure(measured.figures["latency_p50_ms"])
    machine = _INSTRUCTIONS.sub(r" \1", measured.machine).removesuffix(", Linux")
    conditions = join(computed, machine, weights)
    return f"{figure}: {what} ({conditions})"
