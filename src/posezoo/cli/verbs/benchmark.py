"""posezoo benchmark: how fast models run here.

With ``--format json`` an object::

    measurements  list   what --output writes, and posezoo record takes: model, precision, machine, settings,
                         figures (throughput in images a second: median, least and greatest of the rounds;
                         latencies over all of them), and what else measured.yml has
    best_batches  list   model, precision, requests, batch, throughput_fps: where there were several batches
    comparisons   list   with --compare: model, precision, settings, and ratio (least, median, greatest) of
                         its throughput to the first one's, by pairs of rounds
    interrupted   bool   whether ^C came first; what is known so far stands in measurements all the same
    failed        list   name, reason, hint
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.report import Console
from posezoo.errors import InferenceError, PosezooError
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from posezoo.benchmarking import BenchmarkCase, BenchmarkResult
    from posezoo.cli.benchmark_cases import BenchmarkPlanner

EXAMPLES = """
posezoo benchmark human-pose-estimation-0001
posezoo benchmark net.xml --batch 1,2,4,8 --requests 1,0
posezoo benchmark --compare human-pose-estimation-0001 --precisions FP16,FP16-INT8
posezoo benchmark --pipeline blazepose-full --requests 4 --input crowd.jpg
posezoo benchmark --all --generated --output speed.json
"""

MOST = 64


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(verbs, "benchmark", "measure how fast models run here", EXAMPLES)
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL|XML",
        help="a name or a glob, fetched and converted where it is not here yet; or the .xml of any IR",
    )
    parser.add_argument("--all", action="store_true", help="every model of the zoo")
    parser.add_argument(
        "--compare",
        action="store_true",
        help="all in turns, round by round, each against the first: what else this machine does slows both",
    )
    parser.add_argument(
        "--pipeline",
        action="store_true",
        help="the whole way: a picture is read, its people are found and drawn",
    )
    parser.add_argument(
        "-i",
        "--input",
        type=Path,
        metavar="IMAGE",
        help="with --pipeline: the picture (default: four people, made of the two sample photos)",
    )
    _add_what(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="a .json file that posezoo record takes")
    flags.add_detector_flag(parser)
    flags.add_inference_flags(parser)
    flags.add_directory_flags(parser)
    flags.add_trust_flag(parser)
    flags.add_models_dir_flag(parser)
    flags.add_dry_run_flag(parser)
    flags.add_format_flags(parser)
    return parser


def _add_what(parser: argparse.ArgumentParser) -> None:
    """Of what, and for how long."""
    parser.add_argument(
        "--precisions",
        type=flags.parse_precisions,
        metavar="P[,P]",
        default=(Precision.FP16,),
        help="of the IR; a model is measured in those that it is to be had in (default: FP16)",
    )
    parser.add_argument(
        "--generated",
        action="store_true",
        help="networks of ours that have no IR here are measured on generated weights, and marked so",
    )
    parser.add_argument(
        "--size",
        type=flags.parse_image_size,
        metavar="H,W",
        help="the image's height and width for an IR that leaves them open",
    )
    parser.add_argument(
        "--batch",
        type=_numbers(1, MOST),
        metavar="N[,N]",
        default=(1,),
        help=f"images an inference takes, 1 to {MOST}; of several the best is named (default: 1)",
    )
    parser.add_argument(
        "--requests",
        type=_numbers(0, 1024),
        metavar="N[,N]",
        default=(0,),
        help="inferences under way at once: 1 for the least latency; 0: as many as the device likes best "
        "(default: 0)",
    )
    parser.add_argument("--streams", default="", metavar="N", help="how many of them really run side by side")
    parser.add_argument("--threads", type=_number(0, 4096), default=0, metavar="N", help="of the CPU")
    parser.add_argument(
        "--hint", default="", choices=("LATENCY", "THROUGHPUT", "NONE"), help="what the device aims at"
    )
    parser.add_argument(
        "--rounds",
        type=_number(5, 1000),
        default=5,
        metavar="N",
        help="5 or more, after one that warms up (default: 5)",
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=1.0, metavar="S", help="how long a round takes (default: 1)"
    )


@dataclass(slots=True)
class BenchmarkProgressState:
    """What is known so far: of cases that are done, and of those that run just now."""

    finished: list[BenchmarkResult] = field(default_factory=list)
    running: tuple[BenchmarkResult, ...] = ()
    failures: list[dict[str, str]] = field(default_factory=list)
    is_interrupted: bool = False

    @property
    def results(self) -> list[BenchmarkResult]:
        """All of them, in their order."""
        return [*self.finished, *self.running]


def run(args: argparse.Namespace) -> int:
    """Measure, and print a table."""
    _refuse_what_does_not_go_together(args)
    from posezoo.cli import benchmark_tables
    from posezoo.cli.benchmark_cases import BenchmarkPlanner

    known = BenchmarkProgressState()
    with Console(quiet=args.quiet) as console, tempfile.TemporaryDirectory(prefix="posezoo-") as folder:
        cases = BenchmarkPlanner(args, console, Path(folder), known.failures)
        if args.dry_run:
            return _print_plan(cases, args.format)
        cases.check()
        try:
            _measure(args, cases, known, console)
        except KeyboardInterrupt:
            known.is_interrupted = True
        known.finished, known.running = known.results, ()
        today = date.today()
        if args.output:
            _write(args, known, today, console)
    if args.format == "json":
        answer = benchmark_tables.results_to_json(known.finished, today, is_compared=args.compare)
        print(json.dumps({**answer, "interrupted": known.is_interrupted, "failed": known.failures}, indent=2))
    else:
        for line in benchmark_tables.format_results(
            known.finished, is_compared=args.compare, rounds=args.rounds
        ):
            print(line)
    if known.is_interrupted:
        console.warn("interrupted: this is what is known so far")
        return 130
    return 1 if known.failures else 0


def _refuse_what_does_not_go_together(args: argparse.Namespace) -> None:
    flags.patterns_from_args(args)
    if args.input and not args.pipeline:
        args.parser.error("--input goes with --pipeline: a network alone is fed with noise")
    if args.detector and not args.pipeline:
        args.parser.error("--detector goes with --pipeline: a network alone finds nobody")
    for flag, is_said in (
        ("--batch", args.batch != (1,)),
        ("--generated", args.generated),
        ("--size", args.size is not None),
    ):
        if args.pipeline and is_said:
            args.parser.error(f"{flag} goes with networks alone, not with --pipeline")
    if args.output and args.output.suffix != ".json":
        args.parser.error(f"--output: expected a name that ends with .json, got {args.output}")


def _measure(
    args: argparse.Namespace, cases: BenchmarkPlanner, known: BenchmarkProgressState, console: Console
) -> None:
    from posezoo.benchmarking import BenchmarkSchedule, run_rounds

    plan = BenchmarkSchedule(args.rounds, args.seconds)

    def measure_in_turns(several: Sequence[BenchmarkCase]) -> None:
        try:
            for known.running in run_rounds(several, plan, listener=console):
                pass
        except PosezooError:
            known.running = ()
            raise
        known.finished, known.running = known.results, ()

    if args.compare:
        several = [case for group in cases.groups() for case in group]
        if known.failures:
            return
        if len(several) < 2:
            raise InferenceError(
                "there is nothing to compare: only one thing is named",
                hint="name two models, or several of --precisions, --batch or --requests",
            )
        measure_in_turns(several)
        return
    for group in cases.groups():
        for case in group:
            _told(lambda case=case: measure_in_turns([case]), case.model, known, console)  # type: ignore[misc]


def _told(work: Callable[[], None], name: str, known: BenchmarkProgressState, console: Console) -> None:
    """One case's failure does not stop the others."""
    try:
        work()
    except PosezooError as error:
        console.print_error(error)
        known.failures.append({"name": name, "reason": error.problem, "hint": error.hint})


