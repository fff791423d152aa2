"""quantizer.py, omz_quantizer: quantize FP32 IR to INT8, with Open Model Zoo's flags and output.

Without photos, INT8 is made with a model.yml's ranges, as by ``posezoo convert``, from
``--model_dir``.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.run_main import RESUMES
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.errors import QuantizationError
from posezoo.core.events import ConversionStarted, Event, Listener
from posezoo.core.ir.provenance import ranges_key
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.omz.commands import conventions
from posezoo.omz.commands.event_output import TextReporter, print_planned_ir
from posezoo.quantize.verbs.quantization_flags import (
    FORCE,
    PHOTOS,
    QuantizationArgs,
    require_dataset_dir,
)

if TYPE_CHECKING:
    from posezoo.quantize.quantization_plan import QuantizationPlan

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
        "folder of the FP32 IR, and of the FP16 IR of the detector that finds the people for a"
        " network of one person, such as nanodet-g (default: the working folder)",
    ),
    conventions.output_dir_flag("folder of the INT8 IR", "beside the FP32 IR"),
    Flag("--dataset_dir DIR", PHOTOS),
    Flag(
        "--target_device",
        "the device that the INT8 IR are optimized for (default: ANY)",
        # The name that Open Model Zoo's quantizer took.
        lambda name: "NPU" if name == "VPU" else name,
        choices=("ANY", "CPU", "GPU", "NPU", "CPU_SPR"),
        default="ANY",
    ),
    FORCE,
    flags.LOCK,
    Flag(
        "--precisions PREC[,PREC...]",
        "precisions of the INT8 IR: FP16-INT8, FP32-INT8 (default: both)",
    ),
    Flag("-p, --python PYTHON", "not needed: no other Python is started", Path),
    Flag("--pot POT", "not needed: NNCF works in this process"),
    Flag("--dry_run", "print what would be done; change nothing", former="--dry-run"),
)


class _QuantizerArgs(conventions.PrecisionsArgs, QuantizationArgs):
    model_dir: Path | None
    output_dir: Path | None
    pot: str | None
    target_device: str


def _run(args: _QuantizerArgs) -> int:
    settings, selection = conventions.select_omz_models(args)
    with_ranges = [
        spec for spec in selection.models if ranges_key(spec, Precision.FP16_INT8) is not None
    ]
    uses_ranges = args.dataset_dir is None and with_ranges == list(selection.models)
    dataset_dir = None if uses_ranges else require_dataset_dir(args, "--dataset_dir")
    requested = conventions.precisions_from_args(args)
    output = conventions.LineBuffer()
    for flag, value in (("python", args.python), ("pot", args.pot)):
        if value is not None:
            output.warn(f"--{flag} {UNUSED_FLAGS[flag]}")
    from posezoo.core.pipeline.for_each import for_each

    model_dir = args.model_dir or Path.cwd()
    context = open_context(replace(settings, weights_dir=model_dir), download_dir=model_dir)
    task = _ReportedQuantization(context, requested, dataset_dir, args)
    failed = conventions.names_of_unreadable(selection)
    for outcome in for_each(selection.models, task):
        if outcome.error:
            if isinstance(outcome.error, QuantizationError) and outcome.error.needed:
                outcome.error.hint = _how_to_make(outcome.error.needed, model_dir, args)
            output.print_error(outcome.error)
            output.write_out()
            failed.append(outcome.item.full_name)
    return conventions.print_failures(failed)


def _how_to_make(name: str, folder: Path, args: _QuantizerArgs) -> str:
    registry = flags.registry_arguments(args)
    download = ["downloader.py", "--name", name, "-o", f"{folder}", *registry]
    convert = ["converter.py", "--name", name, "-d", f"{folder}", *registry]
    return f"{shlex.join(download)}, then {shlex.join(convert)}"


@frozen
class _ReportedQuantization:
    context: Context
    requested: frozenset[str]  # the precisions
    dataset_dir: Path | None  # None: the models have ranges, and need no photos
    args: _QuantizerArgs

    def __call__(self, spec: ModelSpec, _listener: Listener) -> None:
        from posezoo.core.pipeline.get import write_sidecars
        from posezoo.quantize.quantization import quantize

        folder = self.context.layout.model_download_dir(spec)
        lines = TextReporter(conventions.LineBuffer(), folder)
        if self.dataset_dir is None:
            self._apply_ranges(spec, lines)
            return
        plan = self._plan(spec, self.dataset_dir, lines)
        if plan is None:
            return
        if self.args.dry_run:
            for ir in plan.irs:
                heading = f"Quantizing {spec.full_name} from FP32 to {ir.precision}"
                print_planned_ir(lines, spec.full_name, ir, heading)
            return
        quantize(plan, listener=lines)
        write_sidecars(spec, self.context.with_output_dir(self.args.output_dir), lines)
        lines.print_line("")

    def _apply_ranges(self, spec: ModelSpec, lines: TextReporter) -> None:
        from posezoo.cli.conversion_task import ConversionTask
        from posezoo.core.convert.conversion_plan import ConversionOptions

        int8 = Precision.FP16_INT8
        if int8 not in self.requested:
            names = " or ".join(sorted(self.requested))
            reason = f"without --dataset_dir, no quantization makes {names}"
            lines.start_step(f"Skipping {spec.full_name} ({reason})\n")
            return
        context = self.context.with_output_dir(self.args.output_dir)
        options = ConversionOptions(force=self.args.force)
        task = ConversionTask(context, [int8], options, downloads=False)
        heading = f"Quantizing {spec.full_name} from FP32 to {int8}"
        if self.args.dry_run:
            for ir in task.plan(spec).irs:
                print_planned_ir(lines, spec.full_name, ir, heading)
            return

        def report(event: Event) -> None:
            if isinstance(event, ConversionStarted):
                lines.start_step(heading)
            else:
                lines(event)

        task(spec, report)
        lines.print_line("")

    def _plan(
        self, spec: ModelSpec, dataset_dir: Path, lines: TextReporter
    ) -> QuantizationPlan | None:
        from posezoo.quantize.int8_models import plan_int8
        from posezoo.quantize.quantization_plan import QuantizationOptions, explain_unsupported

        reason = explain_unsupported(spec, self.context.registry)
        if reason:
            lines.start_step(f"Skipping {spec.full_name} (quantization not supported)")
            lines.print_line(f"{reason.removeprefix('quantization not supported: ')}\n")
            return None
        int8 = (Precision.FP16_INT8, Precision.FP32_INT8)
        precisions = tuple(precision for precision in int8 if precision in self.requested)
        if not precisions:
            names = " or ".join(sorted(self.requested))
            lines.start_step(f"Skipping {spec.full_name} (no quantization makes {names})\n")
            return None
        args = self.args
        options = QuantizationOptions(precisions, args.target_device, args.force)
        return plan_int8(spec, self.context, dataset_dir, options, output_dir=args.output_dir)


COMMAND = conventions.OmzCommand(
    "quantizer.py",
    "Quantize converted models to INT8.",
    "quantize",
    _run,
    own_flags=FLAGS,
    after_interrupt=RESUMES,
)
main = COMMAND.main
