"""Prove a model from its sources: ask them, download, convert, and find people on the sample
photos; what is measured and which checksums were missing is written beside its model.yml.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.cli.result_files import write_result
from posezoo.core.declarations.model import Model, ModelSpec
from posezoo.core.download import provenance_json
from posezoo.core.errors import ConversionError, PosezooError
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.files.file_record import read_json
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.pipeline.get import get
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.stage_context import Context
from posezoo.core.versions import version
from posezoo.measure.coco import CocoDataset
from posezoo.measure.complexity_count import (
    count_complexity,
    record_measurements,
    require_own_registry,
)
from posezoo.measure.evaluation.evaluation_protocol import create_accuracy_measurement
from posezoo.measure.evaluation.evaluation_report import EvaluationReport
from posezoo.measure.model_evaluation import EvaluatedModel, LoadedModel, evaluate_model, load_model
from posezoo.pages.facts.model_facts import ModelFacts
from posezoo.pages.source_check import BAD_STATES, check_sources
from posezoo.poses.decoders import finds_boxes
from posezoo.poses.drawing import draw
from posezoo.run.images import SAMPLE_PHOTOS, read_image, write_image
from posezoo.run.load import default_runtime
from posezoo.run.runtime.runtime_config import LoadOptions
from posezoo.upkeep.draft.missing_pins import write_missing_pins

#: Texts near the beginning of each page and each report.
PAGE_SIGNS = ("| Model | Sources | Pins written |",)
_REPORT_SIGNS = ('"sources": ', '"bad_sources": ')


@dataclass(frozen=True, eq=False)
class Proving:
    """How models are proven.

    Attributes:
        folder: a report for each model, which the next run keeps, and the pictures.
        dataset: annotated images for AP; None if none is there.
        is_fresh: whether models are proven again that have a report.
    """

    context: Context
    folder: Path
    dataset: CocoDataset | None
    is_fresh: bool

    def __call__(self, spec: ModelSpec, listener: Listener) -> dict[str, Any]:
        """The report of a model; an earlier one, if the same posezoo made it from the same
        model.yml and annotated images, and no source failed.

        Raises:
            FetchError: no source has a file.
            ConversionError: it cannot be converted, or its self-check fails.
            InferenceError: it cannot be run.
            OutputError: a result cannot be written.
        """
        path = self.folder / f"{spec.full_name}.json"
        report = read_json(path)
        is_valid = report.get("made_from") == self._made_from(spec) and not report["bad_sources"]
        if self.is_fresh or not is_valid:
            report = self._prove(spec, listener)
            report["made_from"] = self._made_from(spec)  # after missing checksums were written
            self.folder.mkdir(parents=True, exist_ok=True)
            text = f"{json.dumps(report, indent=2)}\n"
            write_result(path, text.encode(), listener, _REPORT_SIGNS)
        return report

    def list_reports(self) -> dict[str, dict[str, Any]]:
        """The reports of all runs, by model, but for those of another posezoo or model.yml; without
        the AP of other annotated images.
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
                reports[path.stem] = report
        return reports

    def _made_from(self, spec: Model) -> list[str]:
        return [version(), compute_digest(spec.path).value, *self._images]

    @cached_property
    def _images(self) -> tuple[str, ...]:
        """What the annotated images are known by."""
        if self.dataset is None:
            return ("",)
        annotations = compute_digest(self.dataset.annotations).value
        return self.dataset.name, annotations, str(self.dataset.folder.resolve())

    def _prove(self, spec: ModelSpec, listener: Listener) -> dict[str, Any]:
        context = self.context
        require_own_registry(spec)  # before hours of work
        sources = check_sources([spec], context.download_options)
        bad = [f"{each.source}: {each.problem}" for each in sources if each.state in BAD_STATES]
        for text in bad:
            listener(WarningIssued(f"{spec.full_name}: a source fails: {text}"))
        converted = get(resolve_model(spec, spec.precisions, context), context, listener=listener)
        try:
            record_measurements(spec, count_complexity(converted.resolved))
        except ConversionError as error:  # its sizes are dynamic
            listener(WarningIssued(f"{spec.full_name}: not counted: {error.problem}"))
        provenance = context.layout.model_download_dir(spec) / provenance_json.NAME
        origins = read_json(provenance).get("files", {})
        return {
            "sources": len(sources),
            "bad_sources": bad,
            "completed": write_missing_pins(spec, origins),
            "irs": [precision.value for precision in converted.irs],
            **self._run(spec, listener),
        }

    def _run(self, spec: ModelSpec, listener: Listener) -> dict[str, Any]:
        """What the model finds, with the last part of a composite; nothing for other networks."""
        registry = self.context.registry
        model = registry.composite_of(spec)
        parts = registry.parts(model)
        if model.decoder is None or parts[-1] != spec or finds_boxes(model.decoder):
            return {}
        precision = ModelFacts(model, tuple(parts)).usual_precision
        assert precision is not None  # it was converted
        options = LoadOptions(default_runtime(self.context.settings))
        chosen = EvaluatedModel(model, precision=precision)
        loaded = load_model(chosen, options, self.context, listener=listener)
        people = self._run_on_photos(model, loaded)
        return {
            "model": model.full_name,
            "found": people,
            **self._evaluate(model, loaded, listener),
        }

    def _run_on_photos(self, model: Model, loaded: LoadedModel) -> list[int]:
        """How many people are found on each sample photo, which are drawn, too."""
        estimator = loaded.protocol.estimator
        counts = []
        pictures = []
        for path in SAMPLE_PHOTOS:
            photo = read_image(path)
            poses = estimator(photo)
            counts.append(sum(pose.score >= estimator.seen_from for pose in poses))
            pictures.append(draw(photo, poses))
        path = self.folder / f"{model.full_name}.jpg"
        write_image(path, np.hstack(pictures))
        return counts

    def _evaluate(self, model: Model, loaded: LoadedModel, listener: Listener) -> dict[str, float]:
        if self.dataset is None:
            return {}
        folder = self.folder / "evaluations" / loaded.folder_name
        result = evaluate_model(loaded, self.dataset, folder, listener=listener)
        EvaluationReport(loaded.protocol, result, folder).write(listener)
        record_measurements(model, [create_accuracy_measurement(loaded.protocol, result)])
        return {name: value for name, value in result.figures.items() if name == "AP"}


def render_table(reports: Mapping[str, Mapping[str, Any]], failures: Mapping[str, str]) -> str:
    """A page in Markdown: a row for each model with what was proven, or why it failed."""
    lines = [
        "| Model | Sources | Pins written | IR | Found in 2 photos | AP |",
        f"|{' --- |' * 6}",
    ]
    for part, report in reports.items():
        model = report.get("model", part)
        name = part if part == model else f"{part}, and {model}"
        bad = len(report["bad_sources"])
        sources = f"{report['sources'] - bad} of {report['sources']}"
        people = ", ".join(map(str, report.get("found", ())))
        ap = f"{report['AP']:.3f}" if "AP" in report else ""
        pins = len(report["completed"])
        lines.append(
            f"| {name} | {sources} | {pins} | {', '.join(report['irs'])} | {people} | {ap} |"
        )
    lines += [f"\n**{name}** failed: {reason}" for name, reason in failures.items()]
    for name, report in reports.items():
        lines += [f"\n{name}: this source failed: {bad}" for bad in report["bad_sources"]]
    return "\n".join(lines) + "\n"
