"""posezoo quantize: quantize FP32 IR to INT8, and compare both on photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.console.job_report import Answer, format_planned_ir
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.declarations.model_files import find_network, is_network_file
from posezoo.core.errors import require_packages, shell_word
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.registry import Selection
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.quantize.verbs.quantization_flags import (
    FORCE,
    PHOTOS,
    QuantizationArgs,
    require_dataset_dir,
)
from posezoo.run.verbs.run_flags import select_subjects, statement_from_args

if TYPE_CHECKING:
    from posezoo.console.console import Console
    from posezoo.core.pipeline.plan import Plan
    from posezoo.quantize.displacement import KeypointDisplacement
    from posezoo.quantize.quantization import Quantized
    from posezoo.quantize.quantization_plan import (
        QuantizationOptions,
        QuantizationPlan,
    )

EXAMPLES = """
posezoo quantize person-detection-retail-0013 --images photos --output int8
posezoo quantize blazepose-full --images photos --precisions FP16-INT8,FP32-INT8
posezoo quantize tf-pose-mobilenet-v2-small --images photos --verbose
posezoo quantize person-detection-retail-0013 --images photos --measure_only
posezoo quantize --all --images photos --dry_run
posezoo quantize mine.xml --images coco --metric ap --max_drop 0.5 --as rtmo-s
"""


FLAGS = (
    Flag(
        "models MODEL|XML",
        "a name or a case-sensitive glob, as NAME@TAG for a variant; or the .xml of an FP32 IR of"
        " your own",
        nargs="*",
    ),
    "all",
    Flag("--images DIR", PHOTOS, former="--dataset_dir", dest="dataset_dir"),
    FORCE,
    flags.output_flag("folder of the INT8 IR", "beside the FP32 IR"),
    flags.weights_dir_flag("folder of the FP32 IR", former="--model_dir"),
    Flag(
        "--precisions P[,P]",
        "FP16-INT8, FP32-INT8: layers that stay in floating point are stored as FP16 or FP32"
        " (default: FP16-INT8)",
        default=(Precision.FP16_INT8,),
    ),
    Flag(
        "--annotations FILE",
        "annotations of the photos, in COCO's format, or a list of images and classes: also"
        " report the accuracy of FP32 and INT8, on the photos that are not used for calibration",
    ),
    Flag(
        "--metric",
        "report the accuracy, with the annotations in the folder of the photos: AP of keypoints,"
        " mAP of boxes (a file of annotations in COCO's format), or top1 of classes (a folder for"
        " each class)",
        choices=("ap", "map", "top1"),
    ),
    Flag(
        "--max_drop D",
        "with --annotations or --metric: the largest allowed drop of the accuracy, in points: 0.5"
        " allows AP 0.605 after 0.610. More layers stay in floating point until the drop is small"
        " enough; if it never is, the best IR is still written, and the exit code is 1",
        flags.number(0, 100),
        needs="annotations metric",
    ),
    "record",
    Flag(
        "-v, --verbose",
        "show each comparison of an IR with its original, and the layers with the most quantization"
        " noise, even if the result is accepted",
    ),
    Flag(
        "--measure_only",
        "quantize nothing: compare existing INT8 IR, converted here or published, with FP32",
        excludes="record annotations metric max_drop height decoder_options",
    ),
    (
        f"{flags.PIPELINE} {flags.INFERENCE} {flags.CACHE} {flags.TRUST}"
        f" {flags.CONVERTER_LIMITS} {flags.REGISTRY} {flags.CLUSTER} dry_run {flags.FORMAT}"
    ),
)


class _QuantizeArgs(flags.ConversionArgs, flags.PipelineArgs, QuantizationArgs):
    output: Path | None
    annotations: Path | None
    metric: str | None
    max_drop: float | None
    record: bool
    measure_only: bool


def run(args: _QuantizeArgs) -> int:
    """Quantize, and print the paths of the IR."""
    dataset_dir = require_dataset_dir(args, "--images")
    _refuse_invalid_flags(args)
    _require_packages(args)

    from posezoo.run.runtime.runtime_config import require_device

    context = flags.context_from_args(args)
    require_device(context.settings.device)
    options = _options_from_args(args, context)
    photo = next(filter(Path.is_file, dataset_dir.glob("*")), None)
    with flags.console_from_args(args) as console:
        selection = _select(args, context, options, console)
        work = _QuantizationTask(
            context,
            options,
            dataset_dir,
            args.output,
            measures_only=args.measure_only,
            is_dry_run=args.dry_run,
            records=args.record,
        )
        report = model_jobs.run_for_each(
            selection,
            work,
            console,
            skip_unpinned=args.all,
            executor=flags.executor_from_args(args, context, args.output, photo),
        )
    misses_limit = any("missed" in answer.facts for _, answer in report.answers)
    return report.print(args.format) or int(misses_limit)


def _refuse_invalid_flags(args: _QuantizeArgs) -> None:
    args.models = [*map(find_network, args.models)]
    files = list(filter(is_network_file, args.models))
    xmls = [name for name in files if name.endswith(".xml")]
    for name in files:
        if name not in xmls:
            args.parser.error(f"{name}: is no IR; posezoo convert {shell_word(name)} makes one")
    if xmls and xmls != args.models:
        args.parser.error("name either .xml files, or models")


def _require_packages(args: _QuantizeArgs) -> None:
    if args.dry_run:
        return
    needed = {"openvino": "run", "cv2": "run"}
    if not args.measure_only:
        needed["nncf"] = "quantize"
    is_coco = args.annotations is not None and args.annotations.suffix == ".json"
    if args.metric in ("ap", "map") or (args.metric is None and is_coco):
        needed["faster_coco_eval"] = "run"
    require_packages(needed)


def _options_from_args(args: _QuantizeArgs, context: Context) -> QuantizationOptions:
    from posezoo.quantize.quantization_plan import QuantizationOptions
    from posezoo.run.load import default_runtime

    return QuantizationOptions(
        args.precisions,
        force=args.force,
        compare_layers=args.verbose,
        annotations=args.annotations,
        max_drop=None if args.max_drop is None else args.max_drop / 100,
        metric=args.metric or "",
        # Networks that are only measured are not kept.
        runtime=replace(default_runtime(context.settings), cache_dir=None),
        said=statement_from_args(args),
    )


def _select(
    args: _QuantizeArgs, context: Context, options: QuantizationOptions, console: Console
) -> Selection:
    """The models that can be quantized, or what the user's IR are."""
    from posezoo.quantize.int8_models import describe_own_ir
    from posezoo.quantize.quantization_plan import explain_unsupported

    patterns = flags.patterns_from_args(args)
    files, selection = select_subjects(
        patterns, context, console, options.said, needs_decoder=False
    )
    if files:
        return Selection(tuple(describe_own_ir(file, options).spec for file in files))
    if not args.all:
        return selection
    quantizable = []
    for spec in selection.models:
        reason = explain_unsupported(spec, context.registry)
        if reason:
            console.print_line(f"Skipping {spec.full_name} ({reason})")
        else:
            quantizable.append(spec)
    return replace(selection, models=tuple(quantizable))


