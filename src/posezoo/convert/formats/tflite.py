"""TFLite models; Google's LiteRT computes their reference outputs."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.convert.formats import (
    ModelFormat,
    ReferenceRuntime,
    Shape,
    cut_at_tensors,
    import_runtime,
    read_array,
)
from posezoo.spec.model import ModelSpec
from posezoo.versions import package_version

if TYPE_CHECKING:
    from posezoo.arrays import Array

_MODULE = "ai_edge_litert.interpreter"


def is_tflite(path: Path) -> bool:
    """Whether a FlatBuffers file has TFLite's identifier, "TFL3", after the first offset
    (schema.fbs).
    """
    with open(path, "rb") as stream:
        return stream.read(8)[4:] == b"TFL3"


def _read_constants(_spec: ModelSpec, path: Path) -> Iterator[Array]:
    """The float constants, read from the tables of FlatBuffers (schema.fbs)."""
    content = path.read_bytes()

    def number(kind: str, at: int) -> int:
        return int(struct.unpack_from(f"<{kind}", content, at)[0])

    def find_field(table: int, index: int) -> int:
        """The position of a table's field; 0 if it has its default."""
        offsets = table - number("i", table)
        place = 4 + 2 * index
        offset = 0
        if place < number("H", offsets):
            offset = number("H", offsets + place)
        return table + offset if offset else 0

    def read_vector(table: int, index: int) -> range:
        """The positions of the elements, each of 4 bytes."""
        field = find_field(table, index)
        if not field:
            return range(0)
        start = field + number("I", field)
        return range(start + 4, start + 4 + 4 * number("I", start), 4)

    model = number("I", 0)
    buffers = [at + number("I", at) for at in read_vector(model, 4)]
    graphs = [at + number("I", at) for at in read_vector(model, 2)]
    for tensor in (at + number("I", at) for graph in graphs for at in read_vector(graph, 0)):
        kind = number("b", field) if (field := find_field(tensor, 1)) else 0
        shape = [number("i", at) for at in read_vector(tensor, 0)]
        field = find_field(tensor, 2)
        data = find_field(buffers[number("I", field)], 0) if field else 0
        if not data or kind > 1:  # FLOAT32 is 0, FLOAT16 is 1
            continue
        start = data + number("I", data)
        end = start + 4 + number("I", start)
        yield from read_array(path, start + 4, end, ("<f4", "<f2")[kind], shape)


def _open_runtime(
    _spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]
) -> ReferenceRuntime | None:
    module = import_runtime(_MODULE)
    if module is None:
        return None
    import numpy as np

    interpreter = module.Interpreter(
        model_path=str(path),
        # The default delegate is faster and less exact.
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    for port in interpreter.get_input_details():
        shape = tuple(port["shape"])
        size = sizes.get(port["name"], shape)
        if size != shape:
            interpreter.resize_tensor_input(port["index"], size)
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()
    outputs = interpreter.get_output_details()
    signatures = {}
    for port in inputs:
        shape = tuple(map(int, port["shape"]))
        signatures[port["name"]] = shape, np.dtype(port["dtype"])

    def run(feed: Mapping[str, Array]) -> dict[str, Array]:
        for port in inputs:
            interpreter.set_tensor(port["index"], feed[port["name"]])
        interpreter.invoke()
        return {port["name"]: interpreter.get_tensor(port["index"]) for port in outputs}

    name = f"LiteRT {package_version('ai-edge-litert')}"
    return ReferenceRuntime(name, signatures, [port["name"] for port in outputs], run)


TFLITE = ModelFormat(
    "a TFLite model",
    is_tflite,
    frontend="tflite",
    image_layout="NHWC",
    endings=(".tflite",),
    cut_before_conversion=cut_at_tensors,
    runtime_module=_MODULE,
    open_runtime=_open_runtime,
    read_constants=_read_constants,
)
