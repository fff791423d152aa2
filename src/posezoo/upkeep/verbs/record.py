"""posezoo record: write measurements into the measured.yml next to a model's model.yml.

Only maintainers of a registry need it, in a checkout or in their own folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.cli.selection import select_models
from posezoo.console.job_report import Answer, JobReport
from posezoo.core.declarations.model import Model, ModelSpec
from posezoo.core.errors import InferenceError, PosezooError, require_packages
from posezoo.core.events import CountStarted, Listener
from posezoo.core.registry import Selection
from posezoo.core.regular_files import is_open_pipe
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.pages.verbs.measurement_flags import read_measurements

if TYPE_CHECKING:
    from posezoo.console.console import Console
    from posezoo.run.measured import Measurement

EXAMPLES = """
posezoo record blazepose-full
posezoo record --generated 'simple_pose_*' 'simple_pose_*@*'
posezoo record speed.json accuracy.json
"""

#: A name with this suffix is a file with measurements; any other name is a model.
SUFFIX = ".json"

FLAGS = (
    Flag(
        "models MODEL|FILE",
        "a model, to count the GFLOPs and MParams of its IR; or a .json file of measurements",
        nargs="+",
    ),
    Flag(
        "--generated",
        "count a network of posezoo with random weights, for models whose weights are not"
        " available",
        excludes="size",
    ),
    Flag(
        "--size H,W",
        "height and width of the image, for an IR with dynamic sizes (default: usual_size in"
        " model.yml)",
    ),
    flags.download_dir_flag(),
    f"weights_dir {flags.LOCK} models_dir {flags.CLUSTER} {flags.FORMAT}",
)


class _RecordArgs(flags.ModelsArgs, flags.FormatArgs):
    generated: bool
    size: tuple[int, int] | None


def run(args: _RecordArgs) -> int:
    """Record the measurements, and print the paths of the measured.yml files."""
    if args.generated:
        require_packages({"torch": "torch", "openvino": "convert"})

    context = flags.context_from_args(args, {"registries": ()})  # measurements go beside model.yml
    files: list[str] = []
    patterns: list[str] = []
    for model in args.models:
        is_file = model.endswith(SUFFIX) or is_open_pipe(Path(model))
        (files if is_file else patterns).append(model)

    with flags.console_from_args(args) as console:
        # If one of them is invalid, none is recorded.
        measured = list(chain.from_iterable(_figures(context, Path(file)) for file in files))
        selection = (
            select_models(context.registry, patterns, console) if patterns else Selection(())
        )
        report = model_jobs.run_for_each(
            selection,
            _CountTask(context, args.size, args.generated),
            console,
            executor=flags.executor_from_args(args, context),
        )
        for spec, measurement in measured:
            _record(spec, measurement, report, console)
    return report.print(args.format)


def _record(spec: Model, measurement: Measurement, report: JobReport, console: Console) -> None:
    from posezoo.measure.complexity_count import record_measurements

    try:
        path = record_measurements(spec, [measurement])
    except InferenceError as error:
        console.print_error(error)
        report.add_failure(spec.full_name, error)
        return
    report.answers.append((spec.full_name, Answer(files=[path])))


def _figures(context: Context, file: Path) -> Iterator[tuple[Model, Measurement]]:
    for spec, measurement in read_measurements(file, context.registry):
        if measurement.kind == "complexity" and spec.stages:
            hint = f"name {' or '.join(spec.stages)}"
            raise PosezooError(
                f"{file}: {spec.name}: is a composite; only its parts are counted", hint=hint
            )
        yield spec, measurement


@frozen
class _CountTask:
    """Counts a model and records the result; it is pickled for other processes."""

    context: Context
    size: tuple[int, int] | None
    generated: bool

    def __call__(self, spec: ModelSpec, listener: Listener) -> Answer:
        from posezoo.core.workers.processes import run_in_child
        from posezoo.measure.complexity_count import record_measurements

        listener(CountStarted(spec.full_name))
        # A separate process is used, so that the memory of a large network is freed.
        measurements = run_in_child(self.count, spec, of=spec.full_name)
        return Answer(files=[record_measurements(spec, measurements)])

    def count(self, spec: ModelSpec) -> Sequence[Measurement]:
        from posezoo.core.resolve.resolution import resolve_model
        from posezoo.measure.complexity_count import convert_with_random_weights, count_complexity

        if not self.generated:
            return count_complexity(resolve_model(spec, spec.precisions, self.context), self.size)
        with tempfile.TemporaryDirectory() as folder:
            converted = convert_with_random_weights(
                spec, self.context, Path(folder), spec.precisions
            )
            measurements = count_complexity(converted.resolved)
        return tuple(replace(measurement, weights="generated") for measurement in measurements)
