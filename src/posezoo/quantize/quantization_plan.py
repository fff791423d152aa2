"""Which INT8 IR of a model must be made, and why; this does not need NNCF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from posezoo.convert.conversion_plan import PlannedIr
from posezoo.errors import QuantizationError
from posezoo.files import verified_files
from posezoo.ir import provenance
from posezoo.layout import ModelLayout
from posezoo.quantize.calibration_data import PhotoSplit
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.resolve.resolved import INT8_PRECISIONS, Converter, Target
from posezoo.spec.model import Precision
from posezoo.versions import package_version


@dataclass(frozen=True, slots=True)
class QuantizationOptions:
    """How a model is quantized.

    Attributes:
        precisions: a selection of ``INT8_PRECISIONS``.
        target_device: one of ``spec.quantization_settings.TARGET_DEVICES``.
        force: make IR again even if they are up to date.
        compare_layers: report the quantization noise of each layer, even if the result is accepted.
        annotations: people in the photos, in COCO's format. If given, AP before and after is reported, on the
            photos for comparison.
        max_drop: the largest allowed drop of AP, 0..1; layers return to floating point until AP is within it.

    Raises:
        QuantizationError: ``max_drop`` is given without annotations.
    """

    precisions: tuple[Precision, ...] = (Precision.FP16_INT8,)
    target_device: str = "ANY"
    force: bool = False
    compare_layers: bool = False
    annotations: Path | None = None
    max_drop: float | None = None

    def __post_init__(self) -> None:
        if self.max_drop is not None and self.annotations is None:
            raise QuantizationError("max_drop needs annotations of the photos", hint="--annotations FILE")


def plan_quantization(
    target: QuantizationTarget, layout: ModelLayout, key: Mapping[str, Any], options: QuantizationOptions
) -> tuple[PlannedIr, ...]:
    """Which IR of this ``quantization_key`` must be made; nothing is written.

    Raises:
        QuantizationError: a precision is not one of ``INT8_PRECISIONS``, or an IR would replace the
            publisher's IR.
    """
    spec, irs = target.spec, []
    for precision in dict.fromkeys(options.precisions):
        if precision not in INT8_PRECISIONS:
            raise QuantizationError(
                f"{spec.full_name}: no quantization makes {precision}",
                hint=f"it makes {' and '.join(INT8_PRECISIONS)}",
            )
        xml = layout.converted_ir_path(spec, precision)
        if spec.is_ir and precision in spec.precisions and xml == layout.ir_path(spec, precision):
            raise QuantizationError(
                f"{xml}: is the place of its publisher's own {precision}",
                hint="--output_dir names another folder",
            )
        is_good = partial(verified_files.is_verified, remember=False)
        reason = (
            "it was requested"
            if options.force
            else provenance.explain_stale_record(xml, lambda: key, is_good)
        )
        irs.append(PlannedIr(Target(precision, xml, Converter.QUANTIZATION), reason))
    return tuple(irs)


def quantization_key(
    target: QuantizationTarget, photos: PhotoSplit, target_device: str, max_drop: float | None = None
) -> dict[str, Any]:
    """All values that determine the bytes of an INT8 IR, as JSON values."""
    quantization = {
        "settings": asdict(target.settings),
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
