"""Selects what ``posezoo benchmark`` measures, and prepares each model just before its cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from functools import partial
from itertools import product, starmap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from posezoo.console.console import Console
from posezoo.console.job_report import Answer, JobReport
from posezoo.console.plan_report import format_plan
from posezoo.core.declarations.model import CompositeSpec, Model, ModelSpec, Precision
from posezoo.core.errors import (
    ConversionError,
    InferenceError,
    PosezooError,
    find_missing_packages,
    import_cv2,
    require_packages,
)
from posezoo.core.events import Listener, WorkFinished
from posezoo.core.pipeline.get import get_irs
from posezoo.core.pipeline.plan import make_plan
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import Selection, is_declared
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import Settings
from posezoo.core.values import frozen
from posezoo.core.workers.processes import run_in_child
from posezoo.measure import complexity_count
from posezoo.measure.benchmarking.benchmark_process import ROUNDS
from posezoo.measure.benchmarking.workloads import BenchmarkCase, NetworkWorkload, PipelineWorkload
from posezoo.media import images
from posezoo.run import load
from posezoo.run.pipeline_spec import PipelineSpec, resolve_ir_pipeline, resolve_pipeline
from posezoo.run.runtime.graph import NamedIrs
from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig, require_device
from posezoo.run.subject import Statement, Subject, subject_of

if TYPE_CHECKING:
    from posezoo.run.runtime.estimator import Estimator

#: In pixels: where two photos of ``write_people`` overlap.
SEAM = 64


@frozen
class BenchmarkOptions:
    """What is measured of each model.

    Attributes:
        batches: the numbers of images in one inference.
        size: height and width in pixels, for an IR with dynamic sizes; None for the usual ones.
        is_pipeline: whether the whole pipeline is measured, from an image to poses.
        image: for the pipeline; None for a photo of ``people``, one or four.
        target_sizes: as in ``LoadOptions``, for the pipeline.
        generates: whether networks of ours without an IR get random weights.
    """

    runtime: RuntimeConfig
    requests: Sequence[int]
    precisions: Sequence[Precision]
    batches: Sequence[int] = (1,)
    size: tuple[int, int] | None = None
    is_pipeline: bool = False
    image: Path | None = None
    people: int = 4
    generates: bool = False
    target_sizes: Sequence[int | None] = (None,)

    @property
    def runtimes(self) -> list[RuntimeConfig]:
        """One for each number of requests."""
        return [replace(self.runtime, requests=requests) for requests in self.requests]


@frozen
class CaseMaker:
    """Makes the cases of IR and models, with temporary files in an empty folder."""

    options: BenchmarkOptions
    context: Context
    folder: Path
    listener: Listener

    def require_runnable(self, models: Iterable[Model]) -> None:
        """Check the requirements of these models before anything is downloaded.

        Raises:
            InferenceError: the device does not exist.
            MissingPackageError: OpenVINO is not installed, or OpenCV, which the pipeline needs; the
                error also names PyTorch if it generates the weights of some of the models.
        """
        extras = {"openvino": "run"}
        if self.options.is_pipeline:
            extras["cv2"] = "run"
        generates = any(starmap(self.generates_weights, product(models, self.options.precisions)))
        # Without PyTorch alone, the other models are measured.
        if generates and find_missing_packages(extras):
            extras["torch"] = "torch"
        require_packages(extras)
        require_device(self.options.runtime.device)
        if self.options.is_pipeline:
            import_cv2()

    def available_precisions(self, model: Model) -> list[Precision]:
        """The requested precisions that all parts have: declared, or already quantized on this
        machine.
        """
        parts = self.context.registry.parts(model)
        return [
            precision
            for precision in self.options.precisions
            if all(precision in part.precisions or self.has_ir(part, precision) for part in parts)
        ]

    def has_ir(self, spec: ModelSpec, precision: Precision) -> bool:
        """Whether its IR is on this machine."""
        return self.context.layout.ir_path(spec, precision).is_file()

    def generates_weights(self, model: Model, precision: Precision) -> bool:
        """Whether the network gets random weights."""
        if isinstance(model, CompositeSpec) or self.options.is_pipeline:
            return False
        is_wanted = self.options.generates and precision in model.precisions
        return is_wanted and model.network is not None and not self.has_ir(model, precision)

    def cases(
        self, subject: Subject, precision: Precision = Precision.FP16
    ) -> Iterator[BenchmarkCase]:
        """The cases of a model in this precision, for a composite of its pipeline; or of a file.

        Raises:
            DownloadError: a file cannot be downloaded.
            ConversionError: an IR cannot be made.
            InferenceError: the pipeline of a model without a decoder is requested.
        """
        if subject.file:
            yield from self._cases_of_file(subject, subject.file)
        elif subject.model:
            yield from self._cases_of_model(subject.model, precision, subject.said)

    def _cases_of_file(self, subject: Subject, file: Path) -> Iterator[BenchmarkCase]:
        precision = _precision_of_file(subject)
        if not self.options.is_pipeline:
            yield from self._network_cases(file.stem, precision, file, is_recordable=False)
            return
        graph = subject.graph
        assert graph and isinstance(subject.model, ModelSpec)
        # The detector is downloaded now, so that the download is not part of the measured time.
        pipeline = resolve_ir_pipeline(graph, subject.model, self.context)
        detector = load.get_detector_irs(pipeline, self.context, self.listener)
        compiled = partial(_compiled_file, self.context.settings, subject)
        irs = (file, *detector.values())
        yield from self._pipeline_cases(file.stem, precision, compiled, irs, is_recordable=False)

    def _cases_of_model(
        self, model: Model, precision: Precision, said: Statement
    ) -> Iterator[BenchmarkCase]:
        if isinstance(model, CompositeSpec) or self.options.is_pipeline:
            yield from self._cases_of_poses(model, precision, said)
            return
        xml = self.context.layout.ir_path(model, precision)
        weights = "published"
        if self.generates_weights(model, precision):
            folder = self.folder / model.full_name / precision
            folder.mkdir(parents=True)
            settings = self.context.settings
            xml = run_in_child(_generate, settings, model, folder, precision, of=model.full_name)
            weights = "generated"
        elif precision in model.precisions:
            xml = get_irs(model, precision, self.context, listener=self.listener)[model.name]
        size = complexity_count.usual_size(model)
        for case in self._network_cases(
            model.full_name, precision, xml, weights, size=size, is_recordable=is_declared(model)
        ):
            yield replace(case, runtime=case.runtime.choose_precision(model, precision))

    def _network_cases(
        self,
        name: str,
        precision: Precision,
        xml: Path,
        weights: str = "published",
        size: tuple[int, int] | None = None,
        *,
        is_recordable: bool,
    ) -> Iterator[BenchmarkCase]:
        for runtime in self.options.runtimes:
            for batch in self.options.batches:
                given = self.options.size
                workload = NetworkWorkload(xml, batch, given or size, bool(given))
                yield BenchmarkCase(
                    name, precision, workload, runtime, weights=weights, is_recordable=is_recordable
                )

    def _cases_of_poses(
        self, model: Model, precision: Precision, said: Statement
    ) -> Iterator[BenchmarkCase]:
        if model.decoder is None:
            raise InferenceError(
                f"{model.full_name}: finds no poses: it has no decoder",
                hint=f"name {model.composite}" if model.composite else "",
            )
        own_irs = get_irs(model, precision, self.context, listener=self.listener)
        pipeline = resolve_pipeline(model, self.context, precision)
        irs = load.get_detector_irs(pipeline, self.context, self.listener) | own_irs
        compiled = partial(_compiled_model, pipeline, irs, said)
        yield from self._pipeline_cases(
            model.full_name, precision, compiled, [*irs.values()], is_recordable=is_declared(model)
        )

    def _pipeline_cases(
        self,
        name: str,
        precision: Precision,
        compiled: Callable[[LoadOptions], Estimator],
        irs: Sequence[Path],
        *,
        is_recordable: bool,
    ) -> Iterator[BenchmarkCase]:
        options = self.options
        image = options.image or self.folder / f"people-{options.people}.jpg"
        if options.image is None and not image.is_file():
            write_people(image, options.people)
        shown = options.people if options.image is None else 0
        for target_size in options.target_sizes:
            workload = PipelineWorkload(image, compiled, tuple(irs), shown, target_size)
            for runtime in options.runtimes:
                yield BenchmarkCase(name, precision, workload, runtime, is_recordable=is_recordable)


def write_people(path: Path, number: int) -> None:
    """Write a scene of one to four people: columns of the two sample photos in turn.

    They fade into each other, because detectors see further people at sharp edges.
    """
    astronaut, man = map(images.read_image, images.SAMPLE_PHOTOS)
    photos = [astronaut[:, 90:490], man[:, :400]] * 2
    scene = photos[0]
    share = np.linspace(0, 1, SEAM)[:, None]
    for photo in photos[1:number]:
        seam = (1 - share) * scene[:, -SEAM:] + share * photo[:, :SEAM]
        scene = np.hstack([scene[:, :-SEAM], seam.astype(np.uint8), photo[:, SEAM:]])
    images.write_image(path, scene)


def _precision_of_file(subject: Subject) -> Precision:
    assert subject.graph
    return subject.graph.precision or subject.graph.stored_precision


def _generate(settings: Settings, spec: ModelSpec, folder: Path, precision: Precision) -> Path:
    """Runs in a child process."""
    context = open_context(settings)
    converted = complexity_count.convert_with_random_weights(spec, context, folder, (precision,))
    return converted.irs[precision]


def _compiled_file(settings: Settings, subject: Subject, options: LoadOptions) -> Estimator:
    """Runs in a child process."""
    return load.Loader(open_context(settings)).compile_file(subject, options)


def _compiled_model(
    pipeline: PipelineSpec, irs: NamedIrs, said: Statement, options: LoadOptions
) -> Estimator:
    return load.compile_pipeline(pipeline, irs, said.added_to(options))


@frozen
class BenchmarkPlanner:
    """Turns names into benchmark cases.

    Attributes:
        files: those of networks.
        selection: the models.
        said: what is said of them.
        report: has the models that could not be measured.
    """

    maker: CaseMaker
    files: Sequence[Subject]
    selection: Selection
    said: Statement
    console: Console
    report: JobReport = field(default_factory=JobReport)

    @contextmanager
    def report_failure(self, name: str) -> Iterator[None]:
        """Report an error of one model; the caller then continues with the other models."""
        try:
            yield
        except PosezooError as error:
            self.console(WorkFinished(name, False, error.problem))
            self.console.print_error(error)
            self.report.add_failure(name, error)

    def cases(self) -> Iterator[BenchmarkCase]:
        """All cases: first those of the given IR files, then those of each model in each
        precision.
        """
        models = self._models()
        self.maker.require_runnable(models)
        for file in self.files:
            with self.report_failure(Path(file.name).stem):
                yield from self.maker.cases(file)
        for model in models:
            name = model.full_name
            precisions = self.maker.available_precisions(model)
            for precision in precisions:
                with self.report_failure(name):
                    if self.maker.generates_weights(model, precision):
                        self.console.print_line(f"generating weights for {name}")
                    yield from self.maker.cases(subject_of(model, self.said), precision)
            with self.report_failure(name):
                if not precisions:
                    requested = ", ".join(self.maker.options.precisions)
                    raise ConversionError(
                        f"{name}: is not available in {requested}",
                        hint="--precisions selects others",
                    )

    def plans(self, seconds: float) -> Iterator[tuple[str, Answer]]:
        """The plan of each model: its name, and one line for each step."""
        for file in self.files:
            plan = [*self._measurement_lines(_precision_of_file(file), seconds)]
            yield file.name, Answer(plan=plan)
        for model in self._models():
            for precision in self.maker.available_precisions(model):
                lines = []
                for part in self.maker.context.registry.parts(model):
                    lines += self._preparation_lines(part, precision)
                lines += self._measurement_lines(precision, seconds)
                yield model.full_name, Answer(plan=lines)

    def _models(self) -> Sequence[Model]:
        selection = self.selection
        for problem in selection.problems:
            self.report.add_failure(Path(problem.file).parent.name, problem)
        if not self.maker.options.is_pipeline:
            return selection.models
        return selection.tops

    def _preparation_lines(self, spec: ModelSpec, precision: Precision) -> list[str]:
        context = self.maker.context
        if self.maker.generates_weights(spec, precision):
            return [f"would convert to {precision} with generated weights"]
        if precision not in spec.precisions:
            return []
        return format_plan(
            make_plan(resolve_model(spec, (precision,), context), context, is_dry_run=True)
        )

    def _measurement_lines(self, precision: Precision, seconds: float) -> Iterator[str]:
        options = self.maker.options
        rounds = f"{ROUNDS} rounds of {seconds:g} s"
        for runtime in options.runtimes:
            for batch in options.batches:
                what = "the whole pipeline" if options.is_pipeline else f"batch {batch}"
                where = f"requests {runtime.requests} on {runtime.device}"
                yield f"would measure {precision}, {what}, {where}: {rounds}"
