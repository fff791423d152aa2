"""Selects what ``posezoo benchmark`` measures, and collects the models that cannot be measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path

from posezoo.cli.console import Console
from posezoo.cli.model_argument import is_network_file
from posezoo.cli.model_jobs import Answer, JobReport, format_plan
from posezoo.cli.selection import select_models
from posezoo.core.declarations.model import Model, ModelSpec, Precision
from posezoo.core.errors import ConversionError, PosezooError
from posezoo.core.events import WorkFinished
from posezoo.core.pipeline.plan import make_plan
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.values import frozen
from posezoo.measure.benchmark_cases import CaseMaker
from posezoo.measure.benchmarking.benchmark_process import BenchmarkSchedule
from posezoo.measure.benchmarking.workloads import BenchmarkCase


@frozen
class BenchmarkPlanner:
    """Turns names into benchmark cases.

    Attributes:
        maker: makes the cases of each IR and model.
        names: names and globs of models, and the .xml of IR; None for all models.
        report: the models that could not be measured so far.
    """

    maker: CaseMaker
    names: Sequence[str] | None
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
        self.maker.require_runnable()
        for xml in self._xmls:
            with self.report_failure(xml.stem):
                yield from self.maker.of_ir(xml)
        for model in self._models():
            yield from self._cases_of(model)

    def _cases_of(self, model: Model) -> Iterator[BenchmarkCase]:
        precisions = self.maker.available_precisions(model)
        for precision in precisions:
            with self.report_failure(model.full_name):
                if self.maker.generates_weights(model, precision):
                    self.console.print_line(f"generating weights for {model.full_name}")
                yield from self.maker.of_model(model, precision)
        if not precisions:
            with self.report_failure(model.full_name):
                requested = ", ".join(self.maker.options.precisions)
                raise ConversionError(
                    f"{model.full_name}: is not available in {requested}",
                    hint="--precisions selects others",
                )

    def plans(self, schedule: BenchmarkSchedule) -> Iterator[tuple[str, Answer]]:
        """The plan of each model: its name, and one line for each step."""
        for xml in self._xmls:
            yield f"{xml}", Answer(plan=list(self._measurement_lines(None, schedule)))
        for model in self._models():
            for precision in self.maker.available_precisions(model):
                lines = []
                for part in self.maker.context.registry.parts(model):
                    lines += self._preparation_lines(part, precision)
                lines += self._measurement_lines(precision, schedule)
                yield model.full_name, Answer(plan=lines)

    @property
    def _xmls(self) -> list[Path]:
        return [Path(name) for name in self.names or () if is_network_file(name)]

    def _models(self) -> Sequence[Model]:
        """The selected models: the parts of a composite, or with --pipeline the composite
        itself.
        """
        patterns = None
        if self.names is not None:
            patterns = [name for name in self.names if not is_network_file(name)]
        if patterns == []:
            return ()
        selection = select_models(
            self.maker.context.registry, patterns, self.console, takes_checkpoints=True
        )
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

    def _measurement_lines(
        self, precision: Precision | None, schedule: BenchmarkSchedule
    ) -> Iterator[str]:
        options = self.maker.options
        rounds = f"{schedule.rounds} rounds of {schedule.seconds:g} s"
        for runtime in options.runtimes:
            for batch in options.batches:
                what = "the whole pipeline" if options.is_pipeline else f"batch {batch}"
                case = f"{precision}, {what}" if precision else what
                where = f"requests {runtime.requests} on {runtime.device}"
                yield f"would measure {case}, {where}: {rounds}"
