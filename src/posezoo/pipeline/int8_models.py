"""INT8 of a zoo's models: what ``posezoo.quantize`` needs of a zoo, found there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.errors import QuantizationError
from posezoo.events import Listener, ignore_event
from posezoo.layout import ModelLayout
from posezoo.pipeline.estimator_factory import select_detector
from posezoo.spec.model import CompositeSpec, ModelSpec, Precision

if TYPE_CHECKING:
    from posezoo.convert.conversion_plan import PlannedIr
    from posezoo.pipeline.zoo import Zoo
    from posezoo.quantize import QuantizationOptions, QuantizationTarget, Quantized
    from posezoo.quantize.displacement import KeypointDisplacement

_INT8 = frozenset({Precision.FP16_INT8, Precision.FP32_INT8})


def quantize_model(
    zoo: Zoo,
    spec: ModelSpec,
    dataset_dir: Path,
    options: QuantizationOptions,
    *,
    output_dir: Path | None = None,
    listener: Listener = ignore_event,
) -> Quantized:
    """Quantize a model that has an FP32 IR.

    Args:
        zoo: where both are.
        spec: the model.
        dataset_dir: photos with people.
        options: which precisions, and how.
        output_dir: where the INT8 IR go; None: beside the FP32 IR.
        listener: receives events.

    Raises:
        QuantizationError: the FP32 IR is not there, the photos do not do, or INT8 finds something else.
    """
    from posezoo.quantize import quantize

    layout, accept = _beside(zoo, output_dir), partial(zoo.lock.require_ir, spec)
    quantized = quantize(
        _subject(zoo, spec),
        layout,
        dataset_dir,
        options,
        accept=accept,
        listener=listener,
    )
    zoo.require_locked(spec, quantized.irs, layout)
    return quantized


def quantization_measurements(zoo: Zoo, spec: ModelSpec, quantized: Quantized) -> list[dict[str, object]]:
    """What ``quantize`` measured, in the form of a file that ``posezoo record`` takes."""
    from posezoo.quantize import to_measurements

    return to_measurements(_subject(zoo, spec), quantized)


def compare_ir_with_fp32(
    zoo: Zoo,
    spec: ModelSpec,
    dataset_dir: Path,
    precision: Precision,
    *,
    output_dir: Path | None = None,
    listener: Listener = ignore_event,
) -> tuple[Path, KeypointDisplacement]:
    """An INT8 IR that is there, and how far what it finds lies from what FP32 finds.

    Ours where one was made, else the publisher's.

    Raises:
        QuantizationError: none is there, or it lies farther than the model's settings allow.
    """
    from posezoo.quantize import compare_with_fp32

    layout = _beside(zoo, output_dir)
    places = dict.fromkeys((layout.converted_ir_path(spec, precision), layout.ir_path(spec, precision)))
    xml = next((place for place in places if place.is_file()), None)
    if xml is None:
        raise QuantizationError(
            f"{', '.join(map(str, places))}: not there",
            hint=f"posezoo quantize {spec.full_name}",
        )
    target = _subject(zoo, spec)
    return xml, compare_with_fp32(target, xml, precision, dataset_dir, listener=listener)


def plan_int8(
    zoo: Zoo,
    spec: ModelSpec,
    dataset_dir: Path,
    options: QuantizationOptions,
    *,
    output_dir: Path | None = None,
) -> tuple[PlannedIr, ...]:
    """What ``quantize`` would do with the same arguments; touches nothing.

    Raises:
        QuantizationError: as ``quantize`` does, before it begins.
    """
    from posezoo.quantize import plan_quantization

    target, layout = _subject(zoo, spec), _beside(zoo, output_dir)
    return plan_quantization(target, layout, dataset_dir, options).irs


def is_int8_request(spec: ModelSpec, precisions: Collection[Precision]) -> bool:
    """Whether all precisions are INT8, of a model that is not published as IR."""
    return not spec.is_ir and bool(precisions) and _INT8.issuperset(precisions)


def find_int8_irs(zoo: Zoo, spec: ModelSpec, precisions: Collection[Precision]) -> Mapping[Precision, Path]:
    """The INT8 IR that were made of a model, which only ``quantize`` makes: it needs photos."""
    irs = {precision: zoo.layout.converted_ir_path(spec, precision) for precision in precisions}
    for precision, xml in irs.items():
        if not xml.is_file():
            raise QuantizationError(
                f"{xml}: not there: no conversion makes {precision}",
                hint=f"posezoo quantize {spec.full_name} --dataset_dir PHOTOS",
            )
    zoo.require_locked(spec, irs, zoo.layout)
    return irs


def explain_unsupported_int8(zoo: Zoo, spec: ModelSpec) -> str:
    """Why a model cannot be quantized, whatever is there; empty where it can."""
    from posezoo.quantize.quantization_target import explain_unsupported

    return explain_unsupported(spec, _composite_of(zoo, spec))


def _subject(zoo: Zoo, spec: ModelSpec) -> QuantizationTarget:
    """What is to be quantized, with the FP32 IR of each network that its pipeline runs."""
    from posezoo.quantize import QuantizationTarget, require_quantizable

    spec = zoo.lock.with_pins(spec)
    model = _composite_of(zoo, spec)
    require_quantizable(spec, model)
    parts = zoo.registry.parts(model) if spec.composite else (spec,)
    for part in parts:
        if not (xml := zoo.layout.ir_path(part, Precision.FP32)).is_file():
            made_by = "posezoo download" if part.is_ir else "posezoo convert"
            raise QuantizationError(
                f"{xml}: not there: INT8 is made from the FP32 IR", hint=f"{made_by} {part.full_name}"
            )
        zoo.require_current_ir(part, Precision.FP32, "quantized")
    irs = {part.name: zoo.layout.ir_path(part, Precision.FP32) for part in parts}
    return QuantizationTarget(spec, model, irs, _detector_at_hand(zoo, model))


def _detector_at_hand(
    zoo: Zoo, model: ModelSpec | CompositeSpec
) -> tuple[ModelSpec | CompositeSpec, Mapping[str, Path]] | None:
    """Who finds people for a model that sees one at a time, with its IR, which must be there."""
    detector = select_detector(zoo, model.decoder.name) if model.decoder else None
    if detector is None:
        return None
    irs = {part.name: zoo.layout.ir_path(part, Precision.FP16) for part in zoo.registry.parts(detector)}
    if missing := [str(xml) for xml in irs.values() if not xml.is_file()]:
        raise QuantizationError(
            f"{missing[0]}: not there: {detector.name} finds the people that {model.full_name} sees",
            hint=f"posezoo get {detector.name}",
        )
    return detector, irs


def _composite_of(zoo: Zoo, spec: ModelSpec) -> ModelSpec | CompositeSpec:
    """The composite that a model is a part of; the model itself where it is none."""
    return zoo.registry.find(spec.composite) if spec.composite else spec


def _beside(zoo: Zoo, output_dir: Path | None) -> ModelLayout:
    return zoo.layout if output_dir is None else replace(zoo.layout, output_dir=output_dir)
