"""The nodes and constants of an ONNX file, added operation by operation of an OpenVINO network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import ConversionError, sanitize
from posezoo.core.ir.openvino_import import static_sizes

if TYPE_CHECKING:
    from openvino import Node, Output, Type

#: The type of values, a name in ONNX's TensorProto, by that of OpenVINO. OpenVINO's CPU plugin
#: computes half floats as floats, too.
_TYPES = {
    "boolean": "BOOL",
    "f16": "FLOAT",
    "f32": "FLOAT",
    "f64": "FLOAT",
    "i32": "INT32",
    "i64": "INT64",
    "i8": "INT8",
    "u8": "UINT8",
    # Places, which ONNX has as int64.
    "u64": "INT64",
}

#: Constants with as many values are stored as half floats, if these have the same values.
_MANY = 256


class OnnxGraph:
    """Nodes in their order, and their constants; ``functions`` are the operations of ONNX that the
    file defines itself, ``kept`` the names of tensors that stay.
    """

    def __init__(self, onnx: Any, functions: Collection[str], kept: Collection[str]) -> None:
        self._onnx = onnx
        self._functions = functions
        self._kept = kept
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self._tensors: dict[tuple[str, int], str] = {}
        self._names: set[str] = set()

    def begin(self, node: Node) -> None:
        """The next operation of OpenVINO that is written, which errors name."""
        self.node = node
        self.attributes: dict[str, Any] = node.get_attributes()

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: object) -> str:
        """A node with new outputs; the name of the first is returned, and is that of the node."""
        name = self._make_name(kind, len(self.nodes))
        names = [name, *(f"{name}:{number}" for number in range(1, outputs))]
        domain = "posezoo" if kind in self._functions else ""
        make_node = self._onnx.helper.make_node
        node = make_node(kind, inputs, names, name, domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def _make_name(self, kind: str, number: int) -> str:
        name = f"{kind}:{number}"
        while name in self._kept:  # TensorFlow names tensors so
            name = f"_{name}"
        return name

    def constant(self, values: Any) -> str:
        """Numbers as float32, whole numbers as int64."""
        array = np.asarray(values)
        return self._store(array.astype(np.int64 if array.dtype.kind in "iu" else np.float32))

    @property
    def input_shape(self) -> list[int]:
        """The sides of the operation's first input, which are known."""
        return list(self.node.get_input_shape(0))

    @property
    def output_shape(self) -> list[int]:
        """The sides of its first output, which are known."""
        return list(self.node.get_output_shape(0))

    @property
    def rank(self) -> int:
        """The number of axes of the operation's first output."""
        return len(self.node.get_output_partial_shape(0))

    def make_error(self, problem: str) -> ConversionError:
        """An error that names the layer."""
        name = sanitize(self.node.get_friendly_name())
        return ConversionError(f"layer {name} ({self.node.get_type_name()}): {problem}")

    def require(self, **wanted: Sequence[object]) -> None:
        """Check that attributes of the operation have one of these values.

        Raises:
            ConversionError: an attribute has another value.
        """
        for name, values in wanted.items():
            value = self.attributes.get(name)
            if name in self.attributes and value not in values:
                raise self.make_error(f"its {name} {value!r} cannot be written as ONNX")

    def constant_of(self, number: int) -> Array:
        """The values of a constant that the operation reads.

        Raises:
            ConversionError: it reads something that is computed.
        """
        source = self.node.input_value(number).get_node()
        if source.get_type_name() != "Constant":
            raise self.make_error(f"its input {number} must be a constant to be written as ONNX")
        values: Array = source.data
        return values

    def axes(self) -> str:
        """The name of a tensor with the operation's axes, which are its second input."""
        return self.constant(self.constant_of(1).reshape(-1))

    def input(self, number: int = 0) -> str:
        """The tensor that the operation reads.

        Raises:
            ConversionError: a constant has values of a type that is not written.
        """
        source = self.node.input_value(number)
        place = _place(source)
        if place not in self._tensors:  # a constant that nothing has read yet
            values = self.constant_of(number)
            self._tensors[place] = self._store_as(source.get_element_type(), values)
        return self._tensors[place]

    def inputs(self) -> list[str]:
        """All tensors that the operation reads."""
        return [self.input(number) for number in range(self.node.get_input_size())]

    def wide_input(self, number: int) -> str:
        """The same as int64, as ONNX needs it for numbers of values, and for sides."""
        return self.add("Cast", self.input(number), to=self._onnx.TensorProto.INT64)

    def scalar(self, value: float) -> str:
        """A number of the type of the operation's first output."""
        return self._store_as(self.node.get_output_element_type(0), np.asarray(value))

    def _store_as(self, element_type: Type, values: Array) -> str:
        dtype = self._onnx.helper.tensor_dtype_to_np_dtype(self.type_of(element_type))
        return self._store(values.astype(dtype))

    def _store(self, array: Array) -> str:
        name = self._make_name("constant", len(self.constants))
        self.constants[name] = array
        if array.dtype != np.float32 or array.size < _MANY:
            return name
        with np.errstate(over="ignore"):
            halves = array.astype(np.float16)
        if not np.array_equal(halves, array):
            return name
        self.constants[name] = halves
        return self.add("Cast", name, to=self._onnx.TensorProto.FLOAT)

    def set_outputs(self) -> None:
        """The last node computes what the operation computes; its outputs get the names that they
        have there.
        """
        made = self.nodes[-1].output
        # MaxPool of OpenVINO has a second output, which no layer reads.
        for number, output in enumerate(self.node.outputs()[: len(made)]):
            if output.names and output.any_name not in self._names:
                made[number] = output.any_name
                self._names.add(output.any_name)
            self._tensors[_place(output)] = made[number]

    def add_input(self, parameter: Node) -> None:
        """A Parameter of OpenVINO, under its name."""
        name = parameter.output(0).any_name
        self._names.add(name)
        self._tensors[_place(parameter.output(0))] = name

    def type_of(self, element_type: Type) -> int:
        """ONNX's number of a type of values.

        Raises:
            ConversionError: it is not written.
        """
        name = element_type.to_string()
        if name not in _TYPES:
            raise self.make_error(f"values of the type {name} cannot be written as ONNX")
        number: int = self._onnx.TensorProto.DataType.Value(_TYPES[name])
        return number

    def describe_port(self, port: Output) -> Any:
        """The name, type and sizes of an input or output of the network, as ONNX has them."""
        sizes = [size if size >= 0 else None for size in static_sizes(port.get_partial_shape())]
        self.begin(port.get_node())
        element_type = self.type_of(port.get_element_type())
        return self._onnx.helper.make_tensor_value_info(port.get_any_name(), element_type, sizes)


#: Adds the nodes that compute what the graph's operation of OpenVINO computes; its outputs are
#: those of the last.
Writer = Callable[[OnnxGraph], None]


def _place(output: Output) -> tuple[str, int]:
    return output.get_node().get_name(), output.get_index()


def rename(kind: str, *attributes: str, **fixed: Any) -> Writer:
    """An operation that ONNX also has, with the attributes of these names, and fixed ones."""

    def write(graph: OnnxGraph) -> None:
        graph.require(auto_broadcast=("numpy", "none"), reduction=("none",))
        named = {name: graph.attributes[name] for name in attributes}
        graph.add(kind, *graph.inputs(), **named, **fixed)

    return write