@frozen
class _QuantizationTask:
    """Quantizes a model or an IR of the user's, or only compares the INT8 IR of a model; it is
    pickled for other processes.
    """

    context: Context
    options: QuantizationOptions
    dataset_dir: Path
    output_dir: Path | None
    measures_only: bool
    is_dry_run: bool
    records: bool

    def __call__(self, spec: ModelSpec, listener: Listener) -> Answer:
        from posezoo.core.pipeline.get import get, write_sidecars
        from posezoo.measure.complexity_count import require_own_registry
        from posezoo.quantize import int8_models
        from posezoo.quantize.quantization import quantize

        if self.records:  # before the work
            require_own_registry(spec)
        required = int8_models.plan_required_irs(
            spec, self.context, self.dataset_dir, is_dry_run=self.is_dry_run
        )
        if self.is_dry_run:
            return Answer(plan=self._plan_lines(spec, required))
        for due in required:
            get(due.resolved, self.context, listener=listener)
        if self.measures_only:
            return self._compare(spec, listener)
        plan = self._plan_int8(spec, listener)
        quantized = quantize(plan, listener=listener)
        if not int8_models.is_own_ir(spec):
            write_sidecars(spec, self.context.with_output_dir(self.output_dir), listener)
        facts = _shifts(quantized.displacements) if quantized.displacements else {}
        if quantized.missed:
            facts["missed"] = quantized.missed
        for problem in quantized.missed.values():
            listener(WarningIssued(f"{spec.full_name}: the limit is missed: {problem}"))
        recorded = self._record(spec, quantized, listener) if self.records else None
        return Answer(irs=quantized.irs, files=recorded, facts=facts)

    def _record(
        self, spec: ModelSpec, quantized: Quantized, listener: Listener
    ) -> Sequence[Path] | None:
        from posezoo.measure.complexity_count import record_measurements
        from posezoo.quantize.quantization import to_measurements

        measurements = to_measurements(quantized)
        if measurements:
            return [record_measurements(spec, measurements)]
        reason = "no IR was compared with FP32 by its keypoints now"
        listener(WarningIssued(f"{spec.full_name}: not recorded: {reason}"))
        return None

    def _plan_int8(self, spec: ModelSpec, listener: Listener | None = None) -> QuantizationPlan:
        from posezoo.quantize import int8_models

        return int8_models.plan_int8(
            spec,
            self.context,
            self.dataset_dir,
            self.options,
            output_dir=self.output_dir,
            listener=listener,
        )

    def _plan_lines(self, spec: ModelSpec, required: Sequence[Plan]) -> list[str]:
        from posezoo.console.plan_report import format_plan  # imports yaml

        if not required:
            irs = self._plan_int8(spec).irs
            return [format_planned_ir(ir, f"quantize to {ir.precision}") for ir in irs]
        lines = []
        for plan in required:
            name = plan.resolved.spec.full_name
            lines += [f"{name}: {line}" for line in format_plan(plan)]
        return [*lines, f"would then quantize to {' and '.join(self.options.precisions)}"]

    def _compare(self, spec: ModelSpec, listener: Listener) -> Answer:
        from posezoo.quantize.int8_models import compare_ir_with_fp32

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
