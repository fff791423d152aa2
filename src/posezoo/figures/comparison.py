"""A comparison of models: accuracy, speed, size, cost and license by model and precision, each
measured (on one machine, with the same settings) or stated by the publisher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from enum import Enum
from pathlib import Path

from posezoo.console.json_projection import Json, project
from posezoo.console.labels import format_conditions, format_pairs, join
from posezoo.core.declarations.model import (
    WHOLE_PHOTO,
    Model,
    ModelSpec,
    Precision,
    PublishedAccuracy,
)
from posezoo.core.layout import ModelLayout
from posezoo.core.values import frozen
from posezoo.figures.measured import (
    DETECTOR_PRECISION,
    FIGURES_FILE,
    FOUND,
    OWN_RECORDS,
    REGISTRY,
    THIS_MACHINE,
    USUALLY_SHOWN,
    WEIGHTS,
    Measurement,
    read_detector_precision,
)
from posezoo.figures.measurement_selection import (
    MeasurementSelection,
    format_comparable_settings,
    format_measurement_setting,
    is_of_one_request,
)
from posezoo.figures.model_facts import ModelFacts, offers_precision
from posezoo.poses.people import declared_people
from posezoo.run.pipeline_spec import PipelineSpec

#: By kind: the precision that INT8 is compared with, and the metric. Speeds of FP32 are not
#: recorded.
INT8_BASELINES = {"accuracy": (Precision.FP32, "AP"), "speed": (Precision.FP16, "throughput_fps")}


class MetricSource(str, Enum):
    """The origin of a value."""

    MEASURED = "measured"
    GENERATED = "measured on generated weights"
    ESTIMATED = "estimated from the times of its networks"
    DECLARED = "declared"


@frozen
class SourcedMetric:
    """A value in the metric's unit, its origin, and its data set or settings (empty if stated
    elsewhere).

    ``interval`` is the 95 % confidence interval; ``machine`` the place of a speed's measurement, or
    ``THIS_MACHINE``; ``record`` as in ``Measurement``.
    """

    number: float
    origin: MetricSource
    conditions: str = ""
    interval: tuple[float, float] | None = None
    machine: str = ""
    record: str = ""

    @property
    def as_json(self) -> Json:
        """The value in JSON."""
        more = " machine" * bool(self.machine) + " record" * bool(self.record)
        return project(self, "number origin how=conditions" + more)


#: The kinds of AP of people: of the whole pipeline, as published and as measured by us; and of
#: other boxes or with flip, as published.
_AP_KINDS = ("pipeline_AP", "AP", "published_AP")

#: By the names of ``COLUMNS``, and of accuracies that only a card states.
Metrics = dict[str, SourcedMetric]


@frozen
class ComparisonRow:
    """The record of one model in one precision, with people found as it does by default.

    Every figure of a model is printed from here.
    """

    pipeline: PipelineSpec  # the detector's precision is that of the AP and speed
    license: str  # an SPDX identifier, or an address if none is declared
    values: Mapping[str, SourcedMetric | None]  # by the names of ``COLUMNS``; None if unknown
    # By the number of people on the picture of a pipeline's speed: how many were found there.
    people_found: Mapping[int, int] = field(default_factory=dict)
    is_opened: bool = False  # as in ``ModelFacts``
    is_pinned: bool = True  # whether all of its files have a checksum
    download_limit: int = 0  # as in ``ModelFacts``
    compared_with: tuple[str, ...] = ()  # what proves the IR of this machine
    #: As in ``LoadOptions``; None for the size that the model declares.
    target_size: int | None = None

    @property
    def model(self) -> str:
        """The name of the model, with its tag."""
        return self.pipeline.model.full_name

    @property
    def precision(self) -> Precision:
        """The precision of the model's IR."""
        return self.pipeline.precision or Precision.FP16

    @property
    def name(self) -> str:
        """The model, with its precision if that is not FP16, and its size if that is another."""
        is_usual = self.precision is Precision.FP16
        name = self.model if is_usual else f"{self.model} ({self.precision})"
        return f"{name} at {self.target_size}" if self.target_size else name

    @property
    def is_own(self) -> bool:
        """Whether the user measured a figure of it."""
        return any(each and each.record in OWN_RECORDS for each in self.values.values())

    @property
    def ap(self) -> SourcedMetric | None:
        """The AP that decides its place: one that the user measured, else of the kinds that ``run``
        runs, the pipeline on whole photos, as published or as measured by us; else of other boxes.
        """
        return self.values["any_AP"]

    @property
    def kind_of_ap(self) -> int:
        """Only values of one kind can be compared: 0, 1 and 2 in the order of ``_AP_KINDS``."""
        for kind, key in enumerate(_AP_KINDS):
            if self.ap and self.ap is self.values[key]:
                return kind
        return len(_AP_KINDS)

    @property
    def as_json(self) -> Json:
        """The record as ``recommend`` prints it."""
        values = {key: value and value.as_json for key, value in self.values.items()}
        keys = (
            "model precision target_size license people_from=pipeline.people_from"
            " detector_precision=pipeline.shown_detector_precision"
            " weights_opened=is_opened compared_with"
        )
        described = project(self, keys)
        people_found = {str(shown): count for shown, count in self.people_found.items()}
        return described | {"people_found": people_found} | values


