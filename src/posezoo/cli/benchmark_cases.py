"""Benchmark cases from the flags of ``posezoo benchmark``; each model is prepared just before its
cases.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from posezoo import images
from posezoo.benchmarking.workloads import BenchmarkCase, NetworkWorkload, PipelineWorkload
from posezoo.cli import flags
from posezoo.cli.model_jobs import Answer, JobReport, format_plan
from posezoo.cli.selection import select_models
from posezoo.console import Console
from posezoo.errors import ConversionError, InferenceError, PosezooError, import_optional
from posezoo.events import WorkFinished
from posezoo.pipeline import complexity_count, load
from posezoo.pipeline.get import get_irs, resolve_model
from posezoo.pipeline.plan import make_plan, pull_irs
from posezoo.pipeline.zoo_context import open_context
from posezoo.runtime.graph import Graph
from posezoo.runtime.runtime_config import RuntimeConfig, require_device
from posezoo.settings import Settings
from posezoo.spec.model import CompositeSpec, Model, ModelSpec, Precision
from posezoo.workers.processes import run_in_child

if TYPE_CHECKING:
    from posezoo.runtime.estimator import Estimator

XML = ".xml"


class BenchmarkPlanner:
    """Turns names and flags into benchmark cases; ``folder`` is empty, for temporary files.

    ``context`` has the registry and the folders, ``report`` the models that could not be measured
    so far.
    """

    def __init__(self, args: argparse.Namespace, console: Console, folder: Path) -> None:
        self._args, self._console, self._folder = args, console, folder
        self._settings = flags.settings_from_args(args)
        self.context = open_context(self._settings, trust_on_first_use=args.trust_on_first_use)
        self.report = JobReport()

    @contextmanager
    def report_failure(self, name: str) -> Iterator[None]:
        """Report an error of one model; the caller then continues with the other models."""
        try:
            yield
        except PosezooError as error:
            self._console(WorkFinished(name, False, error.problem))
            self._console.print_error(error)
            self.report.add_failure(name, error)

    def cases(self) -> Iterator[BenchmarkCase]:
        """All cases: first those of the given IR files, then those of each model in each
        precision.
        """
        # The requirements are checked before anything is downloaded.
        require_device(self._settings.device)
        if self._args.pipeline:
            import_optional("cv2", extra="run")
        for xml in self._xmls:
            with self.report_failure(xml.stem):
                yield from self._ir_cases(xml)
        for model in self._models():
            precisions = self._precisions(model)
            for precision in precisions:
                with self.report_failure(model.full_name):
                    if isinstance(model, CompositeSpec) or self._args.pipeline:
                        yield from self._pipeline_cases(model, precision)
                    else:
                        yield from self._network_cases(model, precision)
            if not precisions:
                with self.report_failure(model.full_name):
                    requested = ", ".join(self._args.precisions)
                    raise ConversionError(
                        f"{model.full_name}: is not available in {requested}",
                        hint="--precisions selects others",
                    )

    def plans(self) -> Iterator[tuple[str, Answer]]:
        """The plan of each model: its name, and one line for each step."""
        for xml in self._xmls:
            yield f"{xml}", Answer(plan=list(self._measurement_lines(None)))
        for model in self._models():
            for precision in self._precisions(model):
                steps = [
                    line
                    for part in self.context.registry.parts(model)
                    for line in self._preparation_lines(part, precision)
                ]
                lines = [*steps, *self._measurement_lines(precision)]
                yield model.full_name, Answer(plan=lines)

    @property
    def _xmls(self) -> list[Path]:
        return [Path(model) for model in self._args.models if model.endswith(XML)]

    def _models(self) -> Sequence[Model]:
        """The selected models: the parts of a composite, or with --pipeline the composite
        itself.
        """
        patterns = [model for model in self._args.models if not model.endswith(XML)]
        if not patterns and not self._args.all:
            return ()
        selection = select_models(
            self.context.registry, None if self._args.all else patterns, self._console
        )
        for problem in selection.problems:
            self.report.add_failure(Path(problem.file).parent.name, problem)
        if not self._args.pipeline:
            return selection.models
        parts = {stage for composite in selection.composites for stage in composite.stages}
        return [
            *selection.composites,
            *(model for model in selection.models if model.name not in parts),
        ]

    def _precisions(self, model: Model) -> Sequence[Precision]:
        """The requested precisions that all parts have: declared, or already quantized on this
        machine.
        """
        requested: Sequence[Precision] = self._args.precisions
        for part in self.context.registry.parts(model):
            pull_irs(part, self.context.layout, requested)
        return [
            precision
            for precision in requested
            if all(
                precision in part.precisions
                or self.context.layout.ir_path(part, precision).is_file()
                for part in self.context.registry.parts(model)
            )
        ]

    def _ir_cases(self, xml: Path) -> Iterator[BenchmarkCase]:
        name = xml.parent.name
        precision = Precision(name) if name in list(Precision) else None
        if not self._args.pipeline:
            yield from self._cases_by_batch(xml.stem, precision, xml, is_recordable=False)
            return
        from posezoo.runtime.decoder_matching import describe_ir

        model, _ = describe_ir(Graph(xml), None)
        # The detector is downloaded now, so that the download is not part of the measured time.
        detector = load.detector_irs(model, self.context, listener=self._console)
        compiled = partial(_compiled, self._settings, xml, {})
        workload = PipelineWorkload(self._image(), compiled, (xml, *detector.values()))
        for runtime in self._runtimes():
            yield BenchmarkCase(xml.stem, precision, workload, runtime, is_recordable=False)

    def _network_cases(self, spec: ModelSpec, precision: Precision) -> Iterator[BenchmarkCase]:
        xml, weights = self.context.layout.ir_path(spec, precision), "published"
        if precision in spec.precisions:
            if self._args.generated and spec.network is not None and not xml.is_file():
                self._console.print_line(f"generating weights for {spec.full_name}")
                folder = self._folder / spec.full_name / precision
                folder.mkdir(parents=True)
                xml = run_in_child(
                    _generate, self._settings, spec, folder, precision, of=spec.full_name
                )
                weights = "generated"
            else:
                xml = get_irs(spec, precision, self.context, listener=self._console)[spec.name]
        size = self._args.size or complexity_count.usual_size(spec)
        yield from self._cases_by_batch(spec.full_name, precision, xml, weights, size)

    def _cases_by_batch(
        self,
        name: str,
        precision: Precision | None,
        xml: Path,
        weights: str = "published",
        size: tuple[int, int] | None = None,
        *,
        is_recordable: bool = True,
    ) -> Iterator[BenchmarkCase]:
        for runtime in self._runtimes():
            for batch in self._args.batch:
                workload = NetworkWorkload(xml, batch, size or self._args.size)
                yield BenchmarkCase(name, precision, workload, runtime, weights, is_recordable)

    def _pipeline_cases(self, model: Model, precision: Precision) -> Iterator[BenchmarkCase]:
        if model.decoder is None:
            is_part = isinstance(model, ModelSpec) and model.composite
            raise InferenceError(
                f"{model.full_name}: finds no poses alone: it has no decoder",
                hint=f"name {is_part}" if is_part else "",
            )
        own = get_irs(model, precision, self.context, listener=self._console)
        irs = {**load.detector_irs(model, self.context, listener=self._console), **own}
        compiled = partial(_compiled, self._settings, model, irs)
        workload = PipelineWorkload(self._image(), compiled, tuple(irs.values()))
        for runtime in self._runtimes():
            yield BenchmarkCase(model.full_name, precision, workload, runtime)

    def _runtimes(self) -> Iterator[RuntimeConfig]:
        args, settings = self._args, self._settings
        for requests in args.requests:
            yield RuntimeConfig(
                device=settings.device,
                inference_precision=settings.inference_precision,
                requests=requests,
                streams=args.streams,
                threads=args.threads,
                hint=args.hint,
            )

    def _image(self) -> Path:
        if self._args.input:
            image: Path = self._args.input
            return image
        crowd = self._folder / "four-people.jpg"
        if not crowd.is_file():
            from posezoo.download.published_photos import download_samples

            context = self.context
            photos = download_samples(
                context.layout.samples_dir, context.download_options, listener=self._console
            )
            # The columns with the person, from two photos side by side. People are then as small as
            # detectors expect. In a square of photos, person-detection-retail-0013 finds one of
            # four people.
            left, right = (images.read_image(photo)[:, :400] for photo in photos)
            images.write_image(crowd, np.hstack([left, right, left, right]))
        return crowd

    def _preparation_lines(self, spec: ModelSpec, precision: Precision) -> list[str]:
        is_converted = self.context.layout.ir_path(spec, precision).is_file()
        if self._args.generated and spec.network is not None and not is_converted:
            return [f"would convert to {precision} with generated weights"]
        if precision not in spec.precisions:
            return []
        resolved = resolve_model(spec, (precision,), self.context)
        return format_plan(make_plan(resolved, self.context, is_dry_run=True))

    def _measurement_lines(self, precision: Precision | None) -> Iterator[str]:
        args = self._args
        for runtime in self._runtimes():
            for batch in args.batch:
                what = "the whole pipeline" if args.pipeline else f"batch {batch}"
                case = f"{precision}, {what}" if precision else what
                where = f"requests {runtime.requests} on {runtime.device}"
                yield f"would measure {case}, {where}: {args.rounds} rounds of {args.seconds:g} s"


def _generate(settings: Settings, spec: ModelSpec, folder: Path, precision: Precision) -> Path:
    """Write an IR with random weights; runs in a child process."""
    context = open_context(settings)
    converted = complexity_count.convert_with_random_weights(spec, context, folder, (precision,))
    return converted.irs[precision]


def _compiled(
    settings: Settings, model: Model | Path, irs: Mapping[str, Path], runtime: RuntimeConfig
) -> Estimator:
    """Compile a model and its detector as ``posezoo run`` does, without a cache; runs in a child
    process.
    """
    from posezoo.runtime.runtime_config import LoadOptions

    context, options = open_context(settings), LoadOptions(runtime)
    if isinstance(model, Path):
        return load.compile_ir_estimator(model, context, options)
    return load.compile_estimator(model, context, irs, options)
