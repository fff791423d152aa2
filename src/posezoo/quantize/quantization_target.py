"""What is to be quantized: one network, the model whose pipeline asks it, and how its outputs are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from posezoo.errors import QuantizationError
from posezoo.pose.decoders import DECODERS
from posezoo.spec.model import CompositeSpec, Decoder, Framework, ModelSpec, QuantizationSettings


@dataclass(frozen=True, slots=True)
class QuantizationTarget:
    """One network to be quantized.

    Attributes:
        spec: the model that it is.
        model: whose pipeline asks it: the model itself, or the composite that it is a part of.
        irs: the FP32 .xml of each network of that pipeline by its model's name.
        detector: who finds people for a network that sees one at a time, with the .xml of its networks; None
            where it needs nobody, or each photo shows one person.
    """

    spec: ModelSpec
    model: ModelSpec | CompositeSpec
    irs: Mapping[str, Path]
    detector: tuple[ModelSpec | CompositeSpec, Mapping[str, Path]] | None = None

    @property
    def fp32_xml(self) -> Path:
        """The FP32 IR."""
        return self.irs[self.spec.name]

    @property
    def network_index(self) -> int:
        """Where the network stands in the pipeline, from its end: -1 is the last one."""
        stages = self.model.stages if isinstance(self.model, CompositeSpec) else (self.spec.name,)
        return stages.index(self.spec.name) - len(stages)

    @property
    def decoder(self) -> Decoder | None:
        """How the pipeline's outputs become poses."""
        return self.model.decoder

    @property
    def quantization_settings(self) -> QuantizationSettings:
        """How it is quantized."""
        return self.spec.quantization or QuantizationSettings()


def explain_unsupported(spec: ModelSpec, model: ModelSpec | CompositeSpec) -> str:
    """Why a model cannot be quantized here; empty where it can."""
    if spec.quantized:
        return "its weights are quantized already"
    if spec.framework in (Framework.CAFFE, Framework.CAFFE2, Framework.MXNET):
        return f"no conversion reads {spec.framework}"
    if model.decoder is None or DECODERS.find(model.decoder.name) is None:
        return "quantization not supported: nobody knows how its outputs become poses or boxes"
    return ""


def require_quantizable(spec: ModelSpec, model: ModelSpec | CompositeSpec) -> None:
    """Make sure that a model can be quantized.

    Raises:
        QuantizationError: it cannot.
    """
    if reason := explain_unsupported(spec, model):
        raise QuantizationError(f"{spec.full_name}: is not quantized: {reason}")
