"""Read the inputs and outputs of a network from its file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posezoo.ir.openvino_import import error_text, import_openvino
from posezoo.spec.model import Input, Output

#: Possible numbers of channels of an image; this is the first or the last size after the batch.
_CHANNELS = (1, 3, 4)


def read_ports(path: Path) -> tuple[tuple[Input, ...], tuple[Output, ...], str]:
    """Read the inputs and outputs of a network.

    Args:
        path: a file that OpenVINO reads: .xml, .onnx, .tflite, .pb.

    Returns:
        The inputs, the outputs, and the reason why they could not be read (empty if they were read).

    Raises:
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    try:
        network = import_openvino().Core().read_model(path)
    except RuntimeError as error:
        return (), (), error_text(error)
    inputs = tuple(
        Input(name, shape, _guess_layout(shape)) for name, shape in _describe(network.inputs, "input")
    )
    outputs = tuple(Output(name, shape) for name, shape in _describe(network.outputs, "output"))
    return inputs, outputs, ""


def _describe(ports: list[Any], kind: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The name and the shape of each port; -1 means a dynamic size."""
    for index, port in enumerate(ports):
        # TensorFlow calls the first output of an operation x "x:0"; converters call it "x".
        names = {name.removesuffix(":0") for name in port.get_names()} or {f"{kind}_{index}"}
        shape = port.get_partial_shape()
        sizes = (
            (size.get_length() if size.is_static else -1 for size in shape) if shape.rank.is_static else ()
        )
        yield min(names, key=lambda name: (len(name), name)), tuple(sizes)


def _guess_layout(shape: tuple[int, ...]) -> str:
    """The layout of an image; empty if the shape is not an image's shape, or fits both layouts."""
    if len(shape) != 4 or (shape[1] in _CHANNELS) == (shape[3] in _CHANNELS):
        return ""
    return "NCHW" if shape[1] in _CHANNELS else "NHWC"
