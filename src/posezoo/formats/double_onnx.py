"""Rewrite an ONNX model so that ONNX Runtime computes it in double precision where it can.

In float32, ONNX Runtime adds the values of a whole image one after the other: the mean and the
variance of a normalization can then be 1e-4 off. Its sigmoid is 1e-8 where it should be 1e-40. An
IR that is more exact than that must not be refused. ONNX Runtime has no convolution in double
precision, but a convolution adds fewer values.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.convert.protobuf_reader import (
    FIXED32,
    Buffer,
    ProtobufField,
    encode_field,
    find_messages,
    read_fields,
    read_integers,
    read_texts,
    replace_fields,
)

# ONNX Runtime computes these in double precision, too.
_DOUBLE = frozenset(
    {
        "Abs", "Add", "BatchNormalization", "Cos", "Div", "Exp", "Gemm", "LayerNormalization",
        "Log", "LogSoftmax", "MatMul", "Mul", "Neg", "Pow", "RMSNormalization", "Reciprocal",
        "Relu", "Sin", "Softmax", "Sqrt", "Sub", "Tanh",
    }
)  # fmt: skip

# The same; a second input of these is the numbers of axes.
_ALONG_AXES = frozenset(
    {
        "CumSum", "LpNormalization", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
        "ReduceMean", "ReduceSum", "ReduceSumSquare",
    }
)  # fmt: skip

# From this version of ONNX's operators on, the axes of a mean are an input.
_AXES_ARE_INPUT = 18

# Of TensorProto and AttributeProto.
_DATA_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7, np.dtype(np.float64): 11}
_INTEGER, _TENSOR, _INTEGERS = 2, 4, 7


def compute_in_double(buffer: Buffer, ranks: Mapping[str, int]) -> bytes:
    """A model with the same tensors, which computes some of them in double precision.

    Args:
        buffer: the model.
        ranks: the number of axes of each tensor in float32 that a node of the graph computes, by
            its name. Nodes in the bodies of others stay as they are.
    """
    rewriting = _DoubleRewriting(buffer, ranks, _find_version(buffer))
    return b"".join(replace_fields(buffer, 7, 1, rewriting.rewrite))  # the nodes of the graph


def _find_version(buffer: Buffer) -> int:
    """The version of ONNX's own operators."""
    for imported in find_messages(buffer, 8):
        (domains,) = read_texts(buffer, imported, 1)
        for part in read_fields(buffer, imported):
            if part.number == 2 and not any(domains):
                return read_integers(buffer, part)[0]
    return 1


