"""Models side by side: accuracy, speed, size, cost and licence of each model and precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from posezoo.facts.measurement_selection import MeasurementSelection, select_most_common_setting
from posezoo.facts.sourced_metrics import (
    MetricSource,
    SourcedMetric,
    counted_metrics,
    measured_metrics,
    published_metrics,
)
from posezoo.layout import ModelLayout
from posezoo.measured import Measurement
from posezoo.spec.model import ModelSpec, Precision


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One model in one precision.

    Attributes:
        model: its name, with its tag.
        precision: of the IR.
        license: its SPDX identifier, or an address if no identifier is declared.
        values: by the names of ``COLUMNS``; None if the value is not known.
    """

    model: str
    precision: Precision
    license: str
    values: Mapping[str, SourcedMetric | None]


@dataclass(frozen=True, slots=True)
class ComparisonColumn:
    """One metric of all rows.

    Attributes:
        title: with its unit, as people read it.
        in_words: writes a value, as people read it.
    """

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
    """All rows, and the settings with which their speeds and accuracies were measured; empty: none was."""

    rows: tuple[ComparisonRow, ...]
    speed_way: str = ""
    accuracy_conditions: str = ""


def compare_models(
    specs: Sequence[ModelSpec],
    precisions: Sequence[Precision],
    layout: ModelLayout,
    selection: MeasurementSelection,
) -> ModelComparison:
    """Put models side by side.

    Args:
        specs: the models; each has a row for each precision that it is available in, or was quantized to.
        precisions: the precisions of interest.
        layout: the folders of the IR, whose sizes are compared.
        selection: the measurements to use.

    Raises:
        SpecError: a measured.yml is not valid.
    """
    subjects = [
        (spec, precision)
        for spec in specs
        for precision in precisions
        if precision in spec.precisions or layout.ir_path(spec, precision).is_file()
    ]

    def comparable(kind: str, metric: str) -> tuple[str, dict[tuple[str, Precision], Measurement]]:
        measurements = {
            (spec.full_name, precision): [
                each for each in selection.select(spec, kind) if each.precision is precision
            ]
            for spec, precision in subjects
        }
        return select_most_common_setting(measurements, metric)

    speed_setting, speeds = comparable("speed", "throughput_fps")
    accuracy_setting, accuracies = comparable("accuracy", "AP")
    rows = []
    for spec, precision in subjects:
        subject = spec.full_name, precision
        counts = selection.select(spec, "complexity")
        count = min(counts, key=lambda each: each.precision is not precision, default=None)
        published = published_metrics(spec)
        if "INT8" in precision:
            published.pop("AP", None)  # it is the accuracy of the weights in floating point
        metrics = {
            **published,
            **counted_metrics(count),
            **measured_metrics(speeds.get(subject)),
            **measured_metrics(accuracies.get(subject)),
            "size_bytes": _size(spec, precision, layout),
        }
        license = spec.license.spdx or spec.license.url
        values = {key: metrics.get(key) for key in COLUMNS}
        rows.append(ComparisonRow(spec.full_name, precision, license, values))
    return ModelComparison(tuple(rows), speed_setting, accuracy_setting)


def _size(spec: ModelSpec, precision: Precision, layout: ModelLayout) -> SourcedMetric | None:
    """The size of .xml and .bin together, on disk or else as published."""
    xml = layout.ir_path(spec, precision)
    files = (xml, xml.with_suffix(".bin"))
    if all(file.is_file() for file in files):
        return SourcedMetric(sum(file.stat().st_size for file in files), MetricSource.MEASURED)
    sizes = [file.size for file in spec.files if file.name.startswith(f"{precision}/")]
    if not spec.is_ir or not sizes or None in sizes:
        return None
    return SourcedMetric(sum(size or 0 for size in sizes), MetricSource.DECLARED)