#: What decides comes first. The first group is of the same whole pipeline, from an image file to
#: drawn poses; AP is a share, and the download in bytes.
COLUMNS = (
    *("any_AP", "AP", "AR50_single", "AR50_several", "ghosts"),
    *("single_p50_ms", "latency_p50_ms", "transfer_bytes", "throughput_fps"),
    *("found_lying", "found_upside_down", "found_in_video", "pipeline_AP"),
    *("published_AP", "network_fps", "network_p50_ms", "size_bytes", "gflops", "mparams"),
)

#: The names of the speeds of a network alone, by their names in measured.yml.
_NETWORK_NAMES = {"throughput_fps": "network_fps", "latency_p50_ms": "network_p50_ms"}


@frozen
class ModelComparison:
    """All rows, and the settings of their measurements (empty if none was measured)."""

    rows: tuple[ComparisonRow, ...]
    speed_setting: str  # of whole pipelines
    accuracy_conditions: str
    single_setting: str  # of pipelines with one person
    situation_conditions: str

    @property
    def rows_by_model(self) -> dict[str, list[ComparisonRow]]:
        """The rows of each model, by its name with its tag."""
        rows: dict[str, list[ComparisonRow]] = {}
        for row in self.rows:
            rows.setdefault(row.model, []).append(row)
        return rows


@frozen
class _Subject:
    facts: ModelFacts
    precision: Precision
    target_size: int | None = None

    @property
    def key(self) -> tuple[str, Precision, int | None]:
        return self.facts.name, self.precision, self.target_size