class _DoubleRewriting:
    """Replaces the nodes of a graph in their order."""

    def __init__(self, buffer: Buffer, ranks: Mapping[str, int], version: int) -> None:
        self._buffer = buffer
        self._ranks = ranks
        self._version = version
        # The tensors in double precision by the names of the same tensors in float32.
        self._doubles: dict[str, str] = {}
        self._new: list[bytes] = []
        self._count = 0

    def rewrite(self, node: ProtobufField) -> Iterator[bytes]:
        """The nodes that replace a node."""
        inputs, outputs, kinds, domains = read_texts(self._buffer, node, 1, 2, 4, 7)
        can_be_double = len(outputs) == 1 and outputs[0] in self._ranks and not any(domains)
        attributes = find_messages(self._buffer, 5, within=node)
        result = None
        if can_be_double:
            rank = self._ranks[outputs[0]]
            result = self._compute(kinds[-1], inputs, attributes, rank)
        if result is None:
            yield self._buffer[node.start : node.end]
            return
        self._doubles[outputs[0]] = result
        self._add("Cast", result, output=outputs[0], to=1)
        yield from self._new
        self._new.clear()

    def _compute(
        self, kind: str, inputs: Sequence[str], attributes: Sequence[ProtobufField], rank: int
    ) -> str | None:
        """Compute a node in double precision; None if that is not possible."""
        encoded = b"".join(
            encode_field(5, self._buffer[each.start : each.end]) for each in attributes
        )
        if kind in _DOUBLE:
            return self._add(kind, *map(self._to_double, inputs), attributes=encoded)
        if kind in _ALONG_AXES:
            return self._add(kind, self._to_double(inputs[0]), *inputs[1:], attributes=encoded)
        if kind == "Sigmoid":
            # In double precision, too, ONNX Runtime's own is 0 instead of 1e-17.
            power = self._add("Exp", self._add("Neg", self._to_double(inputs[0])))
            return self._add("Reciprocal", self._add("Add", power, self._constant(np.float64(1))))
        if kind == "GlobalAveragePool" and rank > 2:
            return self._mean(self._to_double(inputs[0]), rank)
        if kind == "InstanceNormalization" and rank > 2:
            return self._normalize(inputs, self._read_epsilon(attributes), rank)
        return None

    def _normalize(self, inputs: Sequence[str], epsilon: float, rank: int) -> str:
        values, scale, bias = map(self._to_double, inputs)
        shape = self._constant(np.array([-1] + [1] * (rank - 2)))
        rest = self._add("Sub", values, self._mean(values, rank))
        variance = self._mean(self._add("Mul", rest, rest), rank)
        positive = self._add("Add", variance, self._constant(np.float64(epsilon)))
        normal = self._add("Div", rest, self._add("Sqrt", positive))
        scaled = self._add("Mul", normal, self._add("Reshape", scale, shape))
        return self._add("Add", scaled, self._add("Reshape", bias, shape))

    def _read_epsilon(self, attributes: Sequence[ProtobufField]) -> float:
        for attribute in attributes:
            for part in read_fields(self._buffer, attribute):
                if part.kind == FIXED32:  # its value; a node has no other attribute of this type
                    (epsilon,) = struct.unpack("<f", self._buffer[part.start : part.end])
                    return float(epsilon)
        return 1e-5

    def _mean(self, values: str, rank: int) -> str:
        """The mean over all axes but the first two, which stay with size 1."""
        axes = range(2, rank)
        if self._version >= _AXES_ARE_INPUT:
            return self._add("ReduceMean", values, self._constant(np.array(axes)))
        numbers = b"".join(encode_field(8, axis) for axis in axes)
        attribute = encode_field(1, b"axes") + numbers + encode_field(20, _INTEGERS)
        return self._add("ReduceMean", values, attributes=encode_field(5, attribute))

    def _to_double(self, name: str) -> str:
        """The tensor in double precision; an input that is left out stays so."""
        if name and name not in self._doubles:
            self._doubles[name] = self._add("Cast", name, to=_DATA_TYPES[np.dtype(np.float64)])
        return self._doubles.get(name, "")

    def _constant(self, values: Array | np.float64) -> str:
        array = np.asarray(values)
        tensor = b"".join(encode_field(1, size) for size in array.shape)
        tensor += encode_field(2, _DATA_TYPES[array.dtype]) + encode_field(9, array.tobytes())
        value = encode_field(1, b"value") + encode_field(5, tensor) + encode_field(20, _TENSOR)
        return self._add("Constant", attributes=encode_field(5, value))

    def _add(
        self, kind: str, *inputs: str, output: str = "", attributes: bytes = b"", to: int = 0
    ) -> str:
        """Add a node; returns the name of its output.

        Args:
            attributes: its attributes, encoded.
            to: the attribute of a Cast.
        """
        self._count += 1
        output = output or f"posezoo:{self._count}"
        if to:
            attribute = encode_field(1, b"to") + encode_field(3, to) + encode_field(20, _INTEGER)
            attributes = encode_field(5, attribute)
        encoded = b"".join(encode_field(1, name.encode()) for name in inputs)
        encoded += encode_field(2, output.encode()) + encode_field(4, kind.encode()) + attributes
        self._new.append(encoded)
        return output