def _write(args: argparse.Namespace, known: BenchmarkProgressState, today: date, console: Console) -> None:
    """What is whole and of the zoo, as posezoo record takes it."""
    from posezoo.benchmarking import create_speed_measurement
    from posezoo.files.verified_files import write_atomically
    from posezoo.measured import measurement_to_json

    whole = [each for each in known.finished if len(each.rounds) == args.rounds]
    fitting = [each for each in whole if each.case.is_recordable]
    if len(fitting) < len(whole):
        console.warn(f"{args.output}: holds no figures of IR that the zoo does not declare")
    if not fitting:
        console.warn(f"{args.output}: not written: there is nothing to record")
        return
    rows = [measurement_to_json(each.case.model, create_speed_measurement(each, today)) for each in fitting]
    write_atomically(args.output, (json.dumps(rows, indent=2) + "\n").encode())
    console.print_line(f"{args.output}: {len(rows)} measurements")


def _print_plan(cases: BenchmarkPlanner, style: str) -> int:
    report = model_jobs.JobReport(list(cases.plans()), cases.failures)
    report.print(style)
    return report.exit_code


def _number(min_count: int, max_count: int) -> Callable[[str], int]:
    """An argparse type: a whole number within bounds."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not min_count <= int(text) <= max_count:
            raise argparse.ArgumentTypeError(
                f"expected a number from {min_count} to {max_count}, got {text!r}"
            )
        return int(text)

    return parse


def _numbers(min_count: int, max_count: int) -> Callable[[str], tuple[int, ...]]:
    """An argparse type: the same with commas between, each once."""
    number = _number(min_count, max_count)

    def parse(text: str) -> tuple[int, ...]:
        return tuple(dict.fromkeys(number(word) for word in text.split(",")))

    return parse


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0.01 <= seconds <= 600:
        raise argparse.ArgumentTypeError(f"expected a number from 0.01 to 600, got {text!r}")
    return seconds
