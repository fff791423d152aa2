"""converter.py, omz_converter: downloaded models to IR, by Open Model Zoo's flags and lines."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags, run_main
from posezoo.cli.omz import conventions
from posezoo.cli.omz.conventions import LineBuffer
from posezoo.errors import ConversionError, PosezooError, SpecError, escape_control_characters, suggest
from posezoo.registry import open_registry
from posezoo.settings import to_settings

if TYPE_CHECKING:
    from posezoo.cli.omz.event_output import JsonConversionReporter, TextReporter
    from posezoo.pipeline import Zoo
    from posezoo.registry import Selection
    from posezoo.spec.mo_args import MoArguments
    from posezoo.spec.model import ModelSpec, Precision
    from posezoo.workers.threads import CancelCheck

#: What differs from Open Model Zoo, by flag; the README of tools/downloader shows it.
DIFFERENCES = {
    "--output_dir": "a card (README.md, card.json) and provenance.json lie beside an IR, which was checked "
    "against its original; one that is up to date is left alone",
    "--precisions": "FP32 and FP16 come out of one reading of the model, not of one process each",
    "--lock": "new",
    "--locked": "new",
    "--python": "starts Model Optimizer alone, where --mo lies beside no Python of its own or is not said",
    "--mo": "serves what OpenVINO of today does not read (`posezoo info` says which); all else this process "
    "converts itself. May be an environment's folder, too; POSEZOO_MO says it once for all",
    "--add_mo_arg": "what changes the network is carried out (--input, --input_shape, --layout, "
    "--mean_values, --scale_values, --scale, --reverse_input_channels, --output, "
    "--freeze_placeholder_with_value, --static_shape); --data_type and --compress_to_fp16 must agree with "
    "--precisions; any other goes to --mo, and is an error without one, not ignored",
    "--dry_run": "prints the plan that a real run carries out, and works on a model that was not converted "
    "before (the newest one crashes)",
    "--jobs": "processes, each for one model after the other; the lines of one model stay together",
    "--progress_format": "new here: events as JSON, one a line; the last one names each failure and why",
    "--no_card": "new",
    "--checkpoint": "new: weights of your own in place of the published ones",
    "--model_name": "new: goes with --checkpoint",
    "--force": "new",
    "--dynamic": "new: an input of any height and width, for networks of ours",
    "--keep_onnx": "new: Open Model Zoo always left the ONNX beside the IR",
    "--allow_upstream_code": "new: Open Model Zoo always runs the code that comes with a model, with all "
    "rights of the user; here it is run with this flag alone, shut in",
    "--input_type": "new: bytes of a camera's frame may go into the IR as they are",
    "--input_layout": "new",
    "--resize": "new",
    "--models_dir": "new: Open Model Zoo knows its own folder alone",
    "--print_all": "parts of composites, as in 2021.4 (the newest prints composites)",
}

# What Model Optimizer does with these has no part in the IR.
_IDLE = ("--silent", "--log_level", "--progress", "--stream_output")

# What converter.py is told otherwise than Model Optimizer.
_SAID_ELSEWHERE = {
    "--input_model": "model.yml says which file is converted",
    "-m": "model.yml says which file is converted",
    "--output_dir": "--output_dir of converter.py itself says where IR go",
    "-o": "-o of converter.py itself says where IR go",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return conventions.run_command(lambda: _run(create_parser(), argv))


def create_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    return conventions.create_omz_parser(
        "converter.py", "Convert downloaded models to OpenVINO IR.", "convert", _add_flags
    )


def _add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_download_dir_flag(parser, "the working folder")
    flags.add_output_dir_flag(parser, "where the IR go", "the folder of the published files")
    parser.add_argument(
        "--precisions",
        metavar="PREC[,PREC...]",
        help="convert to these only; FP16 and FP32 are what a conversion makes",
    )
    parser.add_argument(
        "-p", "--python", type=Path, metavar="PYTHON", help="starts Model Optimizer, or has one itself"
    )
    parser.add_argument(
        "--mo",
        type=Path,
        metavar="MO.PY",
        help="a Model Optimizer of openvino-dev 2024.6, for what only it converts",
    )
    parser.add_argument(
        "--add_mo_arg",
        metavar="ARG",
        action="append",
        default=[],
        help="an argument of Model Optimizer for every model, as --add_mo_arg=--mean_values=[127,127,127]; "
        "may be given several times",
    )
    flags.add_flags(parser, "allow_upstream_code", *flags.LOCK)
    parser.add_argument("--dry_run", action="store_true", help="print what would be done; touch nothing")
    parser.add_argument("--no_card", action="store_true", help="draw no card beside the IR")
    parser.add_argument(
        "-j", "--jobs", type=_jobs, default=1, metavar="N|auto", help="how many models to convert at once"
    )
    parser.add_argument(
        "--progress_format",
        choices=("text", "json"),
        default="text",
        help="lines for people, or events as JSON, one a line",
    )
    flags.add_flags(parser, *flags.CHECKPOINT, *flags.CAMERA_INPUT, "force")
    # As these were written in old scripts.
    parser.add_argument("--add-mo-arg", dest="add_mo_arg", action="append", help=argparse.SUPPRESS)
    parser.add_argument("--dry-run", dest="dry_run", action="store_true", help=argparse.SUPPRESS)


def _jobs(text: str) -> int:
    if text == "auto":
        return os.cpu_count() or 1
    try:
        return conventions.parse_positive(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f'must be a positive integer or "auto" (got {text!r})') from error


def _run(command: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    args = command.parse_args(argv)
    if reason := _contradiction(args):
        command.error(reason)
    settings = to_settings(conventions.omz_settings_from_args(args))
    registry = open_registry(settings.models_dir)
    if args.print_all:
        conventions.print_all(registry)
        return 0
    selection = conventions.select_omz_models(registry, conventions.omz_patterns_from_args(args, command))
    requested = conventions.precisions_from_args(args)
    flags.require_model_optimizer(args)
    from posezoo.pipeline import open_zoo
    from posezoo.workers.processes import map_in_processes

    download_dir = args.download_dir or Path.cwd()
    settings = replace(settings, output_dir=args.output_dir or download_dir)
    zoo = open_zoo(
        settings,
        download_dir=download_dir,
        mo_python=args.python,
        allow_upstream_code=args.allow_upstream_code,
    )
    if args.checkpoint is not None:
        zoo, selection = _with_weights(command, args, zoo, selection)
    elif args.model_name is not None:
        command.error("--model_name goes with --checkpoint")
    jobs = 1 if args.dry_run else args.jobs
    reasons = dict(zip(conventions.names_of_unreadable(selection), selection.problems, strict=True))
    failed: dict[str, PosezooError] = {**reasons}
    task = _ConversionJob(zoo, args, requested, jobs > 1)
    for name, paper, error in map_in_processes(task, selection.models, jobs, task.report_lost_process):
        paper.flush()
        if error is not None:
            failed[name] = error
    if not (args.dry_run or args.no_card):
        for composite in selection.composites:
            if not failed.keys() & set(composite.stages):
                zoo.write_card(composite)
    return _print_summary(failed, [spec.full_name for spec in selection.models], args.progress_format)


def _contradiction(args: argparse.Namespace) -> str:
    """What flags say against each other, whatever the model; empty where they do not."""
    given = [text.partition("=")[0] for text in args.add_mo_arg if text.startswith("-")]
    given = [{"-s": "--scale", "-m": "--input_model"}.get(flag, flag) for flag in given]
    twice = next((flag for flag in given if given.count(flag) > 1), "")
    if twice:
        return f"--add_mo_arg={twice} is given twice"
    if {"--scale", "--scale_values"} <= set(given):
        return "--add_mo_arg=--scale and --add_mo_arg=--scale_values exclude each other"
    if args.dynamic and args.resize:
        return "--dynamic leaves the size open, --resize brings pictures to one: say one of them"
    if args.input_layout and "--layout" in given:
        return "--input_layout and --add_mo_arg=--layout exclude each other"
    return ""


def _print_summary(failed: Mapping[str, PosezooError], names: Sequence[str], style: str) -> int:
    """Which models failed, and of several why, once more; the exit code."""
    if style == "json":
        facts = [{"name": name, "reason": each.problem, "hint": each.hint} for name, each in failed.items()]
        done = [name for name in names if name not in failed]
        print(json.dumps({"$type": "conversion_end", "converted": done, "failed": facts}), flush=True)
    code = conventions.print_failures(list(failed), text=style == "text")
    if style == "text" and len(names) > 1:
        for name, error in failed.items():
            reason = error.problem.removeprefix(f"{name}: ")
            run_main.print_to_stderr(f"{conventions.ALARM} Failed: {name}: {reason}")
    return code


def _with_weights(
    command: argparse.ArgumentParser, args: argparse.Namespace, zoo: Zoo, selection: Selection
) -> tuple[Zoo, Selection]:
    if len(selection.models) != 1:
        command.error("--checkpoint goes with --name of one model")
    zoo, spec = zoo.with_checkpoint(args.checkpoint, selection.models[0], args.model_name or "")
    return zoo, replace(selection, models=(spec,), composites=())


class _ConversionJob:
    """One model, converted and told about."""

    def __init__(self, zoo: Zoo, args: argparse.Namespace, requested: frozenset[str], held: bool) -> None:
        self._zoo, self._args, self._asked, self._held = zoo, args, requested, held

    def __getstate__(self) -> dict[str, Any]:
        """What a process of its own opens the same zoo by."""
        zoo = self._zoo
        given = {"mo_python": zoo.ways.mo_python, "allow_upstream_code": zoo.ways.allow_upstream_code}
        how = {"download_dir": zoo.layout.download_dir, **given}
        return {"args": self._args, "asked": self._asked, "held": self._held, "zoo": (zoo.settings, how)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from posezoo.pipeline import open_zoo

        settings, how = state["zoo"]
        self.__init__(open_zoo(settings, **how), state["args"], state["asked"], state["held"])  # type: ignore[misc]

    def report_lost_process(
        self, spec: ModelSpec, error: PosezooError
    ) -> tuple[str, LineBuffer, PosezooError | None]:
        """What is told of a model whose process ended early."""

        paper = LineBuffer(buffered=self._held)
        named = ConversionError(f"{spec.full_name}: {error.problem}", hint=error.hint)
        self._listener(spec, paper).print_error(named)
        return spec.full_name, paper, named

    def _listener(self, spec: ModelSpec, paper: LineBuffer) -> TextReporter | JsonConversionReporter:
        from posezoo.cli.omz.event_output import JsonConversionReporter, TextReporter

        if self._args.progress_format == "json":
            return JsonConversionReporter(paper, spec)
        return TextReporter(paper, self._zoo.layout.model_download_dir(spec))

    def __call__(self, spec: ModelSpec, check: CancelCheck) -> tuple[str, LineBuffer, PosezooError | None]:
        from posezoo.spec.model import Precision
        from posezoo.workers.threads import cancellable

        paper = LineBuffer(buffered=self._held)
        lines = self._listener(spec, paper)
        requested = [precision for precision in (Precision.FP16, Precision.FP32) if precision in self._asked]
        try:
            if spec.is_ir:
                lines.start_step(f"Skipping {spec.full_name} (no conversions defined)\n")
            elif not requested:
                lines.start_step(
                    f"Skipping {spec.full_name} (no conversion makes {' or '.join(sorted(self._asked))})\n"
                )
            elif self._args.dry_run:
                self._plan(self._asked_for(spec), requested, lines)
            else:
                spec = self._asked_for(spec)
                self._zoo.convert(
                    spec,
                    requested,
                    force=self._args.force,
                    keep_onnx=self._args.keep_onnx,
                    listener=cancellable(lines, check),
                )
                if not self._args.no_card:
                    self._zoo.write_card(spec)
                if self._args.progress_format == "text":
                    paper.write_out()
        except PosezooError as error:
            lines.print_error(error)
            if self._args.progress_format == "text":
                paper.write_out()
            return spec.full_name, paper, error
        return spec.full_name, paper, None

    def _with_arguments(self, spec: ModelSpec) -> ModelSpec:
        return with_mo_arguments(spec, self._args.add_mo_arg, has_mo=self._zoo.ways.has_model_optimizer)

    def _asked_for(self, spec: ModelSpec) -> ModelSpec:
        spec = flags.with_camera_input_flags(self._with_arguments(spec), self._args)
        if not self._args.dynamic:
            return spec
        from posezoo.convert.custom_weights import with_dynamic_shape

        return with_dynamic_shape(spec)

    def _plan(
        self, spec: ModelSpec, requested: Sequence[Precision], lines: TextReporter | JsonConversionReporter
    ) -> None:
        plan = self._zoo.plan_conversion(spec, requested, force=self._args.force)
        for step in plan.steps:
            if step.is_up_to_date:
                lines.start_step(f"(DRY RUN) Keeping {spec.full_name} ({step.precision}): it is up to date\n")
            else:
                lines.start_step(f"(DRY RUN) Converting {spec.full_name} to IR ({step.precision})")
                lines.print_line(f"since {step.reason}: {step.xml}\n")
        if plan.obstacle is not None:
            lines.warn(plan.obstacle)


def with_mo_arguments(spec: ModelSpec, arguments: Sequence[str], *, has_mo: bool = False) -> ModelSpec:
    """The model with what further arguments of Model Optimizer say of its inputs and outputs.

    Args:
        spec: the model.
        arguments: as --add_mo_arg gives them.
        has_mo: whether a Model Optimizer is at hand, which then converts what has arguments unknown here.

    Raises:
        PosezooError: an argument is none, does not go with the model, or nobody carries it out.
    """
    requested = [text for text in arguments if text.partition("=")[0] not in _IDLE]
    if not requested:
        return spec
    from posezoo.spec.mo_args import OTHER_ORIGINALS, TYPED
    from posezoo.spec.supported_mo_args import CARRIED_OUT

    known = {*TYPED, *filter(None, TYPED.values()), *CARRIED_OUT} - {*_SAID_ELSEWHERE, *OTHER_ORIGINALS}
    for text in requested:
        flag = text.partition("=")[0]
        if not flag.startswith("-"):
            continue  # the value of the one before, as in --add_mo_arg=--input --add_mo_arg=data
        if flag in _SAID_ELSEWHERE:
            raise PosezooError(f"--add_mo_arg={text}: is not said so", hint=_SAID_ELSEWHERE[flag])
        if flag not in known and not has_mo:
            raise PosezooError(
                f"--add_mo_arg={text}: posezoo does not carry this out",
                hint=suggest(flag, known)
                or f"it does: {', '.join(sorted(known))}; --mo PATH takes any other",
            )
    said = _read(requested, spec)
    outputs = said.outputs or spec.outputs
    if [port.shape for port in said.inputs] != [port.shape for port in spec.inputs]:
        outputs = tuple(replace(port, shape=()) for port in outputs)  # what they are now, nobody declared
    return replace(spec, inputs=said.inputs, outputs=outputs, mo_args=(*spec.mo_args, *said.kept))


def _read(requested: Sequence[str], spec: ModelSpec) -> MoArguments:
    """The meaning of further arguments; what is wrong with one is told of it, not of a place in a file."""
    from posezoo.spec.mo_args import read_arguments
    from posezoo.spec.yaml_nodes import parse_yaml

    try:
        return read_arguments(parse_yaml(json.dumps(requested).encode(), "--add_mo_arg"), spec.inputs)
    except SpecError as error:
        number = error.field.strip("[]")
        if not number.isdecimal():
            raise
        where = f"{error.file}:{error.line}:{error.column}: {error.field}: "
        wrong = escape_control_characters(requested[int(number)])
        problem = f"--add_mo_arg={wrong}: {error.problem.removeprefix(where)}"
        raise PosezooError(problem, hint=error.hint) from error


if __name__ == "__main__":
    sys.exit(main())
