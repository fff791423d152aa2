"""Metrics of a model, each with its origin: measured, or stated by the publisher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from posezoo.facts.labels import format_pairs, join
from posezoo.measured import WEIGHTS, Measurement
from posezoo.spec.model import ModelSpec


class MetricSource(str, Enum):
    """Where a value comes from."""

    MEASURED = "measured"
    GENERATED = "measured on generated weights"
    DECLARED = "declared"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class SourcedMetric:
    """A value, and where it comes from.

    Attributes:
        number: in the unit of the metric.
        origin: whether it was measured, or is what the publisher states.
        conditions: the data set or the settings; empty if they are stated elsewhere.
    """

    number: float
    origin: MetricSource
    conditions: str = ""


def published_metrics(spec: ModelSpec) -> dict[str, SourcedMetric]:
    """What the publisher states: ``AP`` and other accuracies as shares, ``gflops`` and ``mparams``.

    Of several values of a metric the first one counts.
    """
    metrics: dict[str, SourcedMetric] = {}
    for claim in spec.published.accuracy:
        if claim.metric != "MPJPE":  # in mm, not a share
            conditions = join(claim.dataset, claim.protocol, "flip" if claim.flip else "")
            metrics.setdefault(claim.metric, SourcedMetric(claim.value, MetricSource.DECLARED, conditions))
    for name, number in (("gflops", spec.published.gflops), ("mparams", spec.published.mparams)):
        if number is not None:
            metrics[name] = SourcedMetric(number, MetricSource.DECLARED)
    return metrics


def measured_metrics(measurement: Measurement | None) -> Mapping[str, SourcedMetric]:
    """The values of a measurement, whose settings are stated elsewhere; empty if nothing was measured."""
    if measurement is None:
        return {}
    is_published = measurement.weights == WEIGHTS[0]
    origin = MetricSource.MEASURED if is_published else MetricSource.GENERATED
    return {name: SourcedMetric(value, origin) for name, value in measurement.figures.items()}


def counted_metrics(measurement: Measurement | None) -> Mapping[str, SourcedMetric]:
    """GFLOPs and MParams of an IR, which are the same with any weights and in every precision."""
    if measurement is None:
        return {}
    settings = format_pairs(dict(sorted(measurement.settings.items())))
    conditions = join(f"counted on {measurement.precision}", settings)
    return {
        name: SourcedMetric(value, MetricSource.MEASURED, conditions)
        for name, value in measurement.figures.items()
    }
