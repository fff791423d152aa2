"""converter.py, omz_converter: convert downloaded models to IR, with Open Model Zoo's flags and
output.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, run_main
from posezoo.cli.flags import Flag, Shared
from posezoo.console import printing
from posezoo.console.json_projection import project
from posezoo.core import events
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.errors import PosezooError
from posezoo.core.events import Listener
from posezoo.core.operating_system import available_cores
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import Selection
from posezoo.core.values import frozen
from posezoo.omz.commands import conventions
from posezoo.omz.commands.conventions import LineBuffer, PrecisionsArgs
from posezoo.omz.commands.event_output import JsonConversionReporter, TextReporter, print_planned_ir

if TYPE_CHECKING:
    from posezoo.cli.conversion_task import ConversionTask


def _jobs(text: str) -> int:
    if text == "auto":
        return available_cores()
    try:
        return conventions.parse_positive(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f'must be a positive integer or "auto" (got {text!r})'
        ) from error


FLAGS = (
    flags.download_dir_flag("the working folder"),
    conventions.output_dir_flag("where the IR go", "the folder of the published files"),
    Flag(
        "--precisions PREC[,PREC...]",
        "precisions of the IR: FP16, FP32 (default: both), and FP16-INT8 of the models whose"
        " model.yml has int8_ranges",
    ),
    Flag(
        "-p, --python PYTHON",
        "the Python that runs Model Optimizer (default: the one in its environment)",
        Path,
    ),
    Flag(
        "--mo MO.PY",
        "Model Optimizer of openvino-dev 2024.6, for models that posezoo cannot convert without it",
        Path,
    ),
    Flag(
        "--add_mo_arg ARG",
        "an argument of Model Optimizer for all models, such as"
        " --add_mo_arg=--mean_values=[127,127,127]; may be given several times",
        repeats=True,
        default=[],
        former="--add-mo-arg",
    ),
    f"allow_upstream_code {flags.LIMITS} {flags.LOCK}",
    Flag("--dry_run", "print what would be done, and write nothing", former="--dry-run"),
    Flag("--no_card", "write no model card beside the IR"),
    Flag(
        "-j, --jobs N|auto",
        "number of models to convert at the same time (default: 1)",
        _jobs,
        default=1,
    ),
    conventions.PROGRESS_FORMAT,
    "checkpoint",
    Shared("model_name skeleton", needs="checkpoint"),
    f"self_check dynamic {flags.CAMERA_INPUT} {flags.DECODE} force",
)


class _ConverterArgs(PrecisionsArgs, flags.CheckpointArgs, flags.InputArgs):
    output_dir: Path | None
    no_card: bool
    jobs: int
    progress_format: str


def _run(args: _ConverterArgs) -> int:
    settings, selection = conventions.select_omz_models(args)
    requested = conventions.precisions_from_args(args)
    if not all(spec.is_ir for spec in selection.models):
        flags.require_model_optimizer(args, mark=f"{conventions.ALARM} Warning:")
    from posezoo.cli.conversion_task import ConversionTask
    from posezoo.cli.model_jobs import memory_need
    from posezoo.core.pipeline.for_each import Executor, for_each

    download_dir = args.download_dir or Path.cwd()
    context = open_context(
        replace(settings, weights_dir=args.output_dir or download_dir),
        download_dir=download_dir,
        mo_python=args.python,
    )
    selection = _with_checkpoint(args, selection)
    jobs = 1 if args.dry_run else args.jobs
    precisions = [Precision.FP16, Precision.FP32]
    if args.precisions is not None:  # as in Open Model Zoo, those by default are in floating point
        precisions.append(Precision.FP16_INT8)
    conversion = ConversionTask(
        context,
        [each for each in precisions if each in requested],
        flags.conversion_options_from_args(args),
        flags.input_options_from_args(args),
        checkpoint=args.checkpoint,
        downloads=False,
        writes_sidecars=not args.no_card,
    )
    task = _ReportedConversion(
        conversion,
        requested,
        is_dry_run=args.dry_run,
        progress_format=args.progress_format,
        is_buffered=jobs > 1,
    )
    failed: dict[str, PosezooError] = dict(
        zip(conventions.names_of_unreadable(selection), selection.problems, strict=True)
    )
    executor = Executor(jobs, in_processes=jobs > 1)
    for outcome in for_each(selection.models, task, executor=executor, memory=memory_need):
        paper, error = outcome.result or (LineBuffer(), outcome.error)
        if outcome.error:  # its process ended unexpectedly
            paper.print_error(outcome.error)
        paper.flush()
        if error:
            failed[outcome.item.full_name] = error
    if not args.dry_run and not args.no_card:
        lines = TextReporter(LineBuffer(), context.layout.output_dir)
        conversion.write_composite_sidecars(selection.composites, failed, lines)
    return _print_summary(failed, selection, args.progress_format)


def _with_checkpoint(args: _ConverterArgs, selection: Selection) -> Selection:
    from posezoo.core.declarations.skeletons import find_skeleton
    from posezoo.networks.custom_weights import spec_with_checkpoint

    if args.checkpoint is None:
        return selection
    if len(selection.models) != 1:
        args.parser.error("--checkpoint requires --name with one model")
    spec = spec_with_checkpoint(
        selection.models[0],
        args.checkpoint,
        args.model_name or "",
        skeleton=find_skeleton(args.skeleton) if args.skeleton else None,
    )
    return replace(selection, models=(spec,), composites=())


def _contradiction(args: _ConverterArgs) -> str:
    long = {"-s": "--scale", "-m": "--input_model"}
    named = (text.partition("=")[0] for text in args.add_mo_arg if text.startswith("-"))
    given = Counter(long.get(flag, flag) for flag in named)
    for flag, count in given.most_common(1):
        if count > 1:
            return f"--add_mo_arg={flag} is given twice"
    has_two_scales = {"--scale", "--scale_values"} <= given.keys()
    excluded = {
        "--add_mo_arg=--scale and --add_mo_arg=--scale_values exclude each other": has_two_scales,
        "--dynamic leaves the size open, --resize sets it: give one of them": (
            args.dynamic and args.resize
        ),
        "--input_layout and --add_mo_arg=--layout exclude each other": (
            args.input_layout and given["--layout"]
        ),
    }
    return next((problem for problem, is_given in excluded.items() if is_given), "")


def _print_summary(failed: Mapping[str, PosezooError], selection: Selection, style: str) -> int:
    names = [spec.full_name for spec in selection.models]
    if style == "json":
        facts = [
            {"name": name, **project(each, "reason=problem hint")} for name, each in failed.items()
        ]
        done = [name for name in names if name not in failed]
        ended = {"$type": "conversion_end", "converted": done, "failed": facts}
        printing.print_while_read(json.dumps(ended), flush=True)
    code = conventions.print_failures(list(failed), text=style == "text")
    if style == "text" and len(names) > 1:
        for name, error in failed.items():
            reason = error.problem.removeprefix(f"{name}: ")
            printing.print_to_stderr(f"{conventions.ALARM} Failed: {name}: {reason}")
    return code


@frozen
class _ReportedConversion:
    """Converts a model and reports the result; it is pickled if each job is a separate process."""

    conversion: ConversionTask
    requested: frozenset[str]  # the precisions
    is_dry_run: bool
    progress_format: str
    is_buffered: bool  # whether the lines of a model are printed only at its end

    def __call__(
        self, spec: ModelSpec, listener: Listener
    ) -> tuple[LineBuffer, PosezooError | None]:
        paper = LineBuffer(buffered=self.is_buffered)
        lines: TextReporter | JsonConversionReporter
        if self.progress_format == "json":
            lines = JsonConversionReporter(paper, spec)
        else:
            folder = self.conversion.context.layout.model_download_dir(spec)
            lines = TextReporter(paper, folder)
        try:
            if self._convert(spec, lines, listener) and self.progress_format == "text":
                paper.write_out()
        except PosezooError as error:
            paper.print_error(error)
            if self.progress_format == "text":
                paper.write_out()
            return paper, error
        return paper, None

    def _convert(
        self, spec: ModelSpec, lines: TextReporter | JsonConversionReporter, listener: Listener
    ) -> bool:
        from posezoo.core.pipeline.plan import make_plan

        makes = conventions.convertible_precisions(spec)
        precisions = [each for each in self.conversion.precisions if each in makes]
        conversion = replace(self.conversion, precisions=precisions)
        if spec.is_ir:
            lines.start_step(f"Skipping {spec.full_name} (no conversions defined)\n")
            return False
        if not conversion.precisions:
            names = " or ".join(sorted(self.requested))
            lines.start_step(f"Skipping {spec.full_name} (no conversion makes {names})\n")
            return False
        if self.is_dry_run:
            resolved = conversion.resolve(spec)
            plan = make_plan(
                resolved, conversion.context, conversion.options, downloads=False, is_dry_run=True
            )
            for ir in plan.irs:
                heading = f"Converting {spec.full_name} to IR ({ir.precision})"
                print_planned_ir(lines, spec.full_name, ir, heading)
            if plan.obstacle:
                raise resolved.error(plan.obstacle)
            if plan.source_error:  # it may be downloaded until the real run
                lines.warn(plan.source_error)
            return False
        conversion(spec, events.both(listener, lines))
        return True


COMMAND = conventions.OmzCommand(
    "converter.py",
    "Convert downloaded models to OpenVINO IR.",
    "convert",
    _run,
    own_flags=FLAGS,
    after_interrupt=run_main.RESUMES,
    contradiction=_contradiction,
)
main = COMMAND.main
