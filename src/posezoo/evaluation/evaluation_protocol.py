"""What a figure depends on: for the record, for kept predictions, and beside what a publisher says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from posezoo import pose, runtime
from posezoo.evaluation.run_evaluation import EvaluationResult
from posezoo.files.verified_files import compute_digest
from posezoo.measured import Measurement, Scalar
from posezoo.runtime.estimator import Estimator
from posezoo.spec.model import Precision, PublishedMetrics
from posezoo.spec.model import PublishedAccuracy as Claim
from posezoo.versions import package_version

#: How many images COCO's val2017 has.
VAL2017_IMAGES = 5000


@dataclass(frozen=True, slots=True)
class EvaluationProtocol:
    """How a model was shown the pictures.

    Attributes:
        estimator: the model.
        precision: of its IR.
        target_size: as it was asked for, in pixels; None: the IR's own.
        flip: whether it saw every picture mirrored, too, and both answers were averaged.
        scales: the sizes at which it saw each, relative to the usual one.
        options: of the decoder, over those that the model declares.
        box_source: who said where people are, for a model that is shown one at a time; empty for others.
    """

    estimator: Estimator
    precision: Precision
    target_size: int | None = None
    flip: bool = False
    scales: tuple[float, ...] = (1.0,)
    box_source: str = ""
    options: Mapping[str, Scalar] = field(default_factory=dict)

    def to_settings(self) -> dict[str, Scalar]:
        """The same in words and numbers, as a record has them; what is usual is left out."""
        size = self.estimator.input_size
        said: dict[str, Scalar] = {
            "input": f"{size[0]}x{size[1]}" if size else "varies",
            "target_size": self.target_size or 0,
            "flip": self.flip,
            "scales": "" if self.scales == (1.0,) else " ".join(f"{scale:g}" for scale in self.scales),
            "people_from": self.box_source,
            "arithmetic": self.estimator.executed_precision,
            **self.options,
        }
        return {key: value for key, value in said.items() if value not in ("", 0, False)}


def cache_key(protocol: EvaluationProtocol, irs: Iterable[Path], *others: Path) -> dict[str, Any]:
    """All that decides who is found in a picture, so that kept predictions are those of the same model.

    Args:
        protocol: how it is shown them.
        irs: the .xml of all its networks.
        others: further files that decide it: a file of boxes.
    """
    files = [file for xml in irs for file in (xml, xml.with_suffix(".bin"))]
    return {
        "files": sorted(compute_digest(file).value for file in (*files, *others)),
        "settings": protocol.to_settings(),
        "device": protocol.estimator.device,
        "options": _options(protocol.estimator),
        "tools": tool_versions("openvino", "posezoo"),
        "code": _code_digest(),
    }


def _code_digest() -> str:
    """A digest of what turns pictures into poses: in a checkout it changes while the version does not."""
    hasher = hashlib.sha256()
    for package in (runtime, pose):
        for path in sorted(Path(str(package.__file__)).parent.glob("*.py")):
            hasher.update(path.read_bytes())
    return hasher.hexdigest()


def _options(estimator: Estimator) -> str:
    decoder = estimator.model.decoder
    return f"{estimator.decoder} {dict(sorted(decoder.options.items())) if decoder is not None else ''}"


def tool_versions(*packages: str) -> dict[str, str]:
    """Versions by package."""
    return {name: package_version(name) for name in packages if package_version(name)}


def create_accuracy_measurement(
    protocol: EvaluationProtocol, accuracy: EvaluationResult, tag: str = "", *, of_boxes: bool = False
) -> Measurement:
    """An accuracy as ``posezoo record`` takes it."""
    return Measurement(
        "accuracy",
        protocol.precision,
        accuracy.figures,
        tag,
        settings={
            "dataset": accuracy.dataset.name,
            "images": len(accuracy.dataset.pictures),
            "people": accuracy.people,
            **({"of": "boxes"} if of_boxes else {}),
            **protocol.to_settings(),
        },
        tools=tool_versions("openvino", "faster-coco-eval"),
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    )


def explain_difference(
    claim: Claim, published: PublishedMetrics, protocol: EvaluationProtocol, accuracy: EvaluationResult
) -> Iterator[str]:
    """Why a measured figure need not be the published one, a reason each."""
    images = len(accuracy.dataset.pictures)
    whole = "val2017" in accuracy.dataset.name and images == VAL2017_IMAGES
    if not whole:
        there = claim.dataset or "another set"
        yield f"measured on {images} images of {accuracy.dataset.name}, published for {there}"
    if claim.flip != protocol.flip:
        yield f"{'published' if claim.flip else 'measured'} with the mirrored image averaged in"
    if protocol.scales != (1.0,):
        yield f"measured at {len(protocol.scales)} scales"
    if protocol.box_source:
        yield f"people are cut out by {protocol.box_source}; published with a detector of their own"
    if protocol.precision not in (Precision.FP32, Precision.FP16):
        yield f"measured on the {protocol.precision} IR"
    if protocol.estimator.executed_precision in ("bf16", "f16"):
        yield f"run in {protocol.estimator.executed_precision}"
    if published.known_difference:
        yield published.known_difference


def describe_claim_protocol(claim: Claim) -> str:
    """How a published figure was measured, as far as its publisher says."""
    flip = "mirrored image averaged in" if claim.flip else ""
    return "; ".join(filter(None, (claim.dataset, claim.protocol, flip)))
