"""quantizer.py, omz_quantizer: quantize FP32 IR to INT8, with Open Model Zoo's flags and output."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.omz import conventions
from posezoo.cli.omz.event_output import TextReporter, print_planned_ir
from posezoo.cli.quantization_flags import QUANTIZATION_FLAGS, require_dataset_dir
from posezoo.settings import to_settings
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from posezoo.events import Listener
    from posezoo.pipeline.zoo_context import Context
    from posezoo.spec.model import ModelSpec

#: Flags that old scripts give, and why they have no effect.
UNUSED_FLAGS = {
    "python": "is accepted, but not needed: no other Python is started",
    "pot": (
        "is accepted, but not needed: OpenVINO 2024.0 removed the Post-training Optimization"
        " Toolkit; its successor NNCF works in this process"
    ),
}

FLAGS: tuple[Flag | str, ...] = (
    Flag(
        "--model_dir DIR",
        "folder of the FP32 IR (default: the working folder)",
        flags.folder_or_store,
    ),
    conventions.output_dir_flag("folder of the INT8 IR", "beside the FP32 IR"),
    *QUANTIZATION_FLAGS,
    flags.LOCK,
    Flag(
        "--precisions PREC[,PREC...]",
        "precisions of the INT8 IR: FP16-INT8, FP32-INT8 (default: both)",
    ),
    Flag("-p, --python PYTHON", "not needed: no other Python is started"),
    Flag("--pot POT", "not needed: NNCF works in this process"),
    Flag("--dry_run", "print what would be done; change nothing"),
    Flag("--dry-run", argparse.SUPPRESS, dest="dry_run"),
)


def _run(args: argparse.Namespace) -> int:
    settings = to_settings(conventions.omz_settings_from_args(args))
    require_dataset_dir(args)
    settings, selection = conventions.select_omz_models(args, settings)
    requested = conventions.precisions_from_args(args)
    for flag, value in {"python": args.python, "pot": args.pot}.items():
        if value is not None:
            reason = UNUSED_FLAGS[flag]
            conventions.LineBuffer().warn(f"--{flag} {reason}")
    from posezoo.pipeline.for_each import for_each
    from posezoo.pipeline.zoo_context import open_context

    model_dir = args.model_dir or Path.cwd()
    context = open_context(replace(settings, weights_dir=model_dir), download_dir=model_dir)
    failed, output = conventions.names_of_unreadable(selection), conventions.LineBuffer()

    def quantize(spec: ModelSpec, _listener: Listener) -> None:
        lines = TextReporter(output, context.layout.model_download_dir(spec))
        _quantize(spec, context, args, requested, lines)

    for outcome in for_each(selection.models, quantize):
        if outcome.error is not None:
            output.print_error(outcome.error)
            output.write_out()
            failed.append(outcome.item.full_name)
    return conventions.print_failures(failed)


def _quantize(
    spec: ModelSpec,
    context: Context,
    args: argparse.Namespace,
    requested: frozenset[str],
    lines: TextReporter,
) -> None:
    from posezoo.pipeline.get import write_model_card
    from posezoo.pipeline.int8_models import explain_unsupported_int8, plan_int8
    from posezoo.quantize.quantization import quantize
    from posezoo.quantize.quantization_plan import QuantizationOptions

    precisions = tuple(
        each for each in (Precision.FP16_INT8, Precision.FP32_INT8) if each in requested
    )
    if reason := explain_unsupported_int8(spec, context):
        lines.start_step(f"Skipping {spec.full_name} (quantization not supported)")
        lines.print_line(f"{reason.removeprefix('quantization not supported: ')}\n")
        return
    if not precisions:
        names = " or ".join(sorted(requested))
        lines.start_step(f"Skipping {spec.full_name} (no quantization makes {names})\n")
        return
    options = QuantizationOptions(precisions, args.target_device, args.force)
    plan = plan_int8(spec, context, args.dataset_dir, options, output_dir=args.output_dir)
    if args.dry_run:
        for ir in plan.irs:
            heading = f"Quantizing {spec.full_name} from FP32 to {ir.precision}"
            print_planned_ir(lines, spec.full_name, ir, heading)
        return
    quantize(plan, listener=lines)
    write_model_card(spec, context, args.output_dir)
    lines.print_line("")


COMMAND = conventions.OmzCommand(
    "quantizer.py", "Quantize converted models to INT8.", "quantize", _run, FLAGS
)
create_parser, main = COMMAND.create_parser, COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
