"""INT8 of models: the pipeline that a network is part of, and its IR, found for ``posezoo.quantize``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.errors import QuantizationError
from posezoo.events import Listener, ignore_event
from posezoo.layout import ModelLayout
from posezoo.pipeline.get import resolve_model
from posezoo.pipeline.load import select_detector
from posezoo.pipeline.plan import require_current_ir
from posezoo.pipeline.zoo_context import Context
from posezoo.spec.model import CompositeSpec, ModelSpec, Precision

if TYPE_CHECKING:
    from posezoo.convert.conversion_plan import PlannedIr
    from posezoo.ir.provenance import FileContent
    from posezoo.quantize.displacement import KeypointDisplacement
    from posezoo.quantize.quantization import Quantized
    from posezoo.quantize.quantization_plan import QuantizationOptions
    from posezoo.quantize.quantization_target import QuantizationTarget


def quantize_model(
    spec: ModelSpec,
    context: Context,
    dataset_dir: Path,
    options: QuantizationOptions,
    *,
    output_dir: Path | None = None,
    listener: Listener = ignore_event,
) -> Quantized:
    """Make a model's INT8 IR from its FP32 IR that is there.

    Args:
        context: where both are.
        dataset_dir: photos with people.
        output_dir: where the INT8 IR go; None: beside the FP32 IR.

    Raises:
        QuantizationError: the FP32 IR is not there, the photos cannot be used, or INT8 finds other poses.
        LockError: a strict lock does not have the IR.
    """
    from posezoo.ir.provenance import read_provenance
    from posezoo.quantize.quantization import quantize

    def accept(precision: Precision, contents: Mapping[str, FileContent]) -> None:
        if agreed := context.lock.agreed_ir(spec, precision):
            agreed.require(contents)

    target, layout = quantization_target(spec, context), _int8_layout(context, output_dir)
    quantized = quantize(target, layout, dataset_dir, options, accept=accept, listener=listener)
    for precision, xml in quantized.irs.items():  # also those that were up to date
        if record := read_provenance(xml.with_name("provenance.json")):
            accept(precision, record.contents)
    return quantized


def plan_int8(
    spec: ModelSpec,
    context: Context,
    dataset_dir: Path,
    options: QuantizationOptions,
    *,
    output_dir: Path | None = None,
) -> tuple[PlannedIr, ...]:
    """What ``quantize_model`` does with the same arguments. Nothing is written.

    Raises:
        QuantizationError: as ``quantize_model`` raises before it begins.
    """
    from posezoo.quantize.calibration_data import split_photos
    from posezoo.quantize.quantization_plan import plan_quantization, quantization_key

    target = quantization_target(spec, context)
    photos = split_photos(dataset_dir, target.settings.subset_size)
    key = quantization_key(target, photos, options.target_device, options.max_drop)
    return plan_quantization(target, _int8_layout(context, output_dir), key, options)


def compare_ir_with_fp32(
    spec: ModelSpec,
    context: Context,
    dataset_dir: Path,
    precision: Precision,
    *,
    output_dir: Path | None = None,
    listener: Listener = ignore_event,
) -> tuple[Path, KeypointDisplacement]:
    """An INT8 IR that is there, and how far its keypoints lie from those of FP32.

    It is our own IR if one was made, else the publisher's.

    Raises:
        QuantizationError: there is none, or its keypoints lie farther than the model's settings allow.
    """
    from posezoo.quantize.quantization import compare_with_fp32

    layout = _int8_layout(context, output_dir)
    places = dict.fromkeys((layout.converted_ir_path(spec, precision), layout.ir_path(spec, precision)))
    xml = next((place for place in places if place.is_file()), None)
    if xml is None:
        raise QuantizationError(
            f"{', '.join(map(str, places))}: not there", hint=f"posezoo quantize {spec.full_name}"
        )
    target = quantization_target(spec, context)
    return xml, compare_with_fp32(target, xml, precision, dataset_dir, listener=listener)


def explain_unsupported_int8(spec: ModelSpec, context: Context) -> str:
    """Why a model cannot be quantized, whatever files are there; empty if it can."""
    from posezoo.quantize.quantization_target import explain_unsupported

    return explain_unsupported(spec, _composite_of(spec, context))


def quantization_target(spec: ModelSpec, context: Context) -> QuantizationTarget:
    """What is to be quantized, with the FP32 IR of each network of its pipeline.

    Raises:
        QuantizationError: the model cannot be quantized, or an IR is not there.
        ConversionError: an FP32 IR is not the one that model.yml describes.
    """
    from posezoo.quantize.quantization_target import QuantizationTarget, explain_unsupported

    model = _composite_of(spec, context)
    if reason := explain_unsupported(spec, model):
        raise QuantizationError(f"{spec.full_name}: is not quantized: {reason}")
    irs = {}
    for part in context.registry.parts(model) if spec.composite else (spec,):
        resolved = resolve_model(part, (Precision.FP32,), context)
        (target,) = resolved.targets
        if not target.xml.is_file():
            made_by = "posezoo download" if part.is_ir else "posezoo convert"
            raise QuantizationError(
                f"{target.xml}: not there: INT8 is made from the FP32 IR",
                hint=f"{made_by} {part.full_name}",
            )
        require_current_ir(resolved, target, "quantized")
        irs[part.name] = target.xml
    return QuantizationTarget(context.lock.with_pins(spec), model, irs, _detector_with_irs(model, context))


def _detector_with_irs(
    model: ModelSpec | CompositeSpec, context: Context
) -> tuple[ModelSpec | CompositeSpec, Mapping[str, Path]] | None:
    """The detector of a top-down model, with its FP16 IR, which must be there."""
    detector = select_detector(context, model.decoder.name) if model.decoder else None
    if detector is None:
        return None
    parts = context.registry.parts(detector)
    irs = {part.name: context.layout.ir_path(part, Precision.FP16) for part in parts}
    if missing := [str(xml) for xml in irs.values() if not xml.is_file()]:
        raise QuantizationError(
            f"{missing[0]}: not there: {detector.name} finds the people that {model.full_name} sees",
            hint=f"posezoo get {detector.name}",
        )
    return detector, irs


def _composite_of(spec: ModelSpec, context: Context) -> ModelSpec | CompositeSpec:
    """The composite that a model is a part of; the model itself if it is none."""
    return context.registry.find(spec.composite) if spec.composite else spec


def _int8_layout(context: Context, output_dir: Path | None) -> ModelLayout:
    return context.layout if output_dir is None else replace(context.layout, output_dir=output_dir)
