"""Prove a model from its sources: download, convert, and find people on the sample photos; if
wanted, quantize it, and measure APs and speeds. Results and missing checksums are written beside
its model.yml.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from posezoo.console.json_projection import Json
from posezoo.console.labels import format_ap, format_count, format_megabytes, format_pairs
from posezoo.core.declarations.model import Model, ModelSpec, Precision
from posezoo.core.errors import (
    ConversionError,
    InferenceError,
    PosezooError,
    QuantizationError,
)
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.files.manifest import list_path, read_json, read_manifest
from posezoo.core.files.result_files import write_result
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.pipeline.get import get
from posezoo.core.pipeline.removal import plan_removal, remove_files
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.stage_context import Context
from posezoo.core.versions import package_versions, release_version
from posezoo.core.workers.processes import run_in_child
from posezoo.figures.measured import MAX_DIFFERENCE, Measurement, measurements_of
from posezoo.figures.model_facts import describe_model
from posezoo.measure.benchmark_cases import BenchmarkOptions, CaseMaker
from posezoo.measure.benchmarking.benchmark_process import run_rounds
from posezoo.measure.coco import CocoDataset
from posezoo.measure.complexity_count import (
    count_complexity,
    record_measurements,
    require_own_registry,
)
from posezoo.measure.evaluation.evaluation_report import EvaluationReport
from posezoo.measure.model_evaluation import EvaluationTask, LoadedModel, evaluate_model, load_model
from posezoo.media.images import SAMPLE_PHOTOS, read_image, write_image
from posezoo.poses.decoders import finds_boxes
from posezoo.poses.drawing import draw
from posezoo.quantize.int8_models import plan_int8, plan_required_irs
from posezoo.quantize.quantization import quantize, to_measurements
from posezoo.quantize.quantization_plan import QuantizationOptions, explain_unsupported
from posezoo.run.load import default_runtime
from posezoo.run.machine import Machine
from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig
from posezoo.run.subject import Statement, subject_of
from posezoo.upkeep.draft.replacement import write_missing_pins
from posezoo.upkeep.source_check import BAD_STATES, check_sources

INT8 = Precision.FP16_INT8

#: Texts near the beginning of each page and each report.
PAGE_SIGNS = ("| Model | Sources | Pins written |",)
_REPORT_SIGNS = ('"sources": ', '"bad_sources": ')

#: The hours that a model takes without its AP: its conversions, and the rounds of its speeds.
_HOURS = 1 / 30


@dataclass(frozen=True, eq=False)
class Proving:
    """How models are proven.

    Attributes:
        folder: for reports, which the next run keeps, and pictures.
        dataset: annotated images for AP, or None.
        is_fresh: whether models with a report are proven again.
        measures: whether models are also quantized, and speeds measured.
        keeps_files: whether files and IR of proven models stay.
    """

    context: Context
    folder: Path
    dataset: CocoDataset | None
    is_fresh: bool
    measures: bool
    keeps_files: bool

    def __call__(self, spec: ModelSpec, listener: Listener) -> Json:
        """The report of a model; an earlier one of the same posezoo, OpenVINO, model.yml and
        images, of which only failed sources are asked again.

        Raises:
            DownloadError: no source has a file.
            ConversionError: it cannot be converted, or its self-check fails.
            InferenceError: it cannot be run.
            OutputError: a result cannot be written.
        """
        report = self._find_report(spec)
        if not report or report["bad_sources"]:
            report = self._write_report(spec, report, listener)
        if not self.keeps_files:
            # A detector finds the people for many models, so it stays until all are proven.
            parts = self.context.registry.parts(self.context.registry.composite_of(spec))
            self.remove_files([part for part in parts if not _is_detector(part)])
        return report

    def remove_files(self, specs: Sequence[ModelSpec]) -> None:
        """Remove the published files and the IR of models; files that posezoo did not write stay.

        Raises:
            OutputError: a file cannot be removed.
        """
        layout = self.context.layout
        remove_files(plan_removal(specs, [], layout).removed, layout.roots)

    def _write_report(self, spec: ModelSpec, report: Json, listener: Listener) -> Json:
        """The report, which is also written; sources are asked, and the model is proven unless it
        has one.
        """
        require_own_registry(spec)  # before hours of work
        sources = check_sources([spec], self.context.download_options)
        bad = [f"{each.source}: {each.problem}" for each in sources if each.state in BAD_STATES]
        for text in bad:
            listener(WarningIssued(f"{spec.full_name}: a source fails: {text}"))
        report = {
            **(report or self._prove(spec, listener)),
            "sources": len(sources),
            "bad_sources": bad,
            "made_from": self._made_from(spec),  # after missing checksums were written
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        text = f"{json.dumps(report, indent=2)}\n"
        path = self.folder / f"{spec.full_name}.json"
        write_result(path, text.encode(), listener, _REPORT_SIGNS)
        return report

    def estimate(self, specs: Sequence[ModelSpec]) -> str:
        """What the models without a report need at most: gigabytes by the declared sizes, and hours
        by the speeds in measured.yml.
        """
        due = [spec for spec in specs if not self._find_report(spec)]
        size = sum(file.read_limit for spec in due for file in spec.files)
        images = len(self.dataset.images) if self.dataset else 0
        hours = len(due) * _HOURS
        for spec in due:
            if model := self._pose_model(spec):
                speeds = [each.figures for each in measurements_of(model, "speed")]
                slowest = max((each.get("latency_p50_ms", 0) for each in speeds), default=0)
                hours += images * slowest / 3.6e6
        time = f"{hours:.1f} hours" if hours >= 1 else f"{hours * 60:.0f} minutes"
        return (
            f"{len(due)} of {format_count(len(specs), 'model')} to prove: at most"
            f" {format_megabytes(size)} to download, and about {time}, by the speeds in"
            " measured.yml"
        )

    def _find_report(self, spec: ModelSpec) -> Json:
        report = read_json(self.folder / f"{spec.full_name}.json")
        is_valid = report.get("made_from") == self._made_from(spec)
        is_complete = report.get("measured", False) >= self.measures
        return report if is_valid and is_complete and not self.is_fresh else {}

    def list_reports(self) -> dict[str, Json]:
        """The reports of all runs, by model, but for those of another posezoo or model.yml, or APs
        of other images.
        """
        reports = {}
        for path in sorted(self.folder.glob("*.json")):
            report = read_json(path)
            with suppress(PosezooError):  # it may be no model any more
                made_from = self._made_from(self.context.registry.find(path.stem))
                if report.get("made_from", [])[:2] != made_from[:2]:
                    continue
                if self.dataset is not None and report["made_from"] != made_from:
                    report.pop("AP", None)
                    report.pop("notes", None)
                reports[path.stem] = report
        return reports

    def _made_from(self, spec: Model) -> list[str]:
        # Not the commit: results are committed between runs.
        tools = format_pairs({"posezoo": release_version(), **package_versions("openvino")})
        return [tools, compute_digest(spec.path).value, *self._images]

    @cached_property
    def _images(self) -> tuple[str, ...]:
        if self.dataset is None:
            return ("",)
        annotations = compute_digest(self.dataset.annotations).value
        return self.dataset.name, annotations, str(self.dataset.folder.resolve())

    def _prove(self, spec: ModelSpec, listener: Listener) -> Json:
        context = self.context
        converted = get(resolve_model(spec, spec.precisions, context), context, listener=listener)
        try:
            record_measurements(spec, count_complexity(converted.resolved))
        except ConversionError as error:  # its sizes are dynamic
            listener(WarningIssued(f"{spec.full_name}: not counted: {error.problem}"))
        report: Json = {
            "completed": write_missing_pins(spec, self._read_origins(spec)),
            "irs": [precision.value for precision in converted.irs],
            "measured": self.measures,
        }
        if self.measures and self.dataset:
            self._quantize(spec, self.dataset.folder, listener)
        model = self._pose_model(spec)
        if model:
            report |= self._run(model, listener)
        if self.measures:
            self._measure_speeds(spec, model, listener)
        return report

    def _read_origins(self, spec: ModelSpec) -> dict[str, Json]:
        """What the manifest lists of each file, by its name."""
        layout = self.context.layout
        folder = layout.model_download_dir(spec)
        files = read_manifest(folder).files
        paths = {file.name: list_path(folder, layout.file_path(spec, file)) for file in spec.files}
        return {name: dict(files[path]) for name, path in paths.items() if path in files}

    def _quantize(self, spec: ModelSpec, photos: Path, listener: Listener) -> None:
        context = self.context
        if INT8 in spec.precisions or explain_unsupported(spec, context.registry):
            return
        for plan in plan_required_irs(spec, context, photos, is_dry_run=False):
            get(plan.resolved, context, listener=listener)
        try:
            # In this process, the next model crashed OpenVINO after a refused one.
            rows = run_in_child(_quantize, spec, context, photos, of=spec.full_name)
        except QuantizationError as error:
            listener(WarningIssued(f"{spec.full_name}: no INT8: {error.problem}"))
            return
        record_measurements(spec, rows)

    def _measure_speeds(
        self, spec: ModelSpec, pose_model: Model | None, listener: Listener
    ) -> None:
        alone = BenchmarkOptions(self._runtime(), (1, 0), precisions=(Precision.FP16, INT8))
        whole = replace(alone, requests=(1,), is_pipeline=True)
        ways: list[tuple[Model, BenchmarkOptions]] = [(spec, alone)]
        if pose_model:
            ways += [(pose_model, replace(whole, people=people)) for people in (1, 4)]
        with TemporaryDirectory(prefix="posezoo-") as folder:
            for model, options in ways:
                maker = CaseMaker(options, self.context, Path(folder), listener)
                for precision in maker.available_precisions(model):
                    for case in maker.cases(subject_of(model), precision):
                        try:
                            *_, result = run_rounds(case, listener=listener)
                            record_measurements(model, [result.to_measurement()])
                        except InferenceError as error:  # such as other work that disturbs it
                            listener(WarningIssued(error.problem))

    def _pose_model(self, spec: ModelSpec) -> Model | None:
        registry = self.context.registry
        model = registry.composite_of(spec)
        is_last = registry.parts(model)[-1] == spec
        return model if is_last and model.decoder and not _is_detector(model) else None

    def _run(self, model: Model, listener: Listener) -> Json:
        facts = describe_model(model, self.context.registry)
        usual = facts.usual_precision
        assert usual is not None  # it was converted
        loaded = self._load(model, usual, listener)
        estimator = loaded.protocol.estimator
        found = []
        pictures = []
        for path in SAMPLE_PHOTOS:
            photo = read_image(path)
            poses = estimator(photo)
            found.append(sum(pose.score >= estimator.seen_from for pose in poses))
            pictures.append(draw(photo, poses))
        write_image(self.folder / f"{model.full_name}.jpg", np.hstack(pictures))
        report: Json = {"model": model.full_name, "found": found}
        report |= self._evaluate(loaded, listener)
        layout = self.context.layout
        has_int8 = all(layout.ir_path(part, INT8).is_file() for part in facts.parts)
        if self.measures and self.dataset and has_int8 and usual is not INT8:
            self._evaluate(self._load(model, INT8, listener), listener)
        return report

    def _load(self, model: Model, precision: Precision, listener: Listener) -> LoadedModel:
        options = LoadOptions(self._runtime())
        chosen = EvaluationTask(subject_of(model, Statement(precision=precision)))
        return load_model(chosen, options, self.context, listener=listener)

    def _runtime(self) -> RuntimeConfig:
        # Networks are compiled once or twice, so a cache of compiled ones would only fill the disk.
        return replace(default_runtime(self.context.settings), cache_dir=None)

    def _evaluate(self, loaded: LoadedModel, listener: Listener) -> Json:
        if self.dataset is None:
            return {}
        folder = self.folder / "evaluations" / loaded.folder_name
        result = evaluate_model(loaded, self.dataset, folder, listener=listener)
        evaluated = EvaluationReport(loaded.protocol, result, folder)
        evaluated.write(listener)
        record_measurements(loaded.chosen.model, [evaluated.measurement])
        ap = result.figures.get("AP", 0.0)
        notes = [
            f"AP {format_ap(ap)}, published {format_ap(claim.value)}:"
            f" {'; '.join(reasons) or 'no reason is known'}"
            for claim, reasons in evaluated.published_comparisons()
            if abs(ap - claim.value) > MAX_DIFFERENCE
        ]
        return {"AP": ap, "notes": notes}


def _is_detector(model: Model) -> bool:
    return model.decoder is not None and finds_boxes(model.decoder)


def _quantize(spec: ModelSpec, context: Context, photos: Path) -> list[Measurement]:
    options = QuantizationOptions((INT8,), force=True)
    return to_measurements(quantize(plan_int8(spec, context, photos, options)))


def render_page(reports: Mapping[str, Json], failures: Mapping[str, str]) -> str:
    """A page in Markdown, also for a pull request: a row for each model with what was proven, or
    why it failed.
    """
    tools = format_pairs({"posezoo": release_version(), **package_versions("openvino")})
    lines = [
        f"Proven by `posezoo prove` on {Machine.here().describe()}: {tools}.\n",
        "| Model | Sources | Pins written | IR | Found in 2 photos | AP |",
        f"|{' --- |' * 6}",
    ]
    for part, report in reports.items():
        model = report.get("model", part)
        name = part if part == model else f"{part}, and {model}"
        bad = len(report["bad_sources"])
        sources = f"{report['sources'] - bad} of {report['sources']}"
        people = ", ".join(map(str, report.get("found", ())))
        pins = len(report["completed"])
        ap = format_ap(report["AP"]) if "AP" in report else ""
        lines.append(
            f"| {name} | {sources} | {pins} | {', '.join(report['irs'])} | {people} | {ap} |"
        )
    lines += [f"\n**{name}** failed: {reason}" for name, reason in failures.items()]
    for name, report in reports.items():
        lines += [f"\n{name}: this source failed: {bad}" for bad in report["bad_sources"]]
        lines += [f"\n{name}: {note}" for note in report.get("notes", ())]
    return "\n".join(lines) + "\n"
