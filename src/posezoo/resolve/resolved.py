"""A model with every decision made that needs no look at its files; such values can be pickled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from posezoo.errors import ConversionError
from posezoo.layout import ModelLayout
from posezoo.lockfile import AgreedIr
from posezoo.spec.model import Decoder, ModelSpec, Precision, Route
from posezoo.spec.routes import Obstacle, describe_obstacle

#: How ``input_model`` names the folder of what upstream code made; it lies where the layout says.
UPSTREAM_RESULTS = "$made_dir"

#: What a quantization makes; they differ in how what stays in floating point is stored.
INT8_PRECISIONS = (Precision.FP16_INT8, Precision.FP32_INT8)


class Converter(Enum):
    """What makes an IR."""

    PUBLISHED = "published"  # nothing: its publisher made it
    OPENVINO = "openvino"
    MODEL_OPTIMIZER = "model_optimizer"
    QUANTIZATION = "quantization"  # made of the FP32 IR and photos, by another command


@dataclass(frozen=True, slots=True)
class Target:
    """One IR that was asked for.

    Attributes:
        precision: of the weights.
        xml: where the IR lies, or will lie; its .bin lies beside it.
        converter: what makes it.
        obstacle: why it cannot be made here; an IR that was made earlier is used in spite of it.
        agreed: what a strict lock has of this IR; None if the lock is not strict.
    """

    precision: Precision
    xml: Path
    converter: Converter
    obstacle: Obstacle | None = None
    agreed: AgreedIr | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model, and how it becomes IR.

    Attributes:
        spec: the model with our network, the inputs asked for, and the pins known so far.
        source: the model as the converter reads it: ``spec``, or what is left once upstream code has run.
        route: by what it becomes IR.
        runs_upstream_code: whether code that comes with the model runs before the converter.
        decoder: what the IR name as their decoder: the model's own, else its composite's.
        layout: where its files and IR lie.
        targets: one for each IR.
    """

    spec: ModelSpec
    source: ModelSpec
    route: Route
    runs_upstream_code: bool
    decoder: Decoder | None
    layout: ModelLayout
    targets: tuple[Target, ...]

    def error(self, obstacle: Obstacle) -> ConversionError:
        """The error of an obstacle that is in the way of something due."""
        return ConversionError(describe_obstacle(self.spec, self.route, obstacle), hint=obstacle.hint)
