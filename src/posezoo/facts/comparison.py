"""A row for each model and precision: accuracy, speed, size, cost and terms, each with where it is from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from posezoo.facts.measurement_selection import filter_measurements, select_most_common_setting
from posezoo.layout import ModelLayout
from posezoo.measured import WEIGHTS, Measurement, load_measurements
from posezoo.spec.model import ModelSpec, Precision


class MetricSource(str, Enum):
    """Where a figure is from."""

    MEASURED = "measured"
    GENERATED = "measured on generated weights"
    DECLARED = "declared"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class SourcedMetric:
    """A figure, and where it is from.

    Attributes:
        number: in the unit of its column.
        origin: whether somebody measured it, or its publisher says so.
        conditions: on what data set, or with which settings; empty where that stands elsewhere.
    """

    number: float
    origin: MetricSource
    conditions: str = ""


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One model in one precision; what nobody knows is None.

    Attributes:
        model: its name, with its tag.
        precision: of the IR.
        license: its SPDX identifier, or an address where no more is declared.
        values: by the names of ``COLUMNS``.
    """

    model: str
    precision: Precision
    license: str
    values: Mapping[str, SourcedMetric | None]


@dataclass(frozen=True, slots=True)
class ComparisonColumn:
    """One figure of all rows.

    Attributes:
        title: with its unit, as people read it.
        in_words: a number of it, as people read it.
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
    """All rows, and in what way the speeds and accuracies were measured that stand there; empty: none was."""

    rows: tuple[ComparisonRow, ...]
    speed_way: str = ""
    accuracy_conditions: str = ""


@dataclass(frozen=True, slots=True)
class MeasurementSelection:
    """Measurements of the user's own, and which of all are wanted.

    Attributes:
        user_measurements: each with its model's name; a kind that they hold is not read from measured.yml.
        machine: words that the machine's line holds.
        settings: that speeds were measured with.
    """

    user_measurements: Sequence[tuple[str, Measurement]] = ()
    machine: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    def select(self, spec: ModelSpec, kind: str) -> list[Measurement]:
        """All of a kind of a model.

        Raises:
            SpecError: its measured.yml says something that cannot be meant.
        """
        if any(each.kind == kind for _, each in self.user_measurements):
            found = [each for name, each in self.user_measurements if name == spec.full_name]
        else:
            found = list(load_measurements(spec))
        found = [each for each in found if each.kind == kind]
        return filter_measurements(found, self.machine, self.settings) if kind == "speed" else found


ModelPrecision = tuple[str, Precision]


def compare_models(
    specs: Sequence[ModelSpec],
    precisions: Sequence[Precision],
    layout: ModelLayout,
    metrics: MeasurementSelection,
) -> ModelComparison:
    """Put models side by side.

    Args:
        specs: the models; each has a row for each precision that it is to be had in, or was quantized to.
        precisions: the wanted ones.
        layout: where IR lie, whose size is told.
        metrics: what the user measured, and which figures are wanted.

    Raises:
        SpecError: a measured.yml says something that cannot be meant.
    """
    subjects = [
        (spec, each)
        for spec in specs
        for each in precisions
        if each in spec.precisions or layout.ir_path(spec, each).is_file()
    ]

    def chosen(kind: str, metric: str) -> tuple[str, dict[ModelPrecision, Measurement]]:
        return select_most_common_setting(
            {
                (spec.full_name, precision): [
                    each for each in metrics.select(spec, kind) if each.precision is precision
                ]
                for spec, precision in subjects
            },
            metric,
        )

    speed_way, speeds = chosen("speed", "throughput_fps")
    accuracy_way, accuracies = chosen("accuracy", "AP")
    rows = []
    for spec, precision in subjects:
        subject = spec.full_name, precision
        speed = speeds.get(subject)
        counted = metrics.select(spec, "complexity")
        count = min(counted, key=lambda each: each.precision is not precision, default=None)
        values = {
            "AP": _measured(accuracies.get(subject), "AP") or _published_ap(spec, precision),
            "throughput_fps": _measured(speed, "throughput_fps"),
            "latency_p50_ms": _measured(speed, "latency_p50_ms"),
            "size_bytes": _size(spec, precision, layout),
            "gflops": _cost(count, "gflops") or _declared(spec.published.gflops),
            "mparams": _cost(count, "mparams") or _declared(spec.published.mparams),
        }
        rows.append(ComparisonRow(spec.full_name, precision, spec.license.spdx or spec.license.url, values))
    return ModelComparison(tuple(rows), speed_way, accuracy_way)


def _measured(found: Measurement | None, metric: str) -> SourcedMetric | None:
    if found is None or metric not in found.figures:
        return None
    origin = MetricSource.MEASURED if found.weights == WEIGHTS[0] else MetricSource.GENERATED
    return SourcedMetric(found.figures[metric], origin)


def _cost(found: Measurement | None, metric: str) -> SourcedMetric | None:
    """What an inference takes is the same on any weights, and in every precision."""
    if found is None or metric not in found.figures:
        return None
    settings = (f"{name} {value}" for name, value in sorted(found.settings.items()))
    how = ", ".join([f"counted on {found.precision}", *settings])
    return SourcedMetric(found.figures[metric], MetricSource.MEASURED, how)


def _declared(number: float | None, how: str = "") -> SourcedMetric | None:
    return None if number is None else SourcedMetric(number, MetricSource.DECLARED, how)


def _published_ap(spec: ModelSpec, precision: Precision) -> SourcedMetric | None:
    """The publisher's, which is that of the weights in floating point: of no quantized IR."""
    if "INT8" in precision:
        return None
    first = next((each for each in spec.published.accuracy if each.metric == "AP"), None)
    if first is None:
        return None
    how = ", ".join(filter(None, (first.dataset, first.protocol, "flip" if first.flip else "")))
    return _declared(first.value, how)


def _size(spec: ModelSpec, precision: Precision, layout: ModelLayout) -> SourcedMetric | None:
    """Of .xml and .bin together: of those that are here, else of those that are published as IR."""
    xml = layout.ir_path(spec, precision)
    files = (xml, xml.with_suffix(".bin"))
    if all(file.is_file() for file in files):
        return SourcedMetric(sum(file.stat().st_size for file in files), MetricSource.MEASURED)
    sizes = [file.size for file in spec.files if file.name.startswith(f"{precision}/")]
    if not spec.is_ir or not sizes or None in sizes:
        return None
    return _declared(sum(size or 0 for size in sizes))
