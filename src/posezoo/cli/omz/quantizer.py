"""quantizer.py, omz_quantizer: quantize FP32 IR to INT8, with Open Model Zoo's flags and output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.omz import conventions
from posezoo.cli.verbs.quantize import quantization_flags, require_dataset_dir
from posezoo.registry import open_registry
from posezoo.settings import to_settings
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from posezoo.cli.omz.event_output import TextReporter
    from posezoo.pipeline.zoo_context import Context
    from posezoo.spec.model import ModelSpec
    from posezoo.workers.threads import CancelCheck

#: The differences from Open Model Zoo, by flag, for the README of tools/downloader.
DIFFERENCES = {
    "--name": "as in 2021.4, the last release with this command, which quantized no pose model",
    "--models_dir": "new: Open Model Zoo reads only its own folder",
    "--model_dir": "FP16-INT8 is also made from the FP32 IR: no FP16 IR is needed",
    "--dataset_dir": "any folder of photos, without annotations: one of three photos is not used for "
    "calibration, but for a comparison with FP32; if keypoints or boxes are too far apart, no IR is written",
    "--output_dir": "a card (README.md, card.json) and provenance.json are written beside an IR; an IR that "
    "is up to date is kept",
    "--target_device": "the names of NNCF; 2021.4 had CPU, GPU, VPU and others",
    "--dry_run": "prints the plan that a real run carries out",
    "--python": "is accepted, but not needed: no other Python is started",
    "--pot": "is accepted, but not needed: OpenVINO 2024.0 removed the Post-training Optimization Toolkit; "
    "its successor NNCF works in this process",
    "--force": "new",
    "--lock": "new",
    "--locked": "new",
    "--print_all": "prints the parts of composites, as 2021.4 did (the newest release prints composites)",
}


FLAGS: tuple[Flag | str, ...] = (
    *quantization_flags("the working folder"),
    *flags.LOCK,
    Flag(
        "--precisions PREC[,PREC...]",
        "quantize to these only; FP16-INT8 and FP32-INT8 are what a quantization makes",
    ),
    Flag("-p, --python PYTHON", "not needed: no other Python is started"),
    Flag("--pot POT", "not needed: NNCF works in this process"),
    Flag("--dry_run", "print what would be done; touch nothing"),
    Flag("--dry-run", argparse.SUPPRESS, dest="dry_run"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return conventions.run_command(create_parser(), argv, _run)


def create_parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    return conventions.create_omz_parser(
        "quantizer.py", "Quantize converted models to INT8.", "quantize", *FLAGS
    )


def _run(args: argparse.Namespace) -> int:
    settings = to_settings(conventions.omz_settings_from_args(args))
    registry = open_registry(settings.models_dir)
    require_dataset_dir(args)
    selection = conventions.select_omz_models(registry, args)
    requested = conventions.precisions_from_args(args)
    for flag in ("python", "pot"):
        if getattr(args, flag) is not None:
            conventions.LineBuffer().warn(f"--{flag} {DIFFERENCES[f'--{flag}']}")
    from posezoo.cli.omz.event_output import TextReporter
    from posezoo.pipeline.for_each import for_each
    from posezoo.pipeline.zoo_context import open_context

    model_dir = args.model_dir or Path.cwd()
    context = open_context(replace(settings, output_dir=model_dir), download_dir=model_dir)
    failed, output = conventions.names_of_unreadable(selection), conventions.LineBuffer()

    def quantize(spec: ModelSpec, _check: CancelCheck) -> None:
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
    from posezoo.pipeline.int8_models import explain_unsupported_int8, plan_int8, quantize_model
    from posezoo.quantize.quantization_plan import QuantizationOptions

    precisions = tuple(each for each in (Precision.FP16_INT8, Precision.FP32_INT8) if each in requested)
    if reason := explain_unsupported_int8(spec, context):
        lines.start_step(f"Skipping {spec.full_name} (quantization not supported)")
        lines.print_line(f"{reason.removeprefix('quantization not supported: ')}\n")
        return
    if not precisions:
        names = " or ".join(sorted(requested))
        lines.start_step(f"Skipping {spec.full_name} (no quantization makes {names})\n")
        return
    options = QuantizationOptions(precisions, args.target_device, args.force)
    if args.dry_run:
        folder, output_dir = args.dataset_dir, args.output_dir
        for ir in plan_int8(spec, context, folder, options, output_dir=output_dir).irs:
            if ir.is_up_to_date:
                lines.start_step(f"(DRY RUN) Keeping {spec.full_name} ({ir.precision}): it is up to date\n")
            else:
                lines.start_step(f"(DRY RUN) Quantizing {spec.full_name} from FP32 to {ir.precision}")
                lines.print_line(f"since {ir.reason}: {ir.xml}\n")
        return
    quantize_model(
        spec,
        context,
        args.dataset_dir,
        options,
        output_dir=args.output_dir,
        listener=lines,
    )
    write_model_card(spec, context, args.output_dir)
    lines.print_line("")


if __name__ == "__main__":
    sys.exit(main())
