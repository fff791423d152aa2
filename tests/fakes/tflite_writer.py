"""Write TFLite files, with the classes of the schema that come with LiteRT."""

from __future__ import annotations

from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tflite

Array = np.ndarray

#: The versions of operators with what is used in tests, where it is not the first.
_VERSIONS = {
    "RESIZE_BILINEAR": 3, "RESIZE_NEAREST_NEIGHBOR": 3, "TRANSPOSE_CONV": 4, "DEQUANTIZE": 3,
}  # fmt: skip


class TfliteWriter:
    """One graph."""

    def __init__(self, *, open_axis: int | None = None) -> None:
        """``open_axis`` may have any size in all tensors that are computed."""
        self.open_axis = open_axis
        self.tensors: list[tflite.TensorT] = []
        self.operators: list[tflite.OperatorT] = []
        self.codes: dict[str, tflite.OperatorCodeT] = {}
        self.buffers = [tflite.BufferT()]  # the first one is empty by convention: "no data"

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        values: Array | None = None,
        *,
        dtype: str = "float32",
        scales: Sequence[float] = (),
        zero: int = 0,
    ) -> int:
        """The number of a new tensor: a constant if it has values, quantized if it has scales."""
        tensor = tflite.TensorT()
        tensor.name, tensor.shape = name, list(shape)
        tensor.type = getattr(tflite.TensorType, dtype.upper())
        tensor.buffer = 0
        if self.open_axis is not None and values is None:
            tensor.shapeSignature = list(shape)
            tensor.shapeSignature[self.open_axis] = -1
        if values is not None:
            buffer = tflite.BufferT()
            buffer.data = np.frombuffer(values.astype(dtype).tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        if scales:
            quantization = tflite.QuantizationParametersT()
            quantization.scale = list(scales)
            quantization.zeroPoint = [zero] * len(scales)
            tensor.quantization = quantization
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(
        self, kind: str, options: object | None, inputs: Sequence[int], outputs: Sequence[int]
    ) -> None:
        """Add an operator of the schema, with an object of its class of options if it has one."""
        operator = self._add(kind, inputs, outputs)
        if options is None:
            return
        name = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(tflite.BuiltinOptions, name)
        operator.builtinOptions = options

    def custom_operator(
        self, name: str, content: bytes, inputs: Sequence[int], outputs: Sequence[int]
    ) -> None:
        operator = self._add("CUSTOM", inputs, outputs)
        operator.customOptions = np.frombuffer(content, np.uint8)
        self.codes["CUSTOM"].customCode = name

    def _add(self, kind: str, inputs: Sequence[int], outputs: Sequence[int]) -> tflite.OperatorT:
        if kind not in self.codes:
            code = tflite.OperatorCodeT()
            code.builtinCode = getattr(tflite.BuiltinOperator, kind)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            code.version = _VERSIONS.get(kind, 1)
            self.codes[kind] = code
        operator = tflite.OperatorT()
        operator.opcodeIndex = list(self.codes).index(kind)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        self.operators.append(operator)
        return operator

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The content of the file."""
        graph = tflite.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs, graph.name = list(inputs), list(outputs), "main"
        model = tflite.ModelT()
        model.version = 3
        model.operatorCodes = list(self.codes.values())
        model.subgraphs = [graph]
        model.buffers = self.buffers
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def options_of(kind: str, **fields: object) -> object:
    """The options of a class of the schema."""
    options = getattr(tflite, f"{kind}T")()
    for name, value in fields.items():
        assert hasattr(options, name), name
        setattr(options, name, value)
    return options
