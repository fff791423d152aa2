"""Calls a function for each selected model, and reports the results; failures are printed at once,
and listed at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.run_main import command_line
from posezoo.cli.selection import (
    select_models,
    warn_of_deprecated_composites,
)
from posezoo.console.job_report import Answer, JobReport
from posezoo.core.declarations.model import ModelSpec, Route
from posezoo.core.errors import DiskError, UnpinnedFileError
from posezoo.core.events import Listener, RunStarted
from posezoo.core.pipeline.for_each import Executor, for_each
from posezoo.core.registry import Selection
from posezoo.core.resolve.stage_context import Context

if TYPE_CHECKING:
    from posezoo.cli.conversion_task import ConversionTask
    from posezoo.console.console import Console
    from posezoo.core.pipeline.get import Converted
    from posezoo.core.pipeline.plan import Plan

    Select = Callable[[Console], Selection]


def make_selected(args: flags.ConversionArgs, task: ConversionTask, select: Select) -> int:
    """Make the IR and the card of each selected model, or only the plan; print the paths."""
    from posezoo.core.download.context import ConnectionPool

    context = task.context
    executor = flags.executor_from_args(args, context)
    with (
        flags.console_from_args(args) as console,
        ConnectionPool(context.download_options) as pool,
    ):
        if not executor.in_processes:
            task = replace(task, pool=pool)
        selection = select(console)
        _warn_of_other_texts(selection, context, console)
        report = run_for_each(
            selection,
            task.plan if args.dry_run else task,
            console,
            skip_unpinned=args.all,
            executor=executor,
            memory=memory_need,
        )
        if selection.composites and not args.dry_run:
            failed = [failure["name"] for failure in report.failures]
            task.write_composite_sidecars(selection.composites, failed, console)
    return report.print(args.format)


def run_selected(
    args: flags.ModelsArgs,
    context: Context,
    work: Callable[[ModelSpec, Listener], Answer],
    *,
    select: Select | None = None,
    executor: Executor = Executor(),
) -> JobReport:
    """Do the work for each model that ``select`` gives, by default that the flags name."""
    if select is None:
        select = partial(select_models, context.registry, flags.patterns_from_args(args))
    with flags.console_from_args(args) as console:
        selection = select(console)
        _warn_of_other_texts(selection, context, console)
        return run_for_each(selection, work, console, skip_unpinned=args.all, executor=executor)


def _warn_of_other_texts(selection: Selection, context: Context, console: Console) -> None:
    if note := context.lock.explain_other_texts(selection.models):
        console.warn(note)


def run_for_each(
    selection: Selection,
    work: Callable[[ModelSpec, Listener], Answer | Converted | Plan],
    console: Console,
    *,
    skip_unpinned: bool = False,
    executor: Executor = Executor(),
    memory: Callable[[ModelSpec], int] = lambda _spec: 0,
    is_silent: bool = False,
) -> JobReport:
    """Do the work for each model, and collect the results.

    With ``skip_unpinned``, one line reports all models without a pin; on a full or read-only disk,
    no other model is tried. Buried failures are named again at the end, unless ``is_silent``.
    """
    report = JobReport()
    skipped = []
    is_buried = False  # whether the error of a failure is followed by the work on another model
    console(RunStarted(command_line(), len(selection.models)))
    for problem in selection.problems:
        report.add_failure(Path(problem.file).parent.name, problem)
    warn_of_deprecated_composites(selection, console)
    outcomes = for_each(selection.models, work, executor=executor, listener=console, memory=memory)
    for number, outcome in enumerate(outcomes):
        name = outcome.item.full_name
        error = outcome.error
        if error is None:
            report.answers.append((name, _answer(outcome.result, report)))
            is_buried = is_buried or bool(report.failures)
            continue
        if skip_unpinned and isinstance(error, UnpinnedFileError):
            skipped.append(name)
        else:
            console.print_error(error)
        if isinstance(error, DiskError):  # the other models could not be written either
            for spec in selection.models[number:]:
                report.add_failure(spec.full_name, error)
            return report
        report.add_failure(name, error)
    if skipped:
        console.warn("SKIPPED (no pin): " + ", ".join(skipped))
    if is_buried and not is_silent:
        for failure in report.failures:
            name = failure["name"]
            if name not in skipped:
                console.warn(f"FAILED: {name}: {failure['reason'].removeprefix(f'{name}: ')}")
    return report


def _answer(result: Answer | Converted | Plan | None, report: JobReport) -> Answer:
    if result is None or isinstance(result, Answer):
        return result or Answer()
    from posezoo.console.plan_report import answer_plan
    from posezoo.core.pipeline.get import Converted

    if isinstance(result, Converted):
        return Answer(irs=result.irs, has_proof=True)
    report.plans.append(result)
    return answer_plan(result)


# Bytes for any model, and for each byte of its files. The measured peaks of 14 models are below:
# 0.2 to 0.5 GB for files of 2 to 136 MB that OpenVINO reads; 0.7 to 2.6 GB for checkpoints of 20 to
# 275 MB, for which a process with PyTorch runs, too.
_OPENVINO = (300_000_000, 4)
_PYTORCH = (900_000_000, 8)
# The bytes of a file whose size is not declared: of the largest file that was measured.
_UNDECLARED = 275_000_000


def memory_need(spec: ModelSpec) -> int:
    """The bytes of memory that the conversion of a model to FP32 and FP16 needs, with its
    self-check.
    """
    from posezoo.core.declarations.routes import select_route

    base, factor = _PYTORCH if select_route(spec)[0] is Route.NETWORK else _OPENVINO
    return base + factor * sum(file.size or _UNDECLARED for file in spec.files)
