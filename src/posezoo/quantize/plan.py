"""Which INT8 IR of a model have to be made, and why; light enough to ask before NNCF is imported."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from posezoo import files, provenance
from posezoo.convert.plan import Step
from posezoo.errors import QuantizationError
from posezoo.layout import Layout
from posezoo.quantize.samples import Photos, choose
from posezoo.quantize.subject import Subject
from posezoo.spec.model import Precision
from posezoo.versions import package_version

#: What a quantization makes; they differ in how what stays in floating point is stored.
PRECISIONS = (Precision.FP16_INT8, Precision.FP32_INT8)


def plan(
    subject: Subject,
    layout: Layout,
    dataset_dir: Path,
    precisions: Collection[Precision],
    target_device: str = "ANY",
    *,
    force: bool = False,
    max_drop: float | None = None,
) -> tuple[Step, ...]:
    """What ``quantize`` would do with the same arguments; touches nothing and imports no NNCF.

    Raises:
        QuantizationError: the photos do not do, or as ``steps_of``.
    """
    photos = choose(dataset_dir, subject.settings.subset_size)
    key = key_of(subject, photos, target_device, max_drop)
    return steps_of(subject, layout, key, precisions, force=force)


def steps_of(
    subject: Subject,
    layout: Layout,
    key: Mapping[str, object],
    precisions: Collection[Precision],
    *,
    force: bool = False,
) -> tuple[Step, ...]:
    """One step for each precision; touches nothing.

    Args:
        subject: what to quantize.
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
            raise QuantizationError(f"{subject.spec.full_name}: no quantization makes {precision}", hint=hint)
        xml = layout.made(subject.spec, precision)
        _refuse_to_replace(subject, layout, xml, precision)
        reason = "asked to" if force else provenance.why_stale(xml, lambda: key, files.holds)
        steps.append(Step(precision, xml, reason))
    return tuple(steps)


def key_of(
    subject: Subject, photos: Photos, target_device: str, max_drop: float | None = None
) -> dict[str, Any]:
    """Everything that decides the bytes of an INT8 IR, in JSON's types."""
    quantization = {
        "settings": asdict(subject.settings),
        "target_device": target_device,
        "photos": photos.digest,
        "max_drop": max_drop,
        "fp32": [files.digest_of(subject.xml.with_suffix(suffix)).value for suffix in provenance.SUFFIXES],
        "nncf": package_version("nncf"),
    }
    return provenance.key_of(subject.spec, subject.decoder, quantization)


def _refuse_to_replace(subject: Subject, layout: Layout, xml: Path, precision: Precision) -> None:
    spec = subject.spec
    if spec.is_ir and precision in spec.precisions and xml == layout.ir(spec, precision):
        raise QuantizationError(
            f"{xml}: is the place of its publisher's own {precision}",
            hint="--output_dir names another folder",
        )
