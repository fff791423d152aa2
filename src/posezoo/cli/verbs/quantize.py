"""posezoo quantize: quantize FP32 IR to INT8, and compare both on photos."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.cli.model_jobs import Answer
from posezoo.cli.quantization_flags import QUANTIZATION_FLAGS, require_dataset_dir
from posezoo.cli.selection import select_models
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from posezoo.console import Console
    from posezoo.events import Listener
    from posezoo.pipeline.plan import Plan
    from posezoo.quantize.displacement import KeypointDisplacement
    from posezoo.quantize.quantization_plan import QuantizationOptions, QuantizationPlan
    from posezoo.registry import Selection
    from posezoo.resolve.stage_context import Context
    from posezoo.spec.model import ModelSpec

EXAMPLES = """
posezoo quantize person-detection-retail-0013 --dataset_dir photos --output int8
posezoo quantize blazepose-full --dataset_dir photos --precisions FP16-INT8,FP32-INT8
posezoo quantize tf-pose-mobilenet-v2-small --dataset_dir photos --layers
posezoo quantize person-detection-retail-0013 --dataset_dir photos --measure_only
posezoo quantize --all --dataset_dir photos --dry_run
"""

FLAGS = (
    flags.MODELS,
    *QUANTIZATION_FLAGS,
    flags.output_flag("folder of the INT8 IR", "beside the FP32 IR", type=flags.folder_or_store),
    flags.weights_dir_flag("folder of the FP32 IR", former="--model_dir"),
    Flag(
        "--precisions P[,P]",
        "FP16-INT8, FP32-INT8: layers that stay in floating point are stored as FP16 or FP32"
        " (default: FP16-INT8)",
        default=(Precision.FP16_INT8,),
    ),
    Flag(
        "--annotations FILE",
        "the people in the photos, as a file in COCO's format: also report the AP of FP32 and INT8,"
        " on the photos that are not used for calibration",
    ),
    Flag(
        "--max_drop D",
        "with --annotations: the largest allowed drop of AP, such as 0.01; more layers stay in"
        " floating point until the drop is small enough",
        flags.parse_fraction,
    ),
    Flag("--report FILE", "write the measurements as JSON, for posezoo record"),
    Flag(
        "--layers",
        "show the layers with the most quantization noise, even if the result is accepted",
    ),
    Flag(
        "--measure_only",
        "quantize nothing: compare existing INT8 IR, converted here or published, with FP32",
    ),
    (
        f"{flags.CACHE} {flags.TRUST} {flags.CONVERTERS} {flags.REGISTRY} {flags.CLUSTER} dry_run"
        f" {flags.FORMAT}"
    ),
)


def run(args: argparse.Namespace) -> int:
    """Quantize, and print the paths of the IR."""
    require_dataset_dir(args)
    if args.max_drop is not None and args.annotations is None:
        args.parser.error("--max_drop requires --annotations")
    import json

    from posezoo.files.verified_files import write_atomically
    from posezoo.quantize.quantization_plan import QuantizationOptions

    context = flags.context_from_args(args)
    options = QuantizationOptions(
        args.precisions,
        args.target_device,
        args.force,
        args.layers,
        annotations=args.annotations,
        max_drop=args.max_drop,
    )
    photo = next(filter(Path.is_file, args.dataset_dir.glob("*")), None)
    work = _QuantizationTask(
        context,
        options,
        args.dataset_dir,
        args.output,
        measures_only=args.measure_only,
        is_dry_run=args.dry_run,
    )
    with flags.console_from_args(args) as console:
        selection = select_models(context.registry, flags.patterns_from_args(args), console)
        if args.all:
            selection = _without_unsupported(selection, context, console)
        report = model_jobs.run_for_each(
            selection,
            work,
            console,
            skip_unpinned=args.all,
            executor=flags.executor_from_args(args, context, args.output, photo),
        )
    measurements = [row for _, answer in report.answers for row in answer.measurements]
    if args.report is not None and not args.dry_run:
        write_atomically(args.report, json.dumps(measurements, indent=2).encode() + b"\n")
    return report.print(args.format)


def _without_unsupported(selection: Selection, context: Context, console: Console) -> Selection:
    """The selection without the models that cannot be quantized; a line says why."""
    from posezoo.pipeline.int8_models import explain_unsupported_int8

    quantizable = []
    for spec in selection.models:
        reason = explain_unsupported_int8(spec, context)
        if reason:
            console.print_line(f"Skipping {spec.full_name} ({reason})")
        else:
            quantizable.append(spec)
    return replace(selection, models=tuple(quantizable))


@dataclass(frozen=True, slots=True)
class _QuantizationTask:
    """Quantizes a model, or only compares its INT8 IR; it is pickled for other processes."""

    context: Context
    options: QuantizationOptions
    dataset_dir: Path
    output_dir: Path | None
    measures_only: bool
    is_dry_run: bool

    def __call__(self, spec: ModelSpec, listener: Listener) -> Answer:
        from posezoo.pipeline import int8_models
        from posezoo.pipeline.get import get, write_model_card
        from posezoo.quantize.quantization import to_measurements

        required = int8_models.plan_required_irs(
            spec, self.context, self.dataset_dir, is_dry_run=self.is_dry_run
        )
        if self.is_dry_run:
            return Answer(plan=self._plan_lines(spec, required))
        for due in required:
            get(due.resolved, self.context, listener=listener)
        if self.measures_only:
            return self._compare(spec, listener)
        plan = self._plan_int8(spec)
        quantized = int8_models.make_int8(plan, listener=listener)
        write_model_card(spec, self.context, self.output_dir)
        facts = _shifts(quantized.displacements) if quantized.displacements else {}
        return Answer(irs=quantized.irs, facts=facts, measurements=list(to_measurements(quantized)))

    def _plan_int8(self, spec: ModelSpec) -> QuantizationPlan:
        from posezoo.pipeline import int8_models

        return int8_models.plan_int8(
            spec, self.context, self.dataset_dir, self.options, output_dir=self.output_dir
        )

    def _plan_lines(self, spec: ModelSpec, required: Sequence[Plan]) -> list[str]:
        if not required:
            irs = self._plan_int8(spec).irs
            return [model_jobs.format_planned_ir(ir, f"quantize to {ir.precision}") for ir in irs]
        lines = []
        for plan in required:
            name = plan.resolved.spec.full_name
            lines += [f"{name}: {line}" for line in model_jobs.format_plan(plan)]
        return [*lines, f"would then quantize to {' and '.join(self.options.precisions)}"]

    def _compare(self, spec: ModelSpec, listener: Listener) -> Answer:
        """Compare the existing INT8 IR with FP32."""
        from posezoo.pipeline.int8_models import compare_ir_with_fp32

        irs = {}
        displacements = {}
        for precision in self.options.precisions:
            irs[precision], displacements[precision] = compare_ir_with_fp32(
                spec,
                self.context,
                self.dataset_dir,
                precision,
                output_dir=self.output_dir,
                listener=listener,
            )
        return Answer(irs=irs, facts=_shifts(displacements))


def _shifts(displacements: Mapping[Precision, KeypointDisplacement]) -> dict[str, Any]:
    return {"shifts": {name.value: each.to_json() for name, each in displacements.items()}}
