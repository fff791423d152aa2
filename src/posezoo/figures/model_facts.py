"""The facts about one model for lists, ``posezoo info``, cards, card.json and pages: those
that its files declare, and those that follow from them.

It imports little, so that lists are shown at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from posezoo.console.labels import FRAMEWORKS, format_megabytes
from posezoo.core.declarations.model import (
    Input,
    Model,
    ModelSpec,
    Precision,
    PublishedAccuracy,
)
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.declarations.skeleton import Skeleton
    from posezoo.core.ir.provenance import Provenance
    from posezoo.core.layout import ModelLayout
    from posezoo.core.pipeline.availability import Availability, AvailabilityFinder
    from posezoo.core.registry import Registry, Selection
    from posezoo.figures.measured import Measurement
    from posezoo.figures.papers import Paper
    from posezoo.poses.decoder_type import DecoderType

ItemT = TypeVar("ItemT")

#: Limits that follow from a model's approach.
LIMITS = {
    "top-down": ("Its accuracy depends on what finds the people, its time on their number."),
    "bottom-up": (
        "It scales the image to its input size: people who are small in it are found less well."
    ),
}


@frozen
class ModelFacts:
    """A model, one of its variants, or a composite."""

    model: Model  # the declared model
    #: A composite's parts in the order in which they run; for a model, only the model itself. They
    #: have the pins of the user's lock file if there is one.
    parts: tuple[ModelSpec, ...]
    #: The folders of its IR; None for facts that do not depend on an IR.
    layout: ModelLayout | None = None
    #: What finds its people in photos, as it declares; None if it finds them itself.
    detector: ModelSpec | None = None

    def __repr__(self) -> str:
        return f"<ModelFacts of {self.name}>"

    @property
    def name(self) -> str:
        """The name that a user types: ``name``, or ``name@tag`` for a variant."""
        return self.model.full_name

    @property
    def kind(self) -> str:
        """``model`` or ``composite``."""
        return "composite" if self.model.stages else "model"

    @property
    def models(self) -> tuple[Model, ...]:
        """A composite and its parts, or only the model."""
        return (self.model, *self.parts) if self.model.stages else (self.model,)

    @property
    def published_accuracies(self) -> list[tuple[ModelSpec, PublishedAccuracy]]:
        """What the publisher states about the accuracy of each part."""
        return [(part, claim) for part in self.parts for claim in part.published.accuracy]

    @property
    def is_variant(self) -> bool:
        """Whether its publisher offers it beside the default variant."""
        return isinstance(self.model, ModelSpec) and not self.model.is_default

    @property
    def variants(self) -> tuple[ModelFacts, ...]:
        """The facts of each other variant that the publisher offers."""
        return tuple(
            ModelFacts(variant, (variant,), detector=self.detector)
            for variant in self.model.variants
        )

    @property
    def frameworks(self) -> list[str]:
        """The frameworks of the published files, as model.yml names them."""
        return sorted({part.framework.value for part in self.parts})

    @property
    def framework_labels(self) -> list[str]:
        """The frameworks in which the models were trained, in their usual spelling."""
        frameworks = {part.origin.framework or part.framework for part in self.parts}
        return sorted(FRAMEWORKS.get(framework, framework) for framework in frameworks)

    @property
    def licenses(self) -> list[str]:
        """SPDX identifiers, or an address if no identifier is declared."""
        return sorted({part.license.spdx or part.license.url for part in self.parts} - {""})

    @property
    def download_bytes(self) -> int | None:
        """The bytes that ``posezoo run`` transfers in the usual precision, with the detector."""
        return self.transfer_bytes(self.usual_precision)

    @property
    def download_limit(self) -> int:
        """The most bytes that ``posezoo run`` transfers, with the detector."""
        specs = [*self.parts, *filter(None, [self.detector])]
        return sum(file.read_limit for spec in specs for file in spec.files)

    @property
    def described_download(self) -> str:
        """The size of the download, or the most that it may be: ``at most 30.0 MB``."""
        size = self.download_bytes
        if size is None:
            return f"at most {format_megabytes(self.download_limit)}"
        return format_megabytes(size)

    def transfer_bytes(self, precision: Precision | None) -> int | None:
        """The bytes that a precision with its detector transfers; None if a size is unknown."""
        from posezoo.core.download.transfer import transfer_bytes  # it compiles patterns

        return transfer_bytes(self.parts, precision=precision, people=self.detector)

    @property
    def precisions(self) -> list[Precision]:
        """The precisions, published or convertible, that all parts have."""
        if not self.parts:
            return []
        return [each for each in Precision if all(each in part.precisions for part in self.parts)]

    @property
    def usual_precision(self) -> Precision | None:
        """FP16 if the model has it, else its first precision; of several published IR, the one
        whose AP was measured.
        """
        from posezoo.figures.measured import measurements_of

        is_ir = any(part.is_ir for part in self.parts)
        return self.best_precision(measurements_of(self.model, "accuracy") if is_ir else ())

    def best_precision(self, accuracies: Iterable[Measurement]) -> Precision | None:
        """Of the precisions with a measured AP, or of all if none has one, FP16 or the first."""
        with_ap = {each.precision for each in accuracies if "AP" in each.figures}
        candidates = [each for each in Precision if each in with_ap] or self.precisions
        return Precision.FP16 if Precision.FP16 in candidates else next(iter(candidates), None)

    @property
    def size_bytes(self) -> int | None:
        """The size of all published files; None if a publisher does not state one."""
        sizes = [file.size for part in self.parts for file in part.files]
        return None if None in sizes else sum(filter(None, sizes))

    @property
    def is_pinned(self) -> bool:
        """Whether every file can be verified, so that no file must be trusted on first use."""
        return all(file.is_pinned for part in self.parts for file in part.files)

    def find_availability(
        self, finder: AvailabilityFinder, precision: Precision | None = None
    ) -> Availability:
        """Whether ``posezoo run`` can run it here now, with its detector; by default in FP16, or
        its first precision if it lacks that.
        """
        precision = precision or self.best_precision(()) or Precision.FP16
        networks = [(part, precision) for part in self.parts]
        if self.detector:
            networks.append((self.detector, Precision.FP16))
        return finder.find(networks)

    @property
    def is_opened(self) -> bool:
        """Whether the published weights were opened for this registry: they were measured, or their
        outputs are recorded.
        """
        from posezoo.figures.measured import WEIGHTS

        if any(part.recorded_outputs for part in self.parts):
            return True
        return any(measured.weights == WEIGHTS[0] for _, measured in self.measurements())

    @property
    def decoder(self) -> DecoderType | None:
        """The decoder of the outputs; None if the model has no decoder, or an unknown one."""
        from posezoo.poses.decoders import DECODERS

        if self.model.decoder:
            return DECODERS.find(self.model.decoder.name)
        return None

    @property
    def approach(self) -> str:
        """``top-down`` (one person at a time), ``bottom-up`` (all people at once), or empty for no
        poses.
        """
        return self.decoder.approach if self.decoder else ""

    @property
    def limits(self) -> list[str]:
        """What the model cannot do, a sentence or two each."""
        by_approach = LIMITS.get(self.approach, "")
        stages = self.model.stages
        if stages and self.approach == "top-down":
            by_approach = (
                f"Its part {stages[0]} finds the people: a person whom it misses gets no pose. Its"
                " time depends on their number."
            )
        return unique([by_approach, self.model.limits, *(part.limits for part in self.parts)])

    @property
    def skeleton(self) -> Skeleton | None:
        """The keypoints that it finds."""
        from posezoo.core.declarations.skeletons import SKELETONS

        return self.model.own_skeleton or SKELETONS.get(self.model.skeleton)

    @property
    def papers(self) -> tuple[Paper, ...]:
        """The papers that its registry's papers.yml describes."""
        from posezoo.figures.papers import collect_papers

        return collect_papers(self.parts)

    def measurements(self, kind: str = "") -> Iterator[tuple[Model, Measurement]]:
        """The measurements of each of ``models``, with the model: of one of ``measured.KINDS``, or
        of all.
        """
        from posezoo.figures.measured import measurements_of

        for model in self.models:
            for measurement in measurements_of(model, kind):
                yield model, measurement

    def ir_records(self) -> Iterator[tuple[ModelSpec, Precision, Provenance]]:
        """The record of each IR in the folders of ``layout``."""
        from posezoo.core.ir.provenance import read_ir_record

        if self.layout is None:
            return
        for part in self.parts:
            for precision in Precision:
                record = read_ir_record(self.layout.converted_ir_path(part, precision))
                if record:
                    yield part, precision, record


