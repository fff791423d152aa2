"""Rewrite an ONNX model so that ONNX Runtime computes it in double precision where it can.

In float32, ONNX Runtime adds the values of a whole image one after the other: the mean and the
variance of a normalization can then be 1e-4 off. Its sigmoid is 1e-8 where it should be 1e-40. An
IR that is more exact must not be refused. It has no convolution in double precision, but a
convolution adds fewer values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import import_optional

if TYPE_CHECKING:
    from onnx import AttributeProto, NodeProto

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


def compute_in_double(content: bytes, ranks: Mapping[str, int]) -> bytes:
    """A model with the same tensors, which computes some of them in double precision.

    Args:
        ranks: the number of axes of each tensor in float32 that a node of the graph computes; nodes
            in bodies stay as they are.

    Raises:
        MissingPackageError: the package onnx is not installed.
    """
    onnx = import_optional("onnx", extra="convert")
    model = onnx.load_from_string(content)
    versions = {each.domain: each.version for each in model.opset_import}
    rewriting = _DoubleRewriting(onnx, ranks, versions.get("", 1))
    nodes = [new for node in model.graph.node for new in rewriting.rewrite(node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    rewritten: bytes = model.SerializeToString()
    return rewritten


class _DoubleRewriting:
    """Replaces the nodes of a graph in their order.

    Args:
        version: of ONNX's own operators.
    """

    def __init__(self, onnx: ModuleType, ranks: Mapping[str, int], version: int) -> None:
        self._onnx = onnx
        self._ranks = ranks
        self._version = version
        # The tensors in double precision by the names of the same tensors in float32.
        self._doubles: dict[str, str] = {}
        self._new: list[NodeProto] = []
        self._count = 0

    def rewrite(self, node: NodeProto) -> Iterator[NodeProto]:
        result = None
        if len(node.output) == 1 and node.output[0] in self._ranks and not node.domain:
            result = self._compute(node, self._ranks[node.output[0]])
        if result is None:
            yield node
            return
        self._doubles[node.output[0]] = result
        self._add("Cast", result, output=node.output[0], to=self._onnx.TensorProto.FLOAT)
        yield from self._new
        self._new.clear()

    def _compute(self, node: NodeProto, rank: int) -> str | None:
        kind = node.op_type
        if kind in _DOUBLE:
            return self._add(kind, *map(self._to_double, node.input), copied=node.attribute)
        if kind in _ALONG_AXES:
            values, *axes = node.input
            return self._add(kind, self._to_double(values), *axes, copied=node.attribute)
        if kind == "Sigmoid":
            # In double precision, too, ONNX Runtime's own is 0 instead of 1e-17.
            power = self._add("Exp", self._add("Neg", self._to_double(node.input[0])))
            return self._add("Reciprocal", self._add("Add", power, self._constant(np.float64(1))))
        if kind == "GlobalAveragePool" and rank > 2:
            return self._mean(self._to_double(node.input[0]), rank)
        if kind == "InstanceNormalization" and rank > 2:
            given = (each.f for each in node.attribute if each.name == "epsilon")
            return self._normalize(node.input, next(given, 1e-5), rank)
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

    def _mean(self, values: str, rank: int) -> str:
        """The mean over all axes but the first two, which stay with size 1."""
        axes = range(2, rank)
        if self._version >= _AXES_ARE_INPUT:
            return self._add("ReduceMean", values, self._constant(np.array(axes)))
        return self._add("ReduceMean", values, axes=axes)

    def _to_double(self, name: str) -> str:
        """The tensor in double precision; an input that is left out stays so."""
        if name and name not in self._doubles:
            self._doubles[name] = self._add("Cast", name, to=self._onnx.TensorProto.DOUBLE)
        return self._doubles.get(name, "")

    def _constant(self, values: Array | np.float64) -> str:
        value = self._onnx.numpy_helper.from_array(np.asarray(values))
        return self._add("Constant", value=value)

    def _add(
        self,
        kind: str,
        *inputs: str,
        output: str = "",
        copied: Iterable[AttributeProto] = (),
        **attributes: Any,
    ) -> str:
        """Add a node; returns the name of its output. ``copied`` are attributes of another node."""
        self._count += 1
        output = output or f"posezoo:{self._count}"
        node = self._onnx.helper.make_node(kind, inputs, [output], **attributes)
        node.attribute.extend(copied)
        self._new.append(node)
        return output
