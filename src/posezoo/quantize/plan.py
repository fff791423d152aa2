"""Which INT8 IR of a model have to be made, and why; light enough to ask before NNCF is imported."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from posezoo import files, provenance
from posezoo.errors import QuantizationError
from posezoo.layout import Layout
from posezoo.quantize.samples import Photos, choose
from posezoo.quantize.subject import Subject
from posezoo.spec.model import Precision
from posezoo.versions import package_version

#: What a quantization makes; they differ in how what stays in floating point is stored.
PRECISIONS = (Precision.FP16_INT8, Precision.FP32_INT8)

_CHANGES = {
    "conversion_format": "it was made by another posezoo",
    "openvino": "it was made by another OpenVINO",
    "sources": "it was made from another file",
    "arguments": "model.yml describes it otherwise now",
    "quantization": "it was made of other photos, settings, FP32 IR or NNCF",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One INT8 IR that was asked for.

    Attributes:
        precision: of what is left in floating point, and INT8.
        xml: where the IR lies, or will lie.
        reason: why it has to be made; empty where it is up to date.
    """

    precision: Precision
    xml: Path
    reason: str

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return not self.reason


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
    return steps_of(subject, layout, photos, precisions, target_device, force=force, max_drop=max_drop)


def steps_of(
    subject: Subject,
    layout: Layout,
    photos: Photos,
    precisions: Collection[Precision],
    target_device: str,
    *,
    force: bool = False,
    max_drop: float | None = None,
) -> tuple[Step, ...]:
    """One step for each precision; touches nothing.

    Raises:
        QuantizationError: a precision is none of ``PRECISIONS``, or the place is that of an IR that the
            model's publisher made.
    """
    key = key_of(subject, photos, target_device, max_drop)
    steps = []
    for precision in dict.fromkeys(precisions):
        if precision not in PRECISIONS:
            hint = f"it makes {' and '.join(PRECISIONS)}"
            raise QuantizationError(f"{subject.spec.full_name}: no quantization makes {precision}", hint=hint)
        xml = layout.made(subject.spec, precision)
        _refuse_to_replace(subject, layout, xml, precision)
        steps.append(Step(precision, xml, "asked to" if force else _why_stale(xml, key)))
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
    key = provenance.key_of(subject.spec, subject.decoder, quantization)
    return dict(json.loads(json.dumps(key)))


def _refuse_to_replace(subject: Subject, layout: Layout, xml: Path, precision: Precision) -> None:
    spec = subject.spec
    if spec.is_ir and precision in spec.precisions and xml == layout.ir(spec, precision):
        raise QuantizationError(
            f"{xml}: is the place of its publisher's own {precision}",
            hint="--output_dir names another folder",
        )


def _why_stale(xml: Path, key: dict[str, Any]) -> str:
    """Why an IR has to be made; empty where it is up to date."""
    if not xml.is_file():
        return "there is none yet"
    record = provenance.read(xml.with_name("provenance.json"))
    if record is None:
        return "there is no record of how it was made"
    for name, value in key.items():
        if record.key.get(name) != value:
            return _CHANGES[name]
    for suffix, content in record.contents.items():
        if not files.holds(xml.with_suffix(suffix), content.size, content.digest):
            return f"its {suffix} is not the file that was published"
    return ""
