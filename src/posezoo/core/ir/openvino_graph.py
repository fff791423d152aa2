"""OpenVINO's types and operations, for modules that build graphs; it imports OpenVINO itself."""

from posezoo.core.ir.openvino_import import import_openvino

import_openvino()

from openvino import (  # noqa: E402
    Model,
    Node,
    Output,
    Type,
    opset1,
    opset8,
    opset11,
    opset13,
    opset14,
)

__all__ = [
    "Model",
    "Node",
    "Output",
    "Type",
    "opset1",
    "opset8",
    "opset11",
    "opset13",
    "opset14",
]