def compare_models(
    models: Sequence[ModelFacts],
    layout: ModelLayout,
    selection: MeasurementSelection,
) -> ModelComparison:
    """Compare models and composites: a row for each precision and size in which the AP of a model
    was measured, at least for its usual precision and the size that it declares.

    FP32 has no row beside FP16, which has the same weights, and computes in the same type.
    """
    subjects = []
    for facts in models:
        sizes = selection.target_sizes(facts.model)
        for precision in _measured_precisions(facts, selection):
            if all(
                offers_precision(part, precision) or layout.ir_path(part, precision).is_file()
                for part in facts.parts
            ):
                subjects += [_Subject(facts, precision, size) for size in (None, *sizes)]

    def of_pipeline(kind: str, shown: int = USUALLY_SHOWN) -> _Select:
        return lambda subject: selection.select_of_pipeline(
            subject.facts.model, kind, shown, target_size=subject.target_size
        )

    def of_network(subject: _Subject) -> list[Measurement]:
        return [] if subject.target_size else selection.select_of_network(subject.facts.model)

    chosen = (
        _choose(subjects, of_pipeline("speed"), "throughput_fps"),
        _choose(subjects, of_pipeline("accuracy"), "AP", of_any_setting=True),
        _choose(subjects, of_pipeline("speed", 1), "throughput_fps"),
        _choose(subjects, of_network, "throughput_fps"),
        _choose(subjects, of_pipeline("situations"), "ghosts", of_any_setting=True),
    )
    rows = []
    for subject in subjects:
        measured = [measurements.get(subject.key) for _, measurements in chosen]
        metrics = _static_metrics(subject.facts, subject.precision, layout, selection)
        # What is not measured beside what is, such as several people, is not estimated either.
        speed_and_single = (measured[0], measured[2])
        if not any(each and each.weights == WEIGHTS[0] for each in speed_and_single):
            metrics |= _expect_times(subject, selection)
        proofs: dict[str, None] = {}  # what the IR here were compared with
        for _part, made, record in replace(subject.facts, layout=layout).ir_records():
            if made is subject.precision:
                found = (record.reference, record.int8, record.dependence, record.nodes)
                proofs |= dict.fromkeys(map(str, filter(None, found)))
        rows.append(_make_row(subject, metrics, measured, tuple(proofs)))
    speed, accuracy, single, _network, situations = (setting for setting, _ in chosen)
    return ModelComparison(tuple(rows), speed, accuracy, single, situations)


def _make_row(
    subject: _Subject,
    metrics: Metrics,
    measured: Sequence[Measurement | None],
    compared_with: tuple[str, ...],
) -> ComparisonRow:
    """A row with the static metrics, and those of the measurements of the pipeline's speed with
    several people, its accuracy, its speed with one person, the network's speed, and the situations
    of people.
    """
    facts, precision = subject.facts, subject.precision
    speed, accuracy, single, network, situations = _of_one_network(measured)
    if size := facts.transfer_bytes(precision):
        metrics["transfer_bytes"] = SourcedMetric(size, MetricSource.DECLARED)
    if subject.target_size:
        metrics.pop("published_AP", None)
        metrics.pop("pipeline_AP", None)
    if subject.target_size or facts.model.target_size:  # they were counted at another size
        metrics.pop("gflops", None)
    metrics |= _measured_metrics(speed) | _measured_metrics(accuracy)
    metrics.pop("ghosts", None)  # those of an accuracy are of other pictures
    metrics |= _measured_metrics(situations)
    if latency := _measured_metrics(single).get("latency_p50_ms"):
        metrics["single_p50_ms"] = latency
    for name, metric in _measured_metrics(network).items():
        if name in _NETWORK_NAMES:
            metrics[_NETWORK_NAMES[name]] = metric
    kinds: tuple[str, ...] = _AP_KINDS
    if "AP" in metrics and metrics["AP"].record in OWN_RECORDS:
        kinds = ("AP",)
    if ap := next((metrics[kind] for kind in kinds if kind in metrics), None):
        metrics["any_AP"] = ap
    return ComparisonRow(
        PipelineSpec(
            facts.model,
            precision,
            declared_people(facts.model),
            facts.detector,
            read_detector_precision(*(each.settings for each in (speed, accuracy, single) if each)),
        ),
        license=", ".join(facts.licenses),
        values={key: metrics.get(key) for key in COLUMNS},
        people_found={
            shown: found
            for shown, each in ((USUALLY_SHOWN, speed), (1, single))
            if each and isinstance(found := each.settings.get(FOUND), int)
        },
        is_opened=facts.is_opened,
        is_pinned=facts.is_pinned,
        download_limit=facts.download_limit,
        compared_with=compared_with,
        target_size=subject.target_size,
    )


def _of_one_network(measured: Sequence[Measurement | None]) -> list[Measurement | None]:
    """Without the registry's measurements of other IR than that of its accuracy, or of what else it
    has: a figure of an older conversion says nothing about this one. The user's, of IR that this
    user made, all stay.
    """
    speed, accuracy, single, network, situations = measured
    of_registry = [each for each in measured if each and each.record == REGISTRY]
    preferred = (each for each in (accuracy, situations, speed, single) if each in of_registry)
    first = next(preferred, None)
    others = [each for each in of_registry if first and each.irs not in ("", first.irs)]
    return [each if each is network or each not in others else None for each in measured]


