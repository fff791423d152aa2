"""Write a network that posezoo's readers of Caffe and Darknet built as ONNX.

They build it of few of OpenVINO's operations, and its sizes are static: ``_OPERATIONS`` has what
each becomes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import ConversionError, import_optional, sanitize
from posezoo.core.ir.openvino_import import fold_constants
from posezoo.core.versions import version

if TYPE_CHECKING:
    from openvino import Model, Node, Output

# Also has the opset: 18, the first with Mish, which ONNX Runtime reads since 1.14, and OpenCV 5.
_FUNCTIONS = Path(__file__).with_name("onnx_functions.txt")


class _Graph:
    """Nodes in their order, with the constants that they read."""

    def __init__(self, make_node: Callable[..., Any], functions: Collection[str]) -> None:
        self._make_node = make_node
        self._functions = functions
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self._tensors: dict[tuple[str, int], str] = {}

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: object) -> str:
        """A node with new outputs; the name of the first is returned, and is that of the node."""
        name = f"{kind}:{len(self.nodes)}"
        names = [name, *(f"{name}:{number}" for number in range(1, outputs))]
        domain = "posezoo" if kind in self._functions else ""
        node = self._make_node(kind, inputs, names, name, domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def constant(self, values: Any) -> str:
        """Numbers as float32, whole numbers as int64."""
        array = np.asarray(values)
        name = f"constant:{len(self.constants)}"
        self.constants[name] = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        return name

    def input(self, node: Node, number: int = 0) -> str:
        """The tensor that an operation of OpenVINO reads."""
        source = node.input_value(number)
        if source.get_node().get_type_name() == "Constant":
            return self.constant(source.get_node().data)
        return self._tensors[_place(source)]

    def set_outputs(self, node: Node) -> None:
        """The last node computes what an operation of OpenVINO computes; its outputs get the names
        that they have there.
        """
        made = self.nodes[-1].output
        # MaxPool of OpenVINO has a second output, which no layer reads.
        for number, output in enumerate(node.outputs()[: len(made)]):
            if output.names:
                made[number] = output.any_name
            self._tensors[_place(output)] = made[number]

    def add_input(self, parameter: Node) -> None:
        self._tensors[_place(parameter.output(0))] = parameter.output(0).any_name


#: Adds the nodes that compute what an operation of OpenVINO computes; its outputs are those of the
#: last.
_Writer = Callable[[_Graph, "Node"], None]


def _place(output: Output) -> tuple[str, int]:
    return output.get_node().get_name(), output.get_index()


def write_onnx(network: Model, metadata: Mapping[str, str]) -> bytes:
    """The content of an ONNX file, whose inputs and outputs have the network's names and sizes.

    Args:
        network: an ``openvino.Model`` of static sizes; parts that read no input become constants.
        metadata: further facts for the file, by their names.

    Raises:
        ConversionError: an operation cannot be written; the error names the layer.
        MissingPackageError: the package onnx is not installed.
    """
    onnx = import_optional("onnx", extra="convert")
    inliner = import_optional("onnx.inliner", extra="convert")
    fold_constants(network)
    model = onnx.parser.parse_model(_FUNCTIONS.read_text("utf-8"))
    graph = _Graph(onnx.helper.make_node, [function.name for function in model.functions])
    for node in network.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Parameter":
            graph.add_input(node)
        elif kind not in ("Constant", "Result"):
            if kind not in _OPERATIONS:
                raise _make_error(node, "cannot be written as ONNX")
            _OPERATIONS[kind](graph, node)
            graph.set_outputs(node)
    inputs, outputs = (
        [
            onnx.helper.make_tensor_value_info(port.any_name, onnx.TensorProto.FLOAT, port.shape)
            for port in ports
        ]
        for ports in (network.inputs, network.outputs)
    )
    constants = [
        onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()
    ]
    model.graph.CopyFrom(
        onnx.helper.make_graph(
            graph.nodes, network.get_friendly_name(), inputs, outputs, initializer=constants
        )
    )
    model.producer_name = "posezoo"
    model.producer_version = version()
    onnx.helper.set_model_props(model, metadata)
    model = inliner.inline_local_functions(model)
    del model.opset_import[1:]  # that of the functions
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _make_error(node: Node, problem: str) -> ConversionError:
    name = sanitize(node.get_friendly_name())
    return ConversionError(f"layer {name} ({node.get_type_name()}): {problem}")


def _rename(kind: str, *attributes: str) -> _Writer:
    """An operation that ONNX also has, with the attributes of these names."""

    def write(graph: _Graph, node: Node) -> None:
        inputs = [graph.input(node, number) for number in range(node.get_input_size())]
        values = node.get_attributes()
        graph.add(kind, *inputs, **{name: values[name] for name in attributes})

    return write


def _constant_of(node: Node, number: int) -> Array:
    """The values of a constant that an operation reads."""
    values: Array = node.input_value(number).get_node().data
    return values


def _write_convolution(graph: _Graph, node: Node) -> None:
    kind = node.get_type_name()
    attributes = node.get_attributes()
    weights = _constant_of(node, 1)
    groups = 1
    if kind.startswith("Group"):
        groups = len(weights)
        weights = weights.reshape(-1, *weights.shape[2:])
    graph.add(
        "ConvTranspose" if "Backprop" in kind else "Conv",
        graph.input(node),
        graph.constant(weights),
        strides=attributes["strides"],
        pads=attributes["pads_begin"] + attributes["pads_end"],
        dilations=attributes["dilations"],
        group=groups,
    )


def _write_pooling(graph: _Graph, node: Node) -> None:
    attributes = node.get_attributes()
    begin = attributes["pads_begin"]
    window = {"kernel_shape": attributes["kernel"], "strides": attributes["strides"]}
    # The padding that the last window reaches, instead of a mode of rounding.
    sizes = zip(node.get_input_shape(0)[2:], node.get_output_shape(0)[2:], begin, strict=True)
    end = [
        max(0, (count - 1) * stride + side - size - before)
        for side, stride, (size, count, before) in zip(*window.values(), sizes, strict=True)
    ]
    window["pads"] = begin + end
    if node.get_type_name() == "MaxPool":
        graph.add("MaxPool", graph.input(node), **window)
        return
    # OpenVINO counts the padding that is declared, and nothing beyond the values if there is none.
    counts = int(any(begin + attributes["pads_end"]))
    graph.add("AveragePool", graph.input(node), count_include_pad=counts, **window)


def _write_matmul(graph: _Graph, node: Node) -> None:
    weights = _constant_of(node, 1)
    if node.get_attributes()["transpose_b"]:
        weights = weights.T
    graph.add("MatMul", graph.input(node), graph.constant(weights))


def _write_reshape(graph: _Graph, node: Node) -> None:
    shape = graph.constant(list(node.get_output_shape(0)))
    graph.add("Reshape", graph.input(node), shape)


def _write_transpose(graph: _Graph, node: Node) -> None:
    graph.add("Transpose", graph.input(node), perm=_constant_of(node, 1).tolist())


def _write_split(graph: _Graph, node: Node) -> None:
    axis = int(_constant_of(node, 1))
    sizes = [output.shape[axis] for output in node.outputs()]
    parts = graph.constant(sizes)
    graph.add("Split", graph.input(node), parts, outputs=len(sizes), axis=axis)


def _write_prelu(graph: _Graph, node: Node) -> None:
    slopes = _constant_of(node, 1)
    if slopes.size == 1:
        graph.add("LeakyRelu", graph.input(node), alpha=float(slopes.reshape(())))
        return
    shape = [-1] + [1] * (len(node.get_input_shape(0)) - 2)
    graph.add("PRelu", graph.input(node), graph.constant(slopes.reshape(shape)))


def _write_clamp(graph: _Graph, node: Node) -> None:
    attributes = node.get_attributes()
    limits = (graph.constant(float(attributes[name])) for name in ("min", "max"))
    graph.add("Clip", graph.input(node), *limits)


def _write_hard_sigmoid(graph: _Graph, node: Node) -> None:
    graph.add("HardSigmoid", graph.input(node), alpha=1 / 6, beta=0.5)


def _write_selu(graph: _Graph, node: Node) -> None:
    alpha, gamma = (float(_constant_of(node, number).reshape(())) for number in (1, 2))
    graph.add("Selu", graph.input(node), alpha=alpha, gamma=gamma)


def _write_lrn(graph: _Graph, node: Node) -> None:
    attributes = node.get_attributes()
    if _constant_of(node, 1).tolist() == [1]:
        graph.add("LRN", graph.input(node), **attributes)
        return
    size = attributes["size"]
    values = [graph.constant(attributes[name]) for name in ("alpha", "beta", "bias")]
    pads = [(size - 1) // 2] * 2 + [size // 2] * 2
    graph.add("SpatialLRN", graph.input(node), *values, kernel_shape=[size, size], pads=pads)


def _write_normalize(graph: _Graph, node: Node) -> None:
    epsilon = graph.constant(node.get_attributes()["eps"])
    graph.add("NormalizeL2", graph.input(node), graph.input(node, 1), epsilon)


def _write_slice(graph: _Graph, node: Node) -> None:
    data, start, stop, step, axes = (graph.input(node, number) for number in range(5))
    graph.add("Slice", data, start, stop, axes, step)


def _write_enlargement(graph: _Graph, node: Node) -> None:
    factors = np.divide(node.get_output_shape(0), node.get_input_shape(0))
    graph.add(
        "Resize",
        graph.input(node),
        "",
        graph.constant(factors),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _write_detections(graph: _Graph, node: Node) -> None:
    """The rows have the order and the number of OpenVINO's; the image of the row after the last
    detection is -1.
    """
    attributes = node.get_attributes()
    if node.get_input_shape(0)[0] != 1 or not attributes["share_location"]:
        raise _make_error(node, "of several images, or boxes of each class, is not written as ONNX")
    priors = _constant_of(node, 2).reshape(-1, node.get_input_shape(0)[1] // 4, 4)
    count = len(priors[0])
    classes = list(range(node.get_input_shape(1)[1] // count))
    if attributes["background_label_id"] in classes:
        classes.remove(attributes["background_label_id"])
    # A value below 1 is no limit.
    top_k = min(attributes["top_k"], count) if attributes["top_k"] > 0 else count
    limit = node.get_output_shape(0)[2]
    # The first empty row has another box than the others, for its image.
    empty = np.array([[0, len(classes), count + 1]] * limit)
    empty[0, 2] = count
    images = np.zeros(count + 2)
    images[count] = -1
    boxes = _write_boxes(graph, node, priors)
    if attributes["clip_before_nms"]:
        boxes = graph.add(
            "Clip", boxes, graph.constant(np.float32(0)), graph.constant(np.float32(1))
        )
    scores = graph.add("Reshape", graph.input(node, 1), graph.constant([1, count, -1]))
    parameters = (
        classes,
        np.array([*classes, 0], np.float32),
        images,
        [top_k],
        attributes["confidence_threshold"],
        attributes["nms_threshold"],
        empty,
        [limit],
    )
    graph.add("Detections", boxes, scores, *map(graph.constant, parameters))


def _write_boxes(graph: _Graph, node: Node, priors: Array) -> str:
    """The corners of all boxes: prior boxes, moved by what the network says."""
    attributes = node.get_attributes()
    corners = priors[0]
    moves = graph.add("Reshape", graph.input(node), graph.constant([-1, 4]))
    if not attributes["variance_encoded_in_target"]:
        moves = graph.add("Mul", moves, graph.constant(priors[1]))
    if attributes["code_type"].endswith("CORNER"):
        return graph.add("Add", moves, graph.constant(corners))
    low, high = np.split(corners, 2, 1)
    centers = graph.constant((low + high) / 2)
    return graph.add("CenterSizeBoxes", moves, centers, graph.constant(high - low))


#: Operations that have the same name in ONNX, and no attributes.
_ALIKE = (
    "Abs", "Add", "Exp", "Greater", "Mish", "ReduceMax", "ReduceMean", "Relu", "Sigmoid", "Tanh",
)  # fmt: skip

_OPERATIONS: Mapping[str, _Writer] = {
    **{kind: _rename(kind) for kind in _ALIKE},
    "AvgPool": _write_pooling,
    "Clamp": _write_clamp,
    "Concat": _rename("Concat", "axis"),
    "Convolution": _write_convolution,
    "ConvolutionBackpropData": _write_convolution,
    "DetectionOutput": _write_detections,
    "Elu": _rename("Elu", "alpha"),
    "GroupConvolution": _write_convolution,
    "GroupConvolutionBackpropData": _write_convolution,
    "HSigmoid": _write_hard_sigmoid,
    "HSwish": _rename("HardSwish"),
    "Interpolate": _write_enlargement,
    "LRN": _write_lrn,
    "MatMul": _write_matmul,
    "MaxPool": _write_pooling,
    "Maximum": _rename("Max"),
    "Multiply": _rename("Mul"),
    "NormalizeL2": _write_normalize,
    "PRelu": _write_prelu,
    "Power": _rename("Pow"),
    "Reshape": _write_reshape,
    "Select": _rename("Where"),
    "Selu": _write_selu,
    "Slice": _write_slice,
    "SoftPlus": _rename("Softplus"),
    "Softmax": _rename("Softmax", "axis"),
    "Split": _write_split,
    "Transpose": _write_transpose,
    "Unsqueeze": _write_reshape,
    "VariadicSplit": _write_split,
}
