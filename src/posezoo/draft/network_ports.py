"""What goes into a network and what comes out, read from its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from posezoo.ir.openvino_import import error_text, import_openvino
from posezoo.spec.model import Input, Output

#: Channels of a picture: of the sizes behind the batch, the first or the last is one of these.
_CHANNELS = (1, 3, 4)


def read_ports(path: Path) -> tuple[tuple[Input, ...], tuple[Output, ...], str]:
    """Inputs and outputs of a network, and why they could not be read; empty where they could.

    Args:
        path: a file that OpenVINO reads: .xml, .onnx, .tflite, .pb.

    Raises:
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    try:
        network = import_openvino().Core().read_model(path)
    except RuntimeError as error:
        return (), (), error_text(error)
    inputs = tuple(
        Input(name, shape, _layout(shape))
        for name, shape in map(_to_input_or_output, network.inputs, _names("input"))
    )
    outputs = tuple(
        Output(name, shape) for name, shape in map(_to_input_or_output, network.outputs, _names("output"))
    )
    return inputs, outputs, ""


def _names(kind: str) -> Any:
    number = 0
    while True:
        yield f"{kind}_{number}"
        number += 1


def _to_input_or_output(port: Any, otherwise: str) -> tuple[str, tuple[int, ...]]:
    # TensorFlow's x:0 is the first output of x, which converters call x.
    names = sorted({name.removesuffix(":0") for name in port.get_names()}, key=lambda name: (len(name), name))
    shape = port.get_partial_shape()
    sizes = (
        tuple(size.get_length() if size.is_static else -1 for size in shape) if shape.rank.is_static else ()
    )
    return (names[0] if names else otherwise), sizes


def _layout(shape: tuple[int, ...]) -> str:
    """A picture's layout; empty where it is none, or where both could be."""
    if len(shape) != 4:
        return ""
    if shape[1] in _CHANNELS and shape[3] not in _CHANNELS:
        return "NCHW"
    return "NHWC" if shape[3] in _CHANNELS and shape[1] not in _CHANNELS else ""
