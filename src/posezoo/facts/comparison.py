"""A comparison of models: accuracy, speed, size, cost and license of each model and precision.

Each metric has an origin: measured, or stated by the publisher. Measurements are compared if they were made
on one machine with the same settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from posezoo.facts.labels import format_pairs, join
from posezoo.facts.model_facts import measurements_of
from posezoo.layout import ModelLayout
from posezoo.measured import ANNOTATED_BOXES, WEIGHTS, Measurement
from posezoo.spec.model import ModelSpec, Precision

#: Settings that the tool chooses, or that follow from the model; they may differ between models.
_MODEL_DEPENDENT = frozenset(
    {"requests", "streams", "executed_precision", "people", "height", "width", "input", "arithmetic"}
)

#: By kind: the precision that INT8 is compared with, and the metric. Speeds of FP32 are not recorded.
INT8_BASELINES = {"accuracy": (Precision.FP32, "AP"), "speed": (Precision.FP16, "throughput_fps")}


class MetricSource(str, Enum):
    """The origin of a value."""

    MEASURED = "measured"
    GENERATED = "measured on generated weights"
    DECLARED = "declared"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True)
class SourcedMetric:
    """A value in the metric's unit, its origin, and its data set or settings (empty if stated elsewhere)."""

    number: float
    origin: MetricSource
    conditions: str = ""