#: What a pipeline takes beside its networks, in ms: once for an image, and for each person (crop,
#: decode, draw). movenet-thunder, movenet-lightning and rtmpose-s took 2 to 4 on two cores.
_IMAGE_MS = 3.0
_PERSON_MS = 3.0


def _expect_times(subject: _Subject, selection: MeasurementSelection) -> Metrics:
    """The times of a whole pipeline whose weights are not here, with one person and with four: as
    measured with generated weights on any machine, else as estimated.
    """
    if subject.target_size:
        return {}
    metrics = {}
    for key, people in (("single_p50_ms", 1), ("latency_p50_ms", USUALLY_SHOWN)):
        speeds = [
            each
            for each in selection.select_of_pipeline(subject.facts.model, "speed", people)
            if each.weights != WEIGHTS[0] and _is_of_one_image(each, subject.precision)
        ]
        newest = max(speeds, key=lambda each: each.date, default=None)
        time = _measured_metrics(newest).get("latency_p50_ms")
        if time := time or _estimate_time(subject, people, selection):
            metrics[key] = time
    return metrics


def _estimate_time(
    subject: _Subject, people: int, selection: MeasurementSelection
) -> SourcedMetric | None:
    """The detector, the network once for each person, and the rest; None unless both networks were
    measured alone in one setting.
    """
    facts = subject.facts
    detector = facts.detector
    if facts.model.composite or (facts.model.people and detector is None):
        return None
    of_network = _networks_by_setting(facts.model, subject.precision, selection)
    of_detector = of_network
    if detector:
        of_detector = _networks_by_setting(detector, subject.precision, selection)
    both = of_network.keys() & of_detector
    newest = max(both, key=lambda each: of_network[each].date, default=None)
    if newest is None:
        return None
    network = of_network[newest]
    total = _IMAGE_MS + people * _PERSON_MS + network.figures["latency_p50_ms"]
    if detector:
        total += (people - 1) * network.figures["latency_p50_ms"]
        total += of_detector[newest].figures["latency_p50_ms"]
    return SourcedMetric(
        total, MetricSource.ESTIMATED, machine=network.machine, record=network.record
    )


def _networks_by_setting(
    model: Model, precision: Precision, selection: MeasurementSelection
) -> dict[str, Measurement]:
    return {
        format_measurement_setting(each): each
        for each in selection.select_of_network(model)
        if _is_of_one_image(each, precision) and "height" not in each.settings
    }


def _is_of_one_image(speed: Measurement, precision: Precision) -> bool:
    is_single = speed.settings.get("batch", 1) == 1 and "latency_p50_ms" in speed.figures
    return is_single and is_of_one_request(speed) and speed.precision is precision


def _measured_precisions(facts: ModelFacts, selection: MeasurementSelection) -> list[Precision]:
    """The precisions with a measured AP that everybody gets, else the best one."""
    measured = selection.select_of_pipeline(facts.model, "accuracy")
    best = facts.best_precision(measured)
    if best is None:
        return []
    with_ap = {each.precision for each in measured if "AP" in each.figures}
    if Precision.FP16 in with_ap:
        with_ap.discard(Precision.FP32)
    offered = [
        each
        for each in Precision
        if each in with_ap and all(offers_precision(part, each) for part in facts.parts)
    ]
    return offered or [best]


