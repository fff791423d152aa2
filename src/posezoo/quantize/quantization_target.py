"""The network to quantize, the model whose pipeline runs it, and whether it can be quantized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from posezoo.pose.decoders import DECODERS
from posezoo.spec.model import CompositeSpec, Decoder, Framework, ModelSpec, QuantizationSettings


@dataclass(frozen=True, slots=True)
class QuantizationTarget:
    """One network to quantize.

    Attributes:
        spec: the network's model.
        model: the model whose pipeline runs the network: itself, or the composite that it is a part of.
        irs: the FP32 .xml of each network of this pipeline, by its model's name.
        detector: the person detector of a top-down model, with the .xml of its networks; None if the model
            does not need one, or if each photo shows one person.
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
        """The network's index in the pipeline, counted from the end: -1 is the last network."""
        stages = self.model.stages if isinstance(self.model, CompositeSpec) else (self.spec.name,)
        return stages.index(self.spec.name) - len(stages)

    @property
    def decoder(self) -> Decoder | None:
        """The decoder of the pipeline's outputs."""
        return self.model.decoder

    @property
    def is_detector(self) -> bool:
        """Whether the network finds boxes, not keypoints."""
        return self.decoder is not None and self.decoder.name == "detection"

    @property
    def settings(self) -> QuantizationSettings:
        """How the network is quantized, and how much INT8 may differ from FP32."""
        return self.spec.quantization or QuantizationSettings()


def explain_unsupported(spec: ModelSpec, model: ModelSpec | CompositeSpec) -> str:
    """Why a model cannot be quantized; empty if it can."""
    if spec.quantized:
        return "its weights are quantized already"
    if spec.framework in (Framework.CAFFE, Framework.CAFFE2, Framework.MXNET):
        return f"{spec.framework} cannot be converted"
    if model.decoder is None or DECODERS.find(model.decoder.name) is None:
        return "quantization not supported: there is no decoder for its outputs"
    return ""
