"""posezoo convert: published files to OpenVINO IR, proven by a self-check."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.plan_text import format_plan
from posezoo.cli.report import Console
from posezoo.cli.selection import select_models
from posezoo.events import Listener

if TYPE_CHECKING:
    from posezoo.pipeline import Zoo
    from posezoo.registry import Selection
    from posezoo.spec.model import ModelSpec, Precision

EXAMPLES = """
posezoo convert blazepose-full
posezoo convert --all --precisions FP16 --download_dir models --output_dir ir
posezoo convert blazepose-full --dry_run
posezoo convert --network higher_hrnet --checkpoint mine.pth --model_name mine
posezoo convert blazepose-full --input_type u8 --input_layout NHWC --resize --output_dir frames
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(verbs, "convert", "convert downloaded models to OpenVINO IR", EXAMPLES)
    flags.add_model_flags(parser)
    flags.add_flags(parser, *flags.CHECKPOINT)
    parser.add_argument(
        "--network",
        metavar="NETWORK",
        help="with --checkpoint, in place of a model: the network of ours that the weights are for",
    )
    flags.add_download_dir_flag(parser, "the output folder")
    flags.add_flags(parser, "output_dir", *flags.LOCK, *flags.CONVERSION)
    parser.add_argument("--onnx_only", action="store_true", help="write the ONNX of a network of ours, no IR")
    flags.add_flags(parser, *flags.CAMERA_INPUT, "force", "models_dir", "dry_run")
    flags.add_format_flags(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Convert, and print the paths of the IR."""
    _refuse_odd_flags(args)
    flags.require_model_optimizer(args)
    from posezoo.pipeline import open_zoo

    zoo = open_zoo(
        flags.settings_from_args(args),
        download_dir=args.download_dir,
        allow_upstream_code=args.allow_upstream_code,
    )
    selection = None
    if args.checkpoint is not None:
        zoo, selection = _with_weights(args, zoo)

    def make(spec: ModelSpec, listener: Listener) -> Mapping[Precision, Path]:
        return zoo.convert(
            spec,
            args.precisions,
            force=args.force,
            keep_onnx=args.keep_onnx,
            listener=listener,
        )

    def plan(spec: ModelSpec) -> Sequence[str]:
        return format_plan(conversion=zoo.plan_conversion(spec, args.precisions, force=args.force))

    if args.onnx_only:
        return _export(args, zoo, selection)
    return convert_selected(args, zoo, make, plan, selection, lambda spec: _with_flags(spec, args))


def convert_selected(
    args: argparse.Namespace,
    zoo: Zoo,
    make: Callable[[ModelSpec, Listener], Mapping[Precision, Path]],
    plan: Callable[[ModelSpec], Sequence[str]],
    selection: Selection | None = None,
    sized: Callable[[ModelSpec], ModelSpec] = lambda spec: spec,
) -> int:
    """Make the IR and the card of each selected model, or show the plan; print the paths of the IR."""

    def work(spec: ModelSpec) -> dict[str, object]:
        spec = sized(spec)
        if args.dry_run:
            return {"plan": plan(spec)}
        irs = make(spec, console)
        zoo.write_card(spec)
        return {"irs": {precision.value: str(path) for precision, path in irs.items()}}

    with Console(quiet=args.quiet) as console:
        selection = selection or select_models(zoo.registry, flags.patterns_from_args(args), console)
        report = model_jobs.run_for_each(selection, work, console, skip_unpinned=args.all)
        failed = {failure["name"] for failure in report.failures}
        for composite in () if args.dry_run else selection.composites:
            if not failed & set(composite.stages):
                zoo.write_card(composite)
    report.print(args.format)
    return report.exit_code


def _export(args: argparse.Namespace, zoo: Zoo, selection: Selection | None) -> int:
    def work(spec: ModelSpec) -> dict[str, object]:
        sized = _with_flags(spec, args)
        if args.dry_run:
            return {"plan": _export_in_words(zoo, sized, force=args.force)}
        return {"files": [str(zoo.export_onnx(sized, force=args.force))]}

    with Console(quiet=args.quiet) as console:
        selection = selection or select_models(zoo.registry, flags.patterns_from_args(args), console)
        report = model_jobs.run_for_each(selection, work, console)
    report.print(args.format)
    return report.exit_code


def _export_in_words(zoo: Zoo, spec: ModelSpec, *, force: bool) -> Sequence[str]:
    zoo.require_network(spec)
    obstacle = zoo.plan_conversion(spec, spec.precisions, force=force).obstacle
    lines = [f"would write {zoo.layout.onnx_path(spec)}"]
    return lines if obstacle is None else [*lines, f"but cannot: {obstacle.problem}"]


def _with_flags(spec: ModelSpec, args: argparse.Namespace) -> ModelSpec:
    spec = flags.with_camera_input_flags(spec, args)
    if not args.dynamic:
        return spec
    from posezoo.convert.custom_weights import with_dynamic_shape

    return with_dynamic_shape(spec)


def _refuse_odd_flags(args: argparse.Namespace) -> None:
    """Wrong usage ends with 2."""
    if args.dynamic and args.resize:
        args.parser.error("--dynamic leaves the size open, --resize brings pictures to one: say one of them")
    if args.checkpoint is None:
        for flag in ("network", "model_name"):
            if getattr(args, flag) is not None:
                args.parser.error(f"--{flag} goes with --checkpoint")
    elif args.all or len(args.models) != (args.network is None):
        args.parser.error("--checkpoint goes with one model, or with --network and no model")


def _with_weights(args: argparse.Namespace, zoo: Zoo) -> tuple[Zoo, Selection]:
    from posezoo.registry import Selection

    model = args.network or flags.require_single_model(zoo.registry, args.models[0])
    zoo, spec = zoo.with_checkpoint(args.checkpoint, model, args.model_name or "")
    return zoo, Selection((spec,), (), ())
