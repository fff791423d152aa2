"""A model with all decisions that can be made without reading its files; these classes can be
pickled.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path

from posezoo.core.declarations.model import Decoder, ModelSpec, Precision, Route
from posezoo.core.declarations.routes import Obstacle, describe_obstacle
from posezoo.core.errors import ConversionError
from posezoo.core.layout import ModelLayout
from posezoo.core.lockfile import AgreedIr
from posezoo.core.values import frozen

#: In ``input_model``, this stands for the folder with the results of upstream code
#: (``layout.conversions``).
UPSTREAM_RESULTS = "$made_dir"

#: The precisions that quantization makes; they differ in the type of the values that stay floating
#: point.
INT8_PRECISIONS = (Precision.FP16_INT8, Precision.FP32_INT8)


class Converter(Enum):
    """What makes an IR."""

    PUBLISHED = "published"  # its publisher made it; there is nothing to convert
    OPENVINO = "openvino"
    MODEL_OPTIMIZER = "model_optimizer"
    QUANTIZATION = "quantization"  # made from the FP32 IR and photos, by another command


@frozen
class Target:
    """One requested IR."""

    precision: Precision
    xml: Path  # the path of the .xml, which may not exist yet; its .bin is in the same folder
    converter: Converter
    #: Why it cannot be made here; an IR that was made earlier is still used.
    obstacle: Obstacle | None = None
    #: The entry of a strict lock for this IR; None if the lock is not strict.
    agreed: AgreedIr | None = None


@frozen
class Resolved:
    """A model, and how it is converted to IR."""

    spec: ModelSpec  # the model with our network, the requested inputs, and the pins known so far
    #: The model that the converter reads: ``spec``, or what upstream code makes of it.
    source: ModelSpec
    route: Route  # the way in which it becomes IR
    runs_upstream_code: bool  # whether code that comes with the model runs before the converter
    #: The decoder that the IR name: the model's own; if it has none, its composite's.
    decoder: Decoder | None
    layout: ModelLayout  # the folders of its files and IR
    targets: tuple[Target, ...]  # one for each requested IR
    #: An IR of the model, as if it was published, that is read instead of ``source``.
    base: ModelSpec | None = None
    not_compared: str = ""  # why ``base`` was not compared with its original; empty if it was
    has_own_inputs: bool = False  # whether inputs or outputs are requested, not model.yml's own

    @property
    def read_model(self) -> ModelSpec:
        """The model whose files are read to make an IR."""
        return self.base or self.source

    @property
    def published_precisions(self) -> list[Precision] | None:
        """The precisions whose published files are needed; None for all files."""
        if not self.spec.is_ir:
            return None
        return [target.precision for target in self.targets]

    def source_of(self, target: Target) -> ModelSpec:
        """The model that is read to make an IR; of a published one, only the IR of the same
        precision.
        """
        if not self.source.is_ir:
            return self.source
        files = tuple(
            file for file in self.source.files if file.name.startswith(f"{target.precision}/")
        )
        xml = next((file.name for file in files if file.name.endswith(".xml")), "")
        return replace(self.source, files=files, input_model=xml)

    def error(self, obstacle: Obstacle) -> ConversionError:
        """The error to raise if an obstacle prevents an IR that has to be made."""
        return ConversionError(
            describe_obstacle(self.spec, self.route, obstacle), hint=obstacle.hint
        )