def _static_metrics(
    facts: ModelFacts, precision: Precision, layout: ModelLayout, selection: MeasurementSelection
) -> Metrics:
    by_part = []
    for part in facts.parts:
        metrics = published_metrics(part)
        if "INT8" in precision:
            # They are the accuracy of the weights in floating point.
            metrics.pop("published_AP", None)
            metrics.pop("pipeline_AP", None)
        metrics |= _count_metrics(part, precision, selection)
        size = _ir_size(part, precision, layout)
        if size:
            metrics["size_bytes"] = size
        by_part.append(metrics)
    if len(by_part) == 1:
        return by_part[0]
    sums = {}
    for key in ("gflops", "mparams", "size_bytes"):
        if all(key in metrics for metrics in by_part):
            number = sum(metrics[key].number for metrics in by_part)
            first = by_part[0][key]
            sums[key] = replace(first, number=number, conditions="the sum of its parts")
    return sums


def _count_metrics(
    part: ModelSpec, precision: Precision, selection: MeasurementSelection
) -> Metrics:
    """GFLOPs and MParams as counted; they do not depend on the weights or the precision."""
    counts = selection.select(part, "complexity")
    count = min(counts, key=lambda each: each.precision is not precision, default=None)
    if count is None:
        return {}
    settings = dict(sorted(count.settings.items()))
    conditions = join(f"counted on {count.precision}", format_pairs(settings))
    return {
        name: SourcedMetric(number, MetricSource.MEASURED, conditions, record=count.record)
        for name, number in count.figures.items()
    }


def _ir_size(part: ModelSpec, precision: Precision, layout: ModelLayout) -> SourcedMetric | None:
    xml = layout.ir_path(part, precision)
    files = (xml, xml.with_suffix(".bin"))
    if all(map(Path.is_file, files)):
        size = sum(file.stat().st_size for file in files)
        return SourcedMetric(size, MetricSource.MEASURED)
    sizes = [file.size for file in part.files if file.name.startswith(f"{precision}/")]
    if part.is_ir and sizes and None not in sizes:
        return SourcedMetric(sum(filter(None, sizes)), MetricSource.DECLARED)
    return None


def _measured_metrics(measurement: Measurement | None) -> Metrics:
    if measurement is None:
        return {}
    record = measurement.record
    machine = THIS_MACHINE if record == THIS_MACHINE else measurement.machine
    settings = "" if record == REGISTRY else format_comparable_settings(measurement)
    origin = MetricSource.MEASURED if measurement.weights == WEIGHTS[0] else MetricSource.GENERATED
    metrics = {}
    for name, number in measurement.figures.items():
        interval = measurement.intervals.get(name)
        words = "95 % interval {:.3f} to {:.3f}".format(*interval) if interval else ""
        conditions = join(words, settings)
        metrics[name] = SourcedMetric(number, origin, conditions, interval, machine, record)
    return metrics


def published_metrics(spec: ModelSpec) -> Metrics:
    """The publisher's first values: ``published_AP`` and other accuracies as fractions, ``gflops``
    and ``mparams``; ``pipeline_AP`` if it is of the pipeline that ``posezoo run`` takes.
    """
    metrics: Metrics = {}
    published = spec.published
    for claim in published.accuracy:
        # MPJPE is in mm, not a fraction; the AP of boxes is not comparable with that of keypoints.
        if claim.metric != "MPJPE" and spec.task != "detection":
            metric = SourcedMetric(claim.value, MetricSource.DECLARED, format_conditions(claim))
            metrics.setdefault(f"published_{claim.metric}", metric)
            if claim.metric == "AP" and _is_of_pipeline(spec, claim):
                metrics.setdefault("pipeline_AP", metric)
    for name, number in (("gflops", published.gflops), ("mparams", published.mparams)):
        if number is not None:
            metrics[name] = SourcedMetric(number, MetricSource.DECLARED)
    return metrics


def _is_of_pipeline(spec: ModelSpec, claim: PublishedAccuracy) -> bool:
    """Whether a publisher measured the network as ``posezoo run`` runs it: on whole photos, with
    its declared detector if it needs one, and without the mirrored photo.
    """
    people = declared_people(spec)
    return not claim.flip and claim.boxes == (people.photo if people else WHOLE_PHOTO)


