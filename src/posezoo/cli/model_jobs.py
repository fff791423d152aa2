"""Calls a function for each selected model, and reports the results; failures are printed at once,
and listed at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.for_each import Executor, for_each
from posezoo.cli.json_projection import to_json
from posezoo.cli.report import print_result
from posezoo.cli.run_main import command_line
from posezoo.cli.selection import (
    select_models,
    warn_of_deprecated_composites,
    warn_of_unknown_keys,
)
from posezoo.core.errors import DiskError, PosezooError, UnpinnedFileError
from posezoo.core.events import Listener, RunStarted
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.cli.console import Console
    from posezoo.cli.conversion_task import ConversionTask
    from posezoo.core.convert.conversion_plan import PlannedIr
    from posezoo.core.declarations.model import ModelSpec, Precision
    from posezoo.core.download.model_download import PlannedFile
    from posezoo.core.pipeline.get import Converted
    from posezoo.core.pipeline.plan import Plan
    from posezoo.core.registry import Selection
    from posezoo.core.resolve.stage_context import Context


def format_plan(plan: Plan) -> list[str]:
    """One line for each file and each IR, or the reason why the IR cannot be made."""
    from posezoo.core.declarations.routes import describe_obstacle

    spec = plan.resolved.spec
    if plan.obstacle:
        text = describe_obstacle(spec, plan.resolved.route, plan.obstacle)
        return [text.removeprefix(f"{spec.full_name}: ")]
    lines = format_downloads(plan)
    if not spec.is_converted:
        return [*lines, "is published as IR: nothing to convert"]
    by = f" by {plan.program.title}" if plan.program else ""
    if plan.resolved.runs_upstream_code:
        by = " by code that comes with the model"
    for ir in plan.irs:
        lines.append(format_planned_ir(ir, f"convert to {ir.precision}{by}"))
    return lines


def format_downloads(plan: Plan) -> list[str]:
    """A line for each file, after one about a package that the conversion lacks."""
    lines = list(map(format_planned_file, plan.files))
    error = plan.missing_package
    if error:
        lines.insert(0, f"{error.problem}, which the conversion needs: {error.hint}")
    return lines


def format_planned_ir(ir: PlannedIr, action: str) -> str:
    """A line about an IR: whether it is made, and why; ``action`` is the word for making it."""
    if ir.is_up_to_date:
        return f"{ir.precision} is up to date: {ir.xml}"
    return f"would {action}, since {ir.reason}: {ir.xml}"


def format_planned_file(planned: PlannedFile) -> str:
    """A line about what is done with one file."""
    file = planned.file
    if planned.is_unpinned:
        return f"would not download {file.name}: it has no pin; --trust_on_first_use accepts it"
    if not planned.candidate_names:
        return f"{file.name} exists and is verified: {planned.target}"
    size = f"at most {file.read_limit:,}" if file.size is None else f"{file.size:,}"
    return (
        f"would download {file.name} ({size} bytes) from {', else '.join(planned.candidate_names)}"
    )


@frozen
class Answer:
    """What was done for a model, or would be; None is not shown."""

    plan: Sequence[str] | None = None  # the lines of a dry run
    files: Sequence[Path] | None = None
    irs: Mapping[Precision, Path] | None = None
    facts: Mapping[str, object] = field(default_factory=dict)  # further keys in JSON
    measurements: Sequence[Mapping[str, object]] = ()  # for posezoo record
    has_proof: bool = False  # whether records of the IR say how they compare with the original

    def to_json(self, name: str) -> dict[str, object]:
        """The object of a model for ``--format json``."""
        shown = {"plan": self.plan, "files": self.files, "irs": self.irs}
        given = {key: to_json(value) for key, value in shown.items() if value is not None}
        proof = _describe_proof(self.irs.values()) if self.irs and self.has_proof else {}
        return {"name": name, **given, **self.facts, **proof}


@dataclass
class JobReport:
    """The results: an answer for each model that succeeded, and a reason for each that failed."""

    answers: list[tuple[str, Answer]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)

    def add_failure(self, name: str, error: PosezooError) -> None:
        """Record that the work on this model failed."""
        self.failures.append({"name": name, "reason": error.problem, "hint": error.hint})

    @property
    def exit_code(self) -> int:
        """0 if no model failed, else 1."""
        return 1 if self.failures else 0

    @property
    def lines(self) -> list[str]:
        """The steps of a dry run, or the paths of the results."""
        lines: list[str] = []
        for name, answer in self.answers:
            for step in answer.plan or ():
                lines.append(f"{name}: {step}")
            lines += map(str, (*(answer.files or ()), *(answer.irs or {}).values()))
        return lines

    def to_json(self) -> dict[str, list[Any]]:
        """The answers and the failures."""
        answers = [answer.to_json(name) for name, answer in self.answers]
        return {"models": answers, "failed": self.failures}

    def print(self, style: str) -> int:
        """Print everything as JSON, or only the paths and planned steps as text; return the exit
        code.
        """
        answer = self.to_json() if style == "json" else None  # it reads the records of IR
        print_result(style, answer, *self.lines)
        return self.exit_code


def make_selected(
    args: flags.ConversionArgs, task: ConversionTask, selection: Selection | None = None
) -> int:
    """Make the IR and the card of each model, by default those that the flags select, or only the
    plan; print the paths.
    """
    from posezoo.core.download.context import ConnectionPool

    context = task.context
    executor = flags.executor_from_args(args, context)
    with (
        flags.console_from_args(args) as console,
        ConnectionPool(context.download_options) as pool,
    ):
        if not executor.in_processes:
            task = replace(task, pool=pool)
        selection = selection or _select(args, context, console, takes_checkpoints=True)
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
    work: Callable[[ModelSpec, Listener], Answer | Plan],
    *,
    selection: Selection | None = None,
    executor: Executor = Executor(),
    takes_checkpoints: bool = False,
) -> JobReport:
    """Do the work for each model that the flags select, or that is given."""
    with flags.console_from_args(args) as console:
        if selection is None:
            selection = _select(args, context, console, takes_checkpoints=takes_checkpoints)
        else:
            warn_of_unknown_keys(selection, console)
            for text in filter(None, (spec.assumption for spec in selection.models)):
                console.warn(text)
        return run_for_each(selection, work, console, skip_unpinned=args.all, executor=executor)


def _select(
    args: flags.ModelsArgs, context: Context, console: Console, *, takes_checkpoints: bool
) -> Selection:
    patterns = flags.patterns_from_args(args)
    selection = select_models(
        context.registry, patterns, console, takes_checkpoints=takes_checkpoints
    )
    note = context.lock.explain_other_texts(selection.models)
    if note:
        console.warn(note)
    return selection


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
            report.answers.append((name, _answer(outcome.result)))
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


def _answer(result: Answer | Converted | Plan | None) -> Answer:
    if result is None or isinstance(result, Answer):
        return result or Answer()
    from posezoo.core.pipeline.get import Converted

    if isinstance(result, Converted):
        return Answer(irs=result.irs, has_proof=True)
    return Answer(plan=format_plan(result))


def _describe_proof(xmls: Iterable[Path]) -> dict[str, str]:
    """How the IR compare with their original, by their records; published IR have none."""
    from posezoo.core.ir.provenance import EQUAL, NOT_COMPARABLE, read_ir_record

    proofs = {record.proof for record in map(read_ir_record, xmls) if record}
    if not proofs:
        return {}
    return {"proof": NOT_COMPARABLE if NOT_COMPARABLE in proofs else EQUAL}


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
    from posezoo.core.declarations.model import Route
    from posezoo.core.declarations.routes import select_route

    base, factor = _PYTORCH if select_route(spec)[0] is Route.NETWORK else _OPENVINO
    return base + factor * sum(file.size or _UNDECLARED for file in spec.files)
