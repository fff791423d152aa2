"""From names and flags to what ``posezoo benchmark`` measures: each model is made when it is its turn."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.benchmarking import BenchmarkCase, NetworkWorkload, PipelineWorkload
from posezoo.benchmarking.crowd_image import write_crowd_image
from posezoo.cli import flags
from posezoo.cli.plan_text import format_plan
from posezoo.cli.report import Console
from posezoo.cli.selection import select_models
from posezoo.errors import ConversionError, InferenceError, PosezooError, import_optional
from posezoo.pipeline import Model, complexity_count, estimator_factory, open_zoo
from posezoo.runtime.devices import require_device
from posezoo.runtime.graph import Graph
from posezoo.runtime.runtime_config import RuntimeConfig
from posezoo.settings import Settings
from posezoo.spec.model import CompositeSpec, ModelSpec, Precision
from posezoo.workers.child_process import run_in_child

if TYPE_CHECKING:
    from posezoo.runtime.estimator import Estimator

XML = ".xml"


class BenchmarkPlanner:
    """What the flags ask for.

    Args:
        args: the flags.
        console: whom to tell.
        folder: an empty one, for what is made on the way.
        failures: what cannot be measured is put there: name, reason, hint.
    """

    def __init__(
        self, args: argparse.Namespace, console: Console, folder: Path, failures: list[dict[str, str]]
    ) -> None:
        self._args, self._console, self._folder = args, console, folder
        self._settings = flags.settings_from_args(args)
        self._zoo = open_zoo(self._settings, trust_on_first_use=args.trust_on_first_use)
        self.failures = failures

    def check(self) -> None:
        """What would stop us at the end is better said before anything is fetched.

        Raises:
            InferenceError: there is no such device.
            MissingPackageError: a package is not installed.
        """
        require_device(self._settings.device)
        if self._args.pipeline:
            import_optional("cv2", extra="run")

    def groups(self) -> Iterator[Sequence[BenchmarkCase]]:
        """The cases of each model, in each precision: they differ in batch and requests alone."""
        for xml in self._xmls:
            yield from self._tried(xml.stem, lambda xml=xml: self._of_ir(xml))
        for model in self._models():
            yield from self._tried(model.full_name, lambda model=model: self._of_model(model))

    def plans(self) -> Iterator[dict[str, Any]]:
        """What would be done for each model: its name, and a line for each step."""
        for xml in self._xmls:
            yield {"name": str(xml), "plan": list(self._in_words(None))}
        for model in self._models():
            for precision in self._precisions(model):
                steps = [line for part in self._parts(model) for line in self._preparation(part, precision)]
                yield {"name": model.full_name, "plan": [*steps, *self._in_words(precision)]}

    @property
    def _xmls(self) -> list[Path]:
        return [Path(model) for model in self._args.models if model.endswith(XML)]

    def _models(self) -> Sequence[Model]:
        """What is named: parts of composites alone, or, for the whole pipeline, composites themselves."""
        patterns = [model for model in self._args.models if not model.endswith(XML)]
        if not patterns and not self._args.all:
            return ()
        selection = select_models(self._zoo.registry, None if self._args.all else patterns, self._console)
        for problem in selection.problems:
            self._fail(Path(problem.file).parent.name, problem)
        if not self._args.pipeline:
            return selection.models
        inside = {composite.name for composite in selection.composites}
        return [
            *selection.composites,
            *(model for model in selection.models if model.composite not in inside),
        ]

    def _parts(self, model: Model) -> Sequence[ModelSpec]:
        return self._zoo.registry.parts(model)

    def _precisions(self, model: Model) -> Sequence[Precision]:
        """Those of the wanted ones that it is to be had in, or that somebody made of it: by quantizing it."""
        requested: Sequence[Precision] = self._args.precisions
        parts = self._parts(model)
        return [each for each in requested if all(self._is_to_be_had(part, each) for part in parts)]

    def _is_to_be_had(self, spec: ModelSpec, precision: Precision) -> bool:
        if precision in spec.precisions:
            return True
        return not self._args.pipeline and self._zoo.layout.ir_path(spec, precision).is_file()

    def _of_model(self, model: Model) -> Iterator[Sequence[BenchmarkCase]]:
        precisions = self._precisions(model)
        if not precisions:
            requested = ", ".join(self._args.precisions)
            raise ConversionError(
                f"{model.full_name}: is not to be had in {requested}", hint="--precisions names others"
            )
        for precision in precisions:
            if isinstance(model, CompositeSpec) or self._args.pipeline:
                cases = self._pipeline(model, precision)
            else:
                cases = self._alone_of(model, precision)
            yield from self._tried(model.full_name, lambda cases=cases: [[*cases]])

    def _of_ir(self, xml: Path) -> Iterator[Sequence[BenchmarkCase]]:
        name = xml.parent.name
        precision = Precision(name) if name in list(Precision) else None
        if self._args.pipeline:
            yield [*self._pipeline_of_ir(xml, precision)]
        else:
            yield [*self._alone(xml.stem, precision, xml, "published", of_zoo=False)]

    def _alone_of(self, spec: ModelSpec, precision: Precision) -> Iterator[BenchmarkCase]:
        xml, weights = self._zoo.layout.ir_path(spec, precision), "published"
        if precision in spec.precisions:
            if self._args.generated and spec.network is not None and not xml.is_file():
                xml, weights = self._generated(spec, precision), "generated"
            else:
                xml = self._zoo.get(spec, (precision,), listener=self._console)[precision]
        yield from self._alone(spec.full_name, precision, xml, weights)

    def _generated(self, spec: ModelSpec, precision: Precision) -> Path:
        self._console.print_line(f"generating weights for {spec.full_name}")
        folder = self._folder / spec.full_name / precision
        folder.mkdir(parents=True)
        return run_in_child(_generate, self._settings, spec, folder, precision, of=spec.full_name)

    def _alone(
        self, name: str, precision: Precision | None, xml: Path, weights: str, *, of_zoo: bool = True
    ) -> Iterator[BenchmarkCase]:
        for runtime in self._runtimes():
            for batch in self._args.batch:
                workload = NetworkWorkload(xml, batch, self._args.size)
                yield BenchmarkCase(name, precision, workload, runtime, weights, is_recordable=of_zoo)

    def _pipeline(self, model: Model, precision: Precision) -> Iterator[BenchmarkCase]:
        if model.decoder is None:
            hint = (
                "" if isinstance(model, CompositeSpec) or not model.composite else f"name {model.composite}"
            )
            raise InferenceError(f"{model.full_name}: finds no poses alone: it has no decoder", hint=hint)
        own = self._zoo.get_irs(model, precision, listener=self._console)
        irs = {**estimator_factory.detector_irs(self._zoo, model, listener=self._console), **own}
        for runtime in self._runtimes():
            workload = PipelineWorkload(self._picture(), partial(_compiled, self._settings, model, irs))
            yield BenchmarkCase(model.full_name, precision, workload, runtime)

    def _pipeline_of_ir(self, xml: Path, precision: Precision | None) -> Iterator[BenchmarkCase]:
        from posezoo.runtime.decoder_matching import describe_ir

        model, _ = describe_ir(Graph(xml), None)
        # Fetched now, not while time is taken.
        estimator_factory.detector_irs(self._zoo, model, listener=self._console)
        for runtime in self._runtimes():
            workload = PipelineWorkload(self._picture(), partial(_compiled, self._settings, xml, {}))
            yield BenchmarkCase(xml.stem, precision, workload, runtime, is_recordable=False)

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

    def _picture(self) -> Path:
        if self._args.input:
            named: Path = self._args.input
            return named
        crowd = self._folder / "four-people.jpg"
        if not crowd.is_file():
            from posezoo.download.sample_images import download_samples

            zoo = self._zoo
            write_crowd_image(
                download_samples(zoo.layout.samples_dir, zoo.means, listener=self._console), crowd
            )
        return crowd

    def _preparation(self, spec: ModelSpec, precision: Precision) -> list[str]:
        is_here = self._zoo.layout.ir_path(spec, precision).is_file()
        if self._args.generated and spec.network is not None and not is_here:
            return [f"would convert to {precision} with generated weights"]
        if precision not in spec.precisions:
            return []
        files = self._zoo.plan_download(spec, (precision,) if spec.is_ir else None)
        return format_plan(files, self._zoo.plan_conversion(spec, (precision,)))

    def _in_words(self, precision: Precision | None) -> Iterator[str]:
        args = self._args
        for runtime in self._runtimes():
            for batch in args.batch:
                what = "the whole pipeline" if args.pipeline else f"batch {batch}"
                of = f"{precision}, {what}" if precision else what
                how = f"requests {runtime.requests} on {runtime.device}"
                yield f"would measure {of}, {how}: {args.rounds} rounds of {args.seconds:g} s"

    def _tried(self, name: str, groups: Any) -> Iterator[Sequence[BenchmarkCase]]:
        """One model's failure does not stop the others."""
        try:
            yield from groups()
        except PosezooError as error:
            self._console.print_error(error)
            self._fail(name, error)

    def _fail(self, name: str, error: PosezooError) -> None:
        self.failures.append({"name": name, "reason": error.problem, "hint": error.hint})


def _generate(settings: Settings, spec: ModelSpec, folder: Path, precision: Precision) -> Path:
    """In a process of its own: the .xml with generated weights."""
    zoo, generated = complexity_count.convert_with_random_weights(
        open_zoo(settings), spec, folder, (precision,)
    )
    return zoo.layout.ir_path(generated, precision)


def _compiled(
    settings: Settings, model: Model | Path, irs: Mapping[str, Path], runtime: RuntimeConfig
) -> Estimator:
    """In a process of its own: a model and its detector as ``posezoo run`` has them, compiled anew."""
    from posezoo.runtime.load_options import LoadOptions

    zoo, options = open_zoo(settings), LoadOptions(runtime)
    if isinstance(model, Path):
        return estimator_factory.compile_ir_estimator(zoo, model, options)
    return estimator_factory.compile_estimator(zoo, model, irs, options)
