"""model.yml's ``quantization``: how a model becomes INT8, and how far its answers may move."""

from __future__ import annotations

import re

from posezoo.spec.field_types import read_line, read_list, read_matching
from posezoo.spec.model import FloatLayers, QuantizationSettings
from posezoo.spec.yaml_nodes import YamlNode

PRESETS = ("performance", "mixed")
MODEL_TYPES = ("transformer",)
#: What a model may be quantized for, in NNCF's words.
TARGET_DEVICES = ("ANY", "CPU", "GPU", "NPU", "CPU_SPR")
KEYS = ("preset", "subset_size", "model_type", "max_shift_px", "min_agreement", "in_float")
#: More samples take longer and change nothing: Open Model Zoo's quantizer took 300.
MAX_SAMPLES = 10_000
#: A keypoint that moves farther is another one.
MAX_SHIFT_PX = 64.0
#: As OpenVINO calls operations: Convolution, MVN, ROIPooling.
OPERATION = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")


def read_quantization(node: YamlNode | None) -> QuantizationSettings | None:
    """The settings that a model.yml declares; None where it declares none.

    Raises:
        SpecError: one cannot be meant.
    """
    if node is None:
        return None
    fields, default = node.as_mapping(KEYS), QuantizationSettings()
    preset, model_type, size = (fields.get(key) for key in ("preset", "model_type", "subset_size"))
    shift, agreement = fields.get("max_shift_px"), fields.get("min_agreement")
    return QuantizationSettings(
        preset=preset.choice(PRESETS) if preset is not None else default.preset,
        subset_size=size.integer(minimum=1, maximum=MAX_SAMPLES) if size is not None else default.subset_size,
        model_type=model_type.choice(MODEL_TYPES) if model_type is not None else default.model_type,
        max_shift_px=_within(shift, MAX_SHIFT_PX) if shift is not None else default.max_shift_px,
        min_agreement=_within(agreement, 1.0) if agreement is not None else default.min_agreement,
        in_float=read_list(fields.get("in_float"), _in_float),
    )


def _in_float(node: YamlNode) -> FloatLayers:
    fields = node.as_mapping(("layers", "types", "reason"))
    found = FloatLayers(
        reason=read_line(fields["reason"]),
        layers=read_list(fields.get("layers"), read_line),
        types=read_list(
            fields.get("types"), lambda each: read_matching(each, OPERATION, "an operation such as MVN")
        ),
    )
    if not found.layers and not found.types:
        raise node.make_error("names no layers: layers or types says which")
    return found


def _within(node: YamlNode, maximum: float) -> float:
    value = node.number()
    if not 0 < value <= maximum:
        raise node.make_error(f"expected a number above 0, at most {maximum:g}, got {value:g}")
    return value
