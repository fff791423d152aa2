"""posezoo benchmark: measure how fast models run on this machine.

With ``--format json``, the output is an object::

    measurements  list   the content of the --output file: model, precision,
                         machine, settings, figures (throughput in images per second: median,
                         minimum and maximum of the rounds; latencies over all rounds), and the
                         other keys of measured.yml
    provenance    list   what ran, for each of them, as in poses.json of ``posezoo run``
    best_batches  list   with several batch sizes: model, precision, requests, batch, throughput_fps
    interrupted   bool   whether ^C ended it; measurements then contains the results so far
    failed        list   name, reason, hint
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag, Shared
from posezoo.cli.run_main import command_line
from posezoo.console.console import Console
from posezoo.console.labels import format_count
from posezoo.console.report import print_result
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.declarations.model_files import is_network_file
from posezoo.core.errors import (
    ConversionError,
    OutputError,
    PosezooError,
    SettingsError,
)
from posezoo.core.events import CountStarted, Listener, RunStarted
from posezoo.core.files.output_file import MEASUREMENTS
from posezoo.run.verbs.run_flags import select_subjects, statement_from_args

if TYPE_CHECKING:
    from posezoo.core.pipeline.for_each import Executor
    from posezoo.core.resolve.stage_context import Context
    from posezoo.figures.measured import Measurement
    from posezoo.measure.benchmark_cases import BenchmarkOptions, BenchmarkPlanner, CaseMaker
    from posezoo.measure.benchmarking.benchmark_result import BenchmarkResult
    from posezoo.measure.benchmarking.workloads import BenchmarkCase

EXAMPLES = """
posezoo benchmark human-pose-estimation-0001
posezoo benchmark net.xml --batch 1,2,4,8 --num_infer_requests 1,0
posezoo benchmark human-pose-estimation-0001 --precisions FP16,FP16-INT8
posezoo benchmark --pipeline blazepose-full --num_infer_requests 4 --input crowd.jpg
posezoo benchmark --pipeline human-pose-estimation-0001 --heights 256,368,480
posezoo benchmark --all --generated --output speed.json
posezoo benchmark my-pose --num_infer_requests 1,0 --models_dir my_zoo --record
"""

MAX_BATCH = 64


FLAGS = (
    Flag(
        "models MODEL|XML",
        "a name or a glob, downloaded and converted if necessary; or the .xml of any IR, or an"
        " .onnx",
        nargs="*",
    ),
    "all",
    Flag(
        "--pipeline",
        "measure the whole pipeline: read an image, find the poses, and draw them",
        excludes="batch generated size",
    ),
    Flag(
        "-i, --input IMAGE",
        "with --pipeline: the image (default: people from the two sample photos)",
        Path,
        needs="pipeline",
    ),
    Flag(
        "--people N",
        "with --pipeline: the number of people on the default image; a model that cuts out another"
        " number is not measured (default: 4)",
        default="4",
        choices=("1", "4"),
        needs="pipeline",
    ),
    Flag(
        "--heights PX[,PX]",
        "with --pipeline: resize images to each of these heights, or shorter sides, as run --height"
        " does (default: as the model declares)",
        flags.whole_numbers(32, 4096),
        default=(),
        needs="pipeline",
    ),
    Flag(
        "--precisions P[,P]",
        "precisions to measure; a model is skipped in a precision that it does not have (default:"
        " FP16; of a file its own)",
        default=(),
    ),
    Flag(
        "--generated",
        "use random weights for posezoo's networks that have no IR here; their results are marked",
    ),
    Flag(
        "--size H,W",
        "height and width of the image, for an IR with dynamic sizes (default: usual_size in"
        " model.yml)",
    ),
    Flag(
        "--batch N[,N]",
        f"number of images in one inference, 1 to {MAX_BATCH}; if several are given, the one with"
        " the highest throughput is also reported (default: 1)",
        flags.whole_numbers(1, MAX_BATCH),
        default=(1,),
    ),
    Flag(
        "-nireq, --num_infer_requests N[,N]",
        "number of parallel inference requests: 1 for the lowest latency, 0 for the device's"
        " optimal number (default: with --pipeline 1, as posezoo run has for a photo, else 0)",
        flags.whole_numbers(0, 1024),
        default=(),
    ),
    Flag(
        "-nstreams, --num_streams N",
        "number of requests that the device executes in parallel (default: the device chooses)",
        default="",
    ),
    Flag(
        "-nthreads, --num_threads N",
        "number of CPU threads (default: the device chooses)",
        flags.whole_number(0, 4096),
        default=0,
    ),
    Flag(
        "--seconds S",
        "the duration of each of the 5 rounds, and of the warm-up (default: 1)",
        flags.number(0.01, 600),
        default=1.0,
    ),
    Flag(
        "--output FILE",
        "write the measurements to a .json file, for recommend --figures",
        output=MEASUREMENTS,
    ),
    Flag(
        "--record",
        "write the speeds, and the GFLOPs and MParams of each IR, to measured.yml beside the"
        " model.yml, in a registry of your own or a checkout; without this flag, posezoo recommend"
        " reads the speeds in your own folder",
    ),
    Shared("as decoder_options detector", needs="pipeline"),
    f"{flags.INFERENCE} weights_dir {flags.CACHE}",
    f"{flags.TRUST} {flags.CONVERTERS} {flags.REGISTRY} {flags.CLUSTER} dry_run {flags.FORMAT}",
)


class _BenchmarkArgs(flags.ConversionArgs, flags.PipelineArgs):
    pipeline: bool
    input: Path | None
    people: str
    generated: bool
    size: tuple[int, int] | None
    heights: tuple[int, ...]
    batch: tuple[int, ...]
    num_infer_requests: tuple[int, ...]
    num_streams: str
    num_threads: int
    seconds: float
    output: Path | None
    record: bool


def run(args: _BenchmarkArgs) -> int:
    """Measure, and print the results."""
    flags.patterns_from_args(args)
    flags.require_suffix(args, args.output, (".json",))
    from posezoo.measure.benchmark_cases import CaseMaker
    from posezoo.measure.benchmark_tables import format_results, results_to_json
    from posezoo.measure.benchmarking.benchmark_process import ROUNDS
    from posezoo.measure.complexity_count import require_own_registry

    context = flags.context_from_args(args)
    options = _options_from_args(args, context)
    is_interrupted = False
    # Generated IR and images must be visible to the workers of a cluster.
    shared = context.settings.weights_dir if args.cluster and not args.dry_run else None
    if shared:
        shared.mkdir(parents=True, exist_ok=True)
    temporary = tempfile.TemporaryDirectory(prefix="posezoo-", dir=shared)
    with flags.console_from_args(args) as console, temporary as folder:
        console(RunStarted(command_line(), 0))
        maker = CaseMaker(options, context, Path(folder), console)
        planner = _make_planner(args, maker, console)
        for spec in planner.selection.models if args.record else ():
            require_own_registry(spec)
        if args.dry_run:
            planner.report.answers += planner.plans(args.seconds)
            return planner.report.print(args.format)
        measuring = _Measuring(planner, args.seconds)
        executor = flags.executor_from_args(args, context) if args.cluster else None
        try:
            measuring.measure(executor)
        except KeyboardInterrupt:
            is_interrupted = True
        results = measuring.results
        complete = [result for result in results if len(result.rounds) == ROUNDS]
        _write_results(complete, args, planner)
    answer = results_to_json(results)
    answer |= {"interrupted": is_interrupted, "failed": planner.report.failures}
    print_result(args.format, answer, *format_results(results))
    if is_interrupted:
        so_far = "these are the results so far" if results else "no round was complete"
        console.warn(f"interrupted: {so_far}")
        return 130
    return planner.report.exit_code


def _make_planner(args: _BenchmarkArgs, maker: CaseMaker, console: Console) -> BenchmarkPlanner:
    from posezoo.measure.benchmark_cases import BenchmarkPlanner

    said = statement_from_args(args)
    checked = replace(said, height=next(iter(args.heights), None))
    if args.precisions and all(map(is_network_file, args.models)):
        checked = replace(checked, precision=args.precisions[0])
    # What a network alone puts out is not read.
    files, selection = select_subjects(
        flags.patterns_from_args(args),
        maker.context,
        console,
        checked,
        needs_decoder=args.pipeline,
    )
    files = [replace(file, said=said) for file in files]
    return BenchmarkPlanner(maker, files, selection, said, console)


def _options_from_args(args: _BenchmarkArgs, context: Context) -> BenchmarkOptions:
    from posezoo.measure.benchmark_cases import BenchmarkOptions
    from posezoo.run.load import default_runtime
    from posezoo.run.runtime.runtime_config import choose_requests

    images = 1 if args.pipeline else None
    runtime = replace(
        default_runtime(context.settings),
        cache_dir=None,
        streams=args.num_streams,
        threads=args.num_threads,
    )
    return BenchmarkOptions(
        runtime,
        args.num_infer_requests or (choose_requests(images),),
        args.precisions or (Precision.FP16,),
        args.batch,
        size=args.size,
        is_pipeline=args.pipeline,
        image=args.input,
        people=int(args.people),
        target_sizes=args.heights or (None,),
        generates=args.generated,
    )


@dataclass
class _Measuring:
    planner: BenchmarkPlanner
    seconds: float
    results: list[BenchmarkResult] = field(default_factory=list)

    def measure(self, executor: Executor | None) -> None:
        if executor:
            self._measure_on_cluster(executor)
            return
        for case in self.planner.cases():
            with self.planner.report_failure(case.model):
                self._measure(case)

    def _measure_on_cluster(self, executor: Executor) -> None:
        from posezoo.core.pipeline.for_each import for_each

        cases = list(self.planner.cases())
        task = partial(_measure_alone, self.seconds)
        # On one machine, cases that are measured at the same time would disturb each other.
        executor = replace(executor, jobs=1)
        for outcome in for_each(cases, task, executor=executor, listener=self.planner.console):
            with self.planner.report_failure(outcome.item.model):
                if outcome.error:
                    raise outcome.error
                if outcome.result:
                    self.results.append(outcome.result)

    def _measure(self, case: BenchmarkCase) -> None:
        from posezoo.measure.benchmarking.benchmark_process import run_rounds

        latest = None
        try:
            for so_far in run_rounds(case, self.seconds, listener=self.planner.console):
                latest = so_far
        except PosezooError:
            latest = None
            raise
        finally:
            if latest:
                self.results.append(latest)


def _measure_alone(seconds: float, case: BenchmarkCase, listener: Listener) -> BenchmarkResult:
    from posezoo.measure.benchmarking.benchmark_process import run_rounds

    *_, result = run_rounds(case, seconds, listener=listener)
    return result


def _write_results(
    results: Sequence[BenchmarkResult], args: _BenchmarkArgs, planner: BenchmarkPlanner
) -> None:
    """Write the results to the file of --output, and to the registry or for recommend."""
    if args.output:
        _write(args.output, results, planner.console)
    measured = _by_model(results)
    if args.record:
        _record(measured, args, planner)
    else:
        _keep(measured, planner)


def _by_model(results: Sequence[BenchmarkResult]) -> dict[str, list[Measurement]]:
    """The results of models of a registry."""
    measured: dict[str, list[Measurement]] = {}
    for result in results:
        if result.case.is_recordable:
            measured.setdefault(result.case.model, []).append(result.to_measurement())
    return measured


def _record(
    measured: Mapping[str, Sequence[Measurement]], args: _BenchmarkArgs, planner: BenchmarkPlanner
) -> None:
    """Record the results and, of networks, the complexity of their IR. A speed that other work
    disturbed is an error.
    """
    from posezoo.core.workers.processes import run_in_child
    from posezoo.measure.complexity_count import count_model, record_measurements

    context = planner.maker.context
    for name, measurements in measured.items():
        with planner.report_failure(name):
            model = context.registry.find(name)
            if isinstance(model, ModelSpec) and not args.pipeline:
                planner.console(CountStarted(name))
                count = partial(count_model, generates_weights=args.generated)
                try:
                    # A process of its own frees the memory of a large network.
                    counted = run_in_child(count, model, context, args.size, of=name)
                    record_measurements(model, counted)
                except ConversionError as error:  # such as dynamic sizes
                    planner.console.warn(f"{name}: not counted: {error.problem}")
            path = record_measurements(model, measurements)
            planner.console.print_line(f"{path}: {format_count(len(measurements), 'measurement')}")


def _keep(measured: Mapping[str, Sequence[Measurement]], planner: BenchmarkPlanner) -> None:
    """Keep the results of the zoo's models for posezoo recommend; a folder that cannot be written
    is a warning.
    """
    from posezoo.figures.own_measurements import keep_measurements, own_folder

    for name, measurements in measured.items():
        with planner.report_failure(name):
            try:
                model = planner.maker.context.registry.find(name)
                keep_measurements(model, measurements)
            except (OutputError, SettingsError) as error:
                planner.console.warn(f"not kept for posezoo recommend: {error.problem}")
                return
            kept = format_count(len(measurements), "measurement")
            planner.console.print_line(f"{own_folder()}: {kept} of {name}, for posezoo recommend")


def _write(path: Path, results: Sequence[BenchmarkResult], console: Console) -> None:
    from posezoo.core.files.result_files import write_result
    from posezoo.measure.benchmark_tables import measurements_to_json

    recordable = [result for result in results if result.case.is_recordable]
    if len(recordable) < len(results):
        console.warn(f"{path}: contains no results of IR that the zoo does not declare")
    if not recordable:
        console.warn(f"{path}: not written: there is nothing to record")
        return
    rows = measurements_to_json(recordable)
    text = json.dumps(rows, indent=2) + "\n"
    write_result(path, text.encode(), console, MEASUREMENTS.signs)
    console.print_line(f"{path}: {len(rows)} measurements")