@dataclass(frozen=True, slots=True)
class MeasurementSelection:
    """The user's own measurements, and the selection of measurements to use.

    ``user_measurements``, with their model's name, replace measured.yml for the kinds that they contain.
    Measurements of speed must have the settings, and a machine whose description contains a text.
    """

    user_measurements: Sequence[tuple[str, Measurement]] = ()
    machine: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    def select(self, spec: ModelSpec, kind: str) -> list[Measurement]:
        """All selected measurements of one kind of a model."""
        measurements = measurements_of(spec, kind)
        if any(each.kind == kind for _, each in self.user_measurements):
            measurements = [
                each for name, each in self.user_measurements if name == spec.full_name and each.kind == kind
            ]
        return [
            each
            for each in measurements
            if kind != "speed"
            or (
                self.machine.casefold() in each.machine.casefold()
                and all(str(each.settings.get(name)) == value for name, value in self.settings.items())
            )
        ]


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One model in one precision."""

    model: str  # its name, with its tag
    precision: Precision
    license: str  # an SPDX identifier, or an address if none is declared
    values: Mapping[str, SourcedMetric | None]  # by the names of ``COLUMNS``; None if unknown


@dataclass(frozen=True, slots=True)
class ComparisonColumn:
    """The title of a metric, with its unit, and the function that formats its values for people."""

    title: str
    in_words: Callable[[float], str]


COLUMNS: Mapping[str, ComparisonColumn] = {
    "AP": ComparisonColumn("AP", lambda share: f"{100 * share:.1f}"),
    "throughput_fps": ComparisonColumn("IMAGES/S", lambda fps: f"{fps:.4g}"),
    "latency_p50_ms": ComparisonColumn("P50 MS", lambda ms: f"{ms:.4g}"),
    "size_bytes": ComparisonColumn("MB", lambda size: f"{size / 1e6:.1f}"),
    "gflops": ComparisonColumn("GFLOPS", lambda gflops: f"{gflops:.4g}"),
    "mparams": ComparisonColumn("MPARAMS", lambda mparams: f"{mparams:.4g}"),
}


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """All rows, and the settings of their measured speeds and accuracies (empty if none was measured)."""

    rows: tuple[ComparisonRow, ...]
    speed_setting: str = ""
    accuracy_conditions: str = ""


def compare_models(
    specs: Sequence[ModelSpec],
    precisions: Sequence[Precision],
    layout: ModelLayout,
    selection: MeasurementSelection,
) -> ModelComparison:
    """Compare models: one row for each that is available in, or was quantized to, one of the precisions."""
    subjects = [
        (spec, precision)
        for spec in specs
        for precision in precisions
        if precision in spec.precisions or layout.ir_path(spec, precision).is_file()
    ]

    speed_setting, speeds = _select_most_common_setting(subjects, selection, "speed", "throughput_fps")
    accuracy_setting, accuracies = _select_most_common_setting(subjects, selection, "accuracy", "AP")
    rows = []
    for spec, precision in subjects:
        subject = spec.full_name, precision
        counts = selection.select(spec, "complexity")
        metrics = published_metrics(spec)
        if "INT8" in precision:
            metrics.pop("AP", None)  # it is the accuracy of the weights in floating point
        # GFLOPs and MParams do not depend on the weights or the precision.
        if count := min(counts, key=lambda each: each.precision is not precision, default=None):
            settings = format_pairs(dict(sorted(count.settings.items())))
            conditions = join(f"counted on {count.precision}", settings)
            for name, number in count.figures.items():
                metrics[name] = SourcedMetric(number, MetricSource.MEASURED, conditions)
        for measurement in (speeds.get(subject), accuracies.get(subject)):
            if measurement is not None:
                is_published = measurement.weights == WEIGHTS[0]
                origin = MetricSource.MEASURED if is_published else MetricSource.GENERATED
                for name, number in measurement.figures.items():
                    metrics[name] = SourcedMetric(number, origin, describe_interval(measurement, name))
        xml = layout.ir_path(spec, precision)
        files = (xml, xml.with_suffix(".bin"))
        sizes = [file.size for file in spec.files if file.name.startswith(f"{precision}/")]
        if all(file.is_file() for file in files):
            size = sum(file.stat().st_size for file in files)
            metrics["size_bytes"] = SourcedMetric(size, MetricSource.MEASURED)
        elif spec.is_ir and sizes and None not in sizes:
            metrics["size_bytes"] = SourcedMetric(sum(filter(None, sizes)), MetricSource.DECLARED)
        license = spec.license.spdx or spec.license.url
        values = {key: metrics.get(key) for key in COLUMNS}
        rows.append(ComparisonRow(spec.full_name, precision, license, values))
    return ModelComparison(tuple(rows), speed_setting, accuracy_setting)


def published_metrics(spec: ModelSpec) -> dict[str, SourcedMetric]:
    """The publisher's values: ``AP`` and other accuracies as fractions, ``gflops`` and ``mparams``.

    If a metric has several values, the first one is used.
    """
    metrics: dict[str, SourcedMetric] = {}
    for claim in spec.published.accuracy:
        # MPJPE is in mm, not a fraction; the AP of boxes is not comparable with that of keypoints.
        if claim.metric != "MPJPE" and spec.task != "detection":
            conditions = join(claim.dataset, claim.protocol, "flip" if claim.flip else "")
            metrics.setdefault(claim.metric, SourcedMetric(claim.value, MetricSource.DECLARED, conditions))
    for name, number in (("gflops", spec.published.gflops), ("mparams", spec.published.mparams)):
        if number is not None:
            metrics[name] = SourcedMetric(number, MetricSource.DECLARED)
    return metrics


def describe_interval(measurement: Measurement, metric: str) -> str:
    """The 95 % confidence interval of a metric, in words; empty if it was not computed."""
    low, high = measurement.intervals.get(metric, (0.0, 0.0))
    return f"95 % interval {low:.3f} to {high:.3f}" if high else ""


def format_measurement_setting(measurement: Measurement) -> str:
    """The machine and the settings that comparable measurements share, in one line.

    Accuracies are comparable whether the model itself or a detector finds the people, but not with those on
    annotated boxes.
    """
    settings = ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in sorted(measurement.settings.items())
        if name not in _MODEL_DEPENDENT and (name != "people_from" or value == ANNOTATED_BOXES)
    )
    return join(measurement.machine, settings, separator="; ")


def select_accuracy(
    measurements: Iterable[Measurement],
    precisions: Iterable[Precision] = (Precision.FP16, Precision.FP32, *Precision),
) -> Measurement | None:
    """The highest measured AP of people that the model itself or a detector finds; None if there is none.

    Args:
        measurements: of one model, of any kind.
        precisions: the first precision that was measured counts.
    """
    measured = [
        each
        for each in measurements
        if each.kind == "accuracy"
        and "AP" in each.figures
        and each.settings.get("people_from") != ANNOTATED_BOXES
    ]
    for precision in precisions:
        if alike := [each for each in measured if each.precision is precision]:
            return max(alike, key=lambda each: each.figures["AP"])
    return None


def int8_ratio(measurement: Measurement, others: Iterable[Measurement]) -> float | None:
    """INT8's AP divided by that of FP32, or its throughput by that of FP16, in the same settings.

    None if ``measurement`` is not of INT8, or ``others`` of the model have none to compare it with.
    """
    baseline, metric = INT8_BASELINES.get(measurement.kind, (None, ""))

    def conditions(each: Measurement) -> tuple[object, ...]:
        ignored = ("arithmetic", "executed_precision", "people")
        settings = {name: value for name, value in each.settings.items() if name not in ignored}
        return each.kind, each.tag, each.machine, each.weights, settings

    for other in others if "INT8" in measurement.precision else ():
        if other.precision is baseline and conditions(other) == conditions(measurement):
            least = other.figures.get(metric)
            return measurement.figures[metric] / least if least and metric in measurement.figures else None
    return None


def _select_most_common_setting(
    subjects: Sequence[tuple[ModelSpec, Precision]], selection: MeasurementSelection, kind: str, metric: str
) -> tuple[str, dict[tuple[str, Precision], Measurement]]:
    """The setting with which most subjects were measured, in one line, and the measurement of each subject.

    If two settings are equally common, the one with the larger sum of the metric is chosen; if a subject has
    two measurements, the larger one. The setting is empty if nothing was measured.
    """
    by_setting: dict[str, dict[tuple[str, Precision], Measurement]] = {}
    for spec, precision in subjects:
        subject = spec.full_name, precision
        for measurement in selection.select(spec, kind):
            if measurement.precision is not precision or metric not in measurement.figures:
                continue
            best = by_setting.setdefault(format_measurement_setting(measurement), {})
            if subject not in best or measurement.figures[metric] > best[subject].figures[metric]:
                best[subject] = measurement
    ranks = {
        setting: (len(best), sum(measurement.figures[metric] for measurement in best.values()))
        for setting, best in by_setting.items()
    }
    chosen = max(ranks, key=lambda setting: ranks[setting], default="")
    return chosen, by_setting.get(chosen, {})