def int8_ratio(measurement: Measurement, others: Iterable[Measurement]) -> float | None:
    """INT8's AP divided by that of FP32, or its throughput by that of FP16, in the same settings;
    None if ``measurement`` is not of INT8, or ``others`` have no such value.
    """
    if "INT8" not in measurement.precision or measurement.kind not in INT8_BASELINES:
        return None
    baseline, metric = INT8_BASELINES[measurement.kind]
    value = measurement.figures.get(metric)
    conditions = _conditions(measurement)
    for other in others:
        if other.precision is baseline and _conditions(other) == conditions:
            least = other.figures.get(metric)
            return value / least if least and value is not None else None
    return None


def _conditions(measurement: Measurement) -> tuple[object, ...]:
    ignored = ("arithmetic", "executed_precision", DETECTOR_PRECISION, FOUND)
    settings = {key: value for key, value in measurement.settings.items() if key not in ignored}
    return measurement.kind, measurement.tag, measurement.machine, measurement.weights, settings


_Select = Callable[[_Subject], Iterable[Measurement]]
_BySubject = dict[tuple[str, Precision, int | None], Measurement]
#: The setting of its measurements, in one line.
_Column = tuple[str, _BySubject]

#: By record, machine and settings, as ``format_comparable_settings`` gives them.
_Setting = tuple[str, str, str]
_Groups = dict[_Setting, _BySubject]


def _most_common_setting(groups: _Groups) -> _Setting:
    """The setting of the most models; if two are equally common, that of the newest measurement;
    empty if nothing was measured. So all verbs choose the same, whatever precisions they show.
    """

    def rank(setting: _Setting) -> tuple[int, str]:
        here = groups[setting]
        return len({name for name, *_ in here}), max(each.date for each in here.values())

    return max(groups, key=rank, default=("", "", ""))


def _choose(
    subjects: Sequence[_Subject], select: _Select, metric: str, *, of_any_setting: bool = False
) -> _Column:
    """The measurements of the most common machine and settings, and those of the user, which are
    preferred.

    The user's must have the same settings, unless those ``of_any_setting`` are comparable enough.
    If not, a file of the user decides which settings these are.
    """
    groups = _group_by_setting(subjects, select, metric)
    registry = _of_record(groups, REGISTRY)
    deciding = {} if of_any_setting else _of_record(groups, FIGURES_FILE)
    *_, settings = _most_common_setting(deciding or registry or groups)
    alike = {key: each for key, each in registry.items() if settings in key}
    chosen = {**alike.get(_most_common_setting(alike), {})}
    for record in OWN_RECORDS:
        for key, measurements in _of_record(groups, record).items():
            if of_any_setting or settings in key:
                chosen |= measurements
    machines = {each.machine for each in chosen.values()}
    return join(*machines if len(machines) == 1 else (), settings, separator="; "), chosen


def _group_by_setting(subjects: Sequence[_Subject], select: _Select, metric: str) -> _Groups:
    """The measurement of each subject with the largest metric, by its setting."""
    groups: _Groups = {}
    for subject in subjects:
        for measurement in select(subject):
            if measurement.precision is not subject.precision or metric not in measurement.figures:
                continue
            comparable = format_comparable_settings(measurement)
            setting = (measurement.record, measurement.machine, comparable)
            best = groups.setdefault(setting, {})
            both = (best.get(subject.key, measurement), measurement)
            best[subject.key] = max(both, key=lambda each: each.figures[metric])
    return groups


def _of_record(groups: _Groups, record: str) -> _Groups:
    return {key: each for key, each in groups.items() if key[0] == record}


def in_order(rows: Iterable[ComparisonRow]) -> tuple[ComparisonRow, ...]:
    """The order of all lists, tables and charts: the user's own first; then by AP within its kind:
    of the whole pipeline as published, as measured by us, and of other boxes; those without one
    come last.
    """

    def place(row: ComparisonRow) -> tuple[bool, int, float, str]:
        kind = 0 if row.is_own else row.kind_of_ap
        return not row.is_own, kind, -row.ap.number if row.ap else 0.0, row.name

    return tuple(sorted(rows, key=place))
