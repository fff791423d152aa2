"""model.yml's ``quantization``: how a model is quantized to INT8, and how much its outputs may change."""

from __future__ import annotations

import re

from posezoo.spec.field_types import LINE, Key, integer, list_of, matching, one_of, positive, record
from posezoo.spec.model import FloatLayers, QuantizationSettings
from posezoo.spec.yaml_nodes import YamlMapping

#: The allowed target devices, as NNCF names them.
TARGET_DEVICES = ("ANY", "CPU", "GPU", "NPU", "CPU_SPR")
#: More samples take longer and do not change the result: Open Model Zoo's quantizer took 300.
MAX_SAMPLES = 10_000
#: A keypoint that moves farther is a different keypoint.
MAX_SHIFT_PX = 64.0
#: OpenVINO's names of operations: Convolution, MVN, ROIPooling.
OPERATION = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")


def _check_layers(fields: YamlMapping, layers: FloatLayers) -> None:
    if not layers.layers and not layers.types:
        raise fields.node.make_error("names no layers: give layers or types")


FLOAT_LAYERS = record(
    FloatLayers,
    Key("layers", list_of(LINE), note="Globs of names in the FP32 IR."),
    Key(
        "types",
        list_of(matching(OPERATION, "an operation such as MVN", numbers=False)),
        note="OpenVINO's operations.",
    ),
    Key("reason", LINE, required=True),
    check=_check_layers,
    schema={
        "anyOf": [{"required": [key], "properties": {key: {"minItems": 1}}} for key in ("layers", "types")]
    },
)
QUANTIZATION = record(
    QuantizationSettings,
    Key("preset", one_of(("performance", "mixed"))),
    Key("subset_size", integer(1, MAX_SAMPLES), note="The most samples to calibrate on."),
    Key("model_type", one_of(("transformer",))),
    Key("max_shift_px", positive(MAX_SHIFT_PX)),
    Key("min_agreement", positive(1.0)),
    Key("in_float", list_of(FLOAT_LAYERS), note="What stays in floating point, and why."),
)