def offers_precision(part: ModelSpec, precision: Precision) -> bool:
    """Whether a precision is published, converted from what is published, or made with ranges of
    the registry.
    """
    from posezoo.core.ir.provenance import ranges_key

    return precision in part.precisions or ranges_key(part, precision) is not None


def describe_model(model: Model, registry: Registry) -> ModelFacts:
    """The facts about a model of a registry, with its parts and its detector."""
    return ModelFacts(model, registry.parts(model), detector=find_detector(model, registry))


def describe_models(selection: Selection, registry: Registry) -> list[ModelFacts]:
    """The facts about selected models: composites, then the others."""
    return [describe_model(model, registry) for model in selection.all]


def find_detector(model: Model, registry: Registry) -> ModelSpec | None:
    """The detector that a model.yml declares, if the registry has it."""
    if model.people is None or model.people.photo not in registry.entries:
        return None
    detector = registry.find(model.people.photo)
    return detector if isinstance(detector, ModelSpec) else None


def converted_input(part: ModelSpec, port: Input) -> Input:
    """An input of the converted model, which applies mean and scale itself, unless it is published
    as IR.
    """
    converted = replace(port, shape=port.ir_shape, layout=port.ir_layout, color=port.ir_color)
    if part.is_ir:
        return converted
    return replace(converted, mean=(), scale=())


def unique(values: Iterable[ItemT]) -> list[ItemT]:
    """The values in order, without duplicates and empty values."""
    return list(filter(None, dict.fromkeys(values)))
