"""The pipeline of a model: which networks run, in which precision, and how the people are found."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import (
    ITSELF,
    TRACKING,
    WHOLE_IMAGE,
    Model,
    ModelSpec,
    PairLimits,
    People,
    Precision,
)
from posezoo.core.errors import InferenceError, SpecError, UnknownModelError
from posezoo.core.files.verified_files import is_verified_file
from posezoo.core.ir.provenance import ranges_key, read_ir_record, was_made_from
from posezoo.core.registry import Registry
from posezoo.core.regular_files import read_regular_bytes
from posezoo.core.resolve.resolved import INT8_PRECISIONS
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import DEFAULT_DETECTOR
from posezoo.core.values import frozen
from posezoo.poses.decoders import require_top_down
from posezoo.poses.people import declared_people, describe_people, resolve_people

if TYPE_CHECKING:
    from posezoo.run.runtime.graph import Graph


@frozen
class PipelineSpec:
    """How a model finds the poses in an image.

    Attributes:
        precision: of the IR; None if unknown.
        people: how they are found, by model.yml and settings; None if the model finds them itself.
        detector: the model that finds them; None if none runs.
        detector_precision: of its IR.
    """

    model: Model
    precision: Precision | None = None
    people: People | None = None
    detector: Model | None = None
    detector_precision: Precision = Precision.FP16

    def networks(self, registry: Registry) -> list[tuple[ModelSpec, Precision]]:
        """Each network of the model, then each of the detector, with the precision of its IR: FP16
        if it is unknown.
        """
        precision = self.precision or Precision.FP16
        networks = [(part, precision) for part in registry.parts(self.model)]
        if self.detector:
            networks += [(part, self.detector_precision) for part in registry.parts(self.detector)]
        return networks

    @property
    def limits(self) -> PairLimits:
        """The least scores of this pair of networks."""
        if self.people is None or self.detector is None:
            return PairLimits()
        return self.people.limits_with(self.detector)

    @property
    def doubt(self) -> str:
        """That the model was not measured with this detector, as a line; empty if it was, or if
        the model declares none.
        """
        declared = self.model.people
        if declared is None or self.detector is None:
            return ""
        if self.detector.name in (declared.photo, *declared.detectors):
            return ""
        return (
            f"{self.model.full_name} was not measured with {self.detector.full_name}: its AP and"
            f" the right limits of scores are unknown; usually {declared.photo} finds its people"
        )

    @property
    def people_from(self) -> str:
        """Where the people in photos come from, as results and measurements name it."""
        return self.people.photo if self.people else ITSELF

    @property
    def shown_detector_precision(self) -> str:
        """The precision of the detector's IR; empty if it is FP16."""
        return "" if self.detector_precision is Precision.FP16 else self.detector_precision

    @property
    def described_people(self) -> str:
        """``people_from``, with the precision of a detector that is not in FP16."""
        return describe_people(self.people_from, self.shown_detector_precision)


def resolve_pipeline(
    model: Model, context: Context, precision: Precision | None = None, *, is_video: bool = False
) -> PipelineSpec:
    """The pipeline of a model with the detector in the settings, or else its own.

    Args:
        precision: of the model's IR; None if unknown. The detector runs in INT8 if this is INT8 and
            ``is_quantized_here``, else in FP16. Its publisher's INT8 is not used: with it,
            person-detection-retail-0013 finds 254 people in 17 photos without people, and with FP16
            4.
        is_video: whether some models may track a person without a detector.

    Raises:
        UnknownModelError: neither this registry nor posezoo's own has a model with the detector's
            name.
        InferenceError: the named model is not a detector, and needs one itself.
    """
    people = resolve_people(model, context.settings.detector)
    detector = None if people is None else _find_detector(people, context.registry, is_video)
    detector_precision = Precision.FP16
    if detector and precision and is_quantized_here(detector, precision, context):
        detector_precision = precision
    return PipelineSpec(model, precision, people, detector, detector_precision)


def resolve_ir_pipeline(
    graph: Graph, model: Model, context: Context, *, is_video: bool = False
) -> PipelineSpec:
    """The pipeline of an IR from ``describe_ir``, in the precision of its folder or operations;
    people are found as an export wrote into it, else as the model in its metadata declares. With an
    IR of another network than the registry's, the detector runs in FP16: what is not named does not
    change.

    Raises:
        UnknownModelError, InferenceError: as for ``resolve_pipeline``.
    """
    named = graph.read_rt_info("posezoo", "model")
    is_known = named in context.registry.entries
    if is_known and isinstance(model, ModelSpec) and model.people is None:
        model = replace(model, people=context.registry.find(named).people)
    pipeline = resolve_pipeline(model, context, graph.precision, is_video=is_video)
    return pipeline if is_known else replace(pipeline, detector_precision=Precision.FP16)


def find_published(xml: Path, registry: Registry) -> ModelSpec | None:
    """The model that was published as this IR, by the digests of both files; None if there is
    none.
    """
    size = str(xml.stat().st_size).encode()
    for entry in registry.entries.values():
        # To parse all files takes 0.1 s, and few of them have this number.
        if size not in read_regular_bytes(entry.path):
            continue
        with suppress(SpecError):
            model = registry.find(entry.name)
            if isinstance(model, ModelSpec) and _is_published_as(model, xml):
                return model
    return None


def _is_published_as(model: ModelSpec, xml: Path) -> bool:
    files = {file.name: file for file in model.files}
    return any(
        is_verified_file(xml, file) and is_verified_file(xml.with_suffix(".bin"), files[weights])
        for name, file in files.items()
        if (weights := name.removesuffix(".xml") + ".bin") in files
    )


def _find_detector(people: People, registry: Registry, is_video: bool) -> Model | None:
    name = people.video if is_video else people.photo
    if name in (WHOLE_IMAGE, TRACKING):
        return None
    if name not in registry.entries:
        registry = registry.with_builtin()
    try:
        detector = registry.find(name)
    except UnknownModelError as error:
        hint = error.hint or "name another detector, or none"
        raise UnknownModelError(f"the person detector: {error.problem}", hint=hint) from error
    if declared_people(detector):
        raise InferenceError(
            f"{name} is not a detector: it processes one person at a time",
            hint=f"use {DEFAULT_DETECTOR}",
        )
    return detector


def require_detector_used(detector: str | None, model: Model) -> None:
    """Refuse a detector named for a model that needs none, except ``none`` and ``usual``; one in
    the settings applies to all models.

    Raises:
        InferenceError: the model finds people itself.
    """
    declared = model.decoder.name if model.decoder else model.task
    if detector and detector not in ("none", "usual"):
        require_top_down(declared, model.full_name)


def is_quantized_here(model: Model, precision: Precision, context: Context) -> bool:
    """Whether each part of a model has INT8 that was compared with FP32, by ranges in the registry
    or ``posezoo quantize`` on this machine.
    """
    if precision not in INT8_PRECISIONS:
        return False
    layout = context.layout
    for part in context.registry.parts(model):
        if ranges_key(part, precision):
            continue
        xml = layout.ir_path(part, precision)
        if precision in part.precisions or not xml.is_file():
            return False
        record = read_ir_record(xml)
        if record and record.sources and not was_made_from(record, part):
            return False  # the model has other weights now
    return True
