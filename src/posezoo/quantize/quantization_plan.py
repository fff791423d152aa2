"""Which INT8 IR of a model have to be made, and why; light enough to ask before NNCF is imported."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from posezoo.convert.conversion_plan import PlannedIr
from posezoo.errors import QuantizationError
from posezoo.files import verified_files
from posezoo.ir import provenance
from posezoo.layout import ModelLayout
from posezoo.quantize.calibration_data import PhotoSplit, split_photos
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.spec.model import Precision
from posezoo.versions import package_version

#: What a quantization makes; they differ in how what stays in floating point is stored.
PRECISIONS = (Precision.FP16_INT8, Precision.FP32_INT8)


def plan_quantization(
    target: QuantizationTarget,
    layout: ModelLayout,
    dataset_dir: Path,
    precisions: Collection[Precision],
    target_device: str = "ANY",
    *,
    force: bool = False,
    max_drop: float | None = None,
) -> tuple[PlannedIr, ...]:
    """What ``quantize`` would do with the same arguments; touches nothing and imports no NNCF.

    Raises:
        QuantizationError: the photos do not do, or as ``steps_of``.
    """
    photos = split_photos(dataset_dir, target.quantization_settings.subset_size)
    key = quantization_key(target, photos, target_device, max_drop)
    return plan_int8_irs(target, layout, key, precisions, force=force)


def plan_int8_irs(
    target: QuantizationTarget,
    layout: ModelLayout,
    key: Mapping[str, object],
    precisions: Collection[Precision],
    *,
    force: bool = False,
) -> tuple[PlannedIr, ...]:
    """One step for each precision; touches nothing.

    Args:
        target: what to quantize.
        layout: where the INT8 IR lie, or will lie.
        key: what they would be made from now, as ``key_of`` gives it.
        precisions: of what is left in floating point, and INT8.
        force: make again what is up to date.

    Raises:
        QuantizationError: a precision is none of ``PRECISIONS``, or the place is that of an IR that the
            model's publisher made.
    """
    steps = []
    for precision in dict.fromkeys(precisions):
        if precision not in PRECISIONS:
            hint = f"it makes {' and '.join(PRECISIONS)}"
            raise QuantizationError(f"{target.spec.full_name}: no quantization makes {precision}", hint=hint)
        xml = layout.converted_ir_path(target.spec, precision)
        _refuse_to_replace(target, layout, xml, precision)
        reason = (
            "asked to"
            if force
            else provenance.explain_stale_record(
                xml, lambda: key, partial(verified_files.is_verified, remember=False)
            )
        )
        steps.append(PlannedIr(precision, xml, reason))
    return tuple(steps)


def quantization_key(
    target: QuantizationTarget, photos: PhotoSplit, target_device: str, max_drop: float | None = None
) -> dict[str, Any]:
    """Everything that decides the bytes of an INT8 IR, in JSON's types."""
    quantization = {
        "settings": asdict(target.quantization_settings),
        "target_device": target_device,
        "photos": photos.digest,
        "max_drop": max_drop,
        "fp32": [
            verified_files.compute_digest(target.fp32_xml.with_suffix(suffix)).value
            for suffix in provenance.SUFFIXES
        ],
        "nncf": package_version("nncf"),
    }
    return provenance.conversion_key(target.spec, target.decoder, quantization)


def _refuse_to_replace(
    target: QuantizationTarget, layout: ModelLayout, xml: Path, precision: Precision
) -> None:
    spec = target.spec
    if spec.is_ir and precision in spec.precisions and xml == layout.ir_path(spec, precision):
        raise QuantizationError(
            f"{xml}: is the place of its publisher's own {precision}",
            hint="--output_dir names another folder",
        )
