"""Write an OpenVINO network as ONNX: one of posezoo's readers of Caffe and Darknet, or an IR that
contains its decoder.

``OPERATIONS`` has what each operation becomes (moves: ``onnx_moves``); most need the sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import import_optional
from posezoo.core.ir.openvino_import import fold_constants, is_quantized
from posezoo.core.versions import version
from posezoo.formats.onnx_graph import OnnxGraph, Writer, rename
from posezoo.formats.onnx_moves import MOVES

if TYPE_CHECKING:
    from openvino import Model

# Also has the opset: 18, the first with Mish, which ONNX Runtime reads since 1.14, and OpenCV 5.
_FUNCTIONS = Path(__file__).with_name("onnx_functions.txt")


def _write_convolution(graph: OnnxGraph) -> None:
    kind = graph.node.get_type_name()
    attributes = graph.attributes
    weights = graph.input(1)
    shape = list(graph.node.get_input_shape(1))
    groups = 1
    if kind.startswith("Group"):
        groups, *shape = shape
        sides = graph.constant([groups * shape[0], *shape[1:]])
        weights = graph.add("Reshape", weights, sides)
    window: dict[str, Any] = {name: attributes[name] for name in ("strides", "dilations")}
    window["pads"] = attributes["pads_begin"] + attributes["pads_end"]
    written = "Conv"
    if "Backprop" in kind:
        written = "ConvTranspose"
        axes = zip(
            graph.output_shape[2:],
            graph.input_shape[2:],
            attributes["strides"],
            attributes["dilations"],
            shape[2:],
            np.add(attributes["pads_begin"], attributes["pads_end"]),
            strict=True,
        )
        # What it adds at the end of each side.
        window["output_padding"] = [
            int(out - (stride * (side - 1) + dilation * (size - 1) + 1 - pad))
            for out, side, stride, dilation, size, pad in axes
        ]
    graph.add(written, graph.input(), weights, group=groups, **window)


def _write_pooling(graph: OnnxGraph) -> None:
    attributes = graph.attributes
    begin = attributes["pads_begin"]
    window = {"kernel_shape": attributes["kernel"], "strides": attributes["strides"]}
    graph.require(dilations=([1] * len(begin),))
    # The padding that the last window reaches, instead of a mode of rounding.
    sizes = zip(graph.input_shape[2:], graph.output_shape[2:], begin, strict=True)
    end = [
        max(0, (count - 1) * stride + side - size - before)
        for side, stride, (size, count, before) in zip(*window.values(), sizes, strict=True)
    ]
    window["pads"] = begin + end
    kind = "MaxPool"
    if graph.node.get_type_name() == "AvgPool":
        kind = "AveragePool"
        # OpenVINO counts the padding that is declared, and nothing beyond the values without one.
        is_padded = any(begin + attributes["pads_end"])
        window["count_include_pad"] = int(is_padded and not attributes["exclude-pad"])
    graph.add(kind, graph.input(), **window)


def _write_matmul(graph: OnnxGraph) -> None:
    """OpenCV 5 multiplies matrices only, so a vector becomes a row or a column."""
    attributes = graph.attributes
    factors = []
    added = []
    for number, name in enumerate(("transpose_a", "transpose_b")):
        factor = graph.input(number)
        rank = len(graph.node.get_input_partial_shape(number))
        if rank == 1:
            added.append((-2, -1)[number])
            factor = graph.add("Reshape", factor, graph.constant([(1, -1), (-1, 1)][number]))
        elif attributes[name]:
            order = [*range(rank - 2), rank - 1, rank - 2]
            factor = graph.add("Transpose", factor, perm=order)
        factors.append(factor)
    product = graph.add("MatMul", *factors)
    if added:
        graph.add("Squeeze", product, graph.constant(added))


def _write_prelu(graph: OnnxGraph) -> None:
    slopes = graph.constant_of(1)
    if slopes.size == 1:
        graph.add("LeakyRelu", graph.input(), alpha=slopes.item())
        return
    # ONNX compares shapes from the last axis on, and the slopes are those of the second axis.
    shape = [-1] + [1] * (len(graph.input_shape) - 2)
    graph.add("PRelu", graph.input(), graph.constant(slopes.reshape(shape)))


def _write_clamp(graph: OnnxGraph) -> None:
    attributes = graph.attributes
    limits = [graph.scalar(attributes[name]) for name in ("min", "max")]
    graph.add("Clip", graph.input(), *limits)


def _with_numbers(kind: str, *names: str) -> Writer:
    """The numbers that an operation reads after its values, as attributes of these names."""

    def write(graph: OnnxGraph) -> None:
        numbers: dict[str, Any] = {}
        for place, name in enumerate(names, 1):
            numbers[name] = graph.constant_of(place).item()
        graph.add(kind, graph.input(), **numbers)

    return write


def _write_swish(graph: OnnxGraph) -> None:
    beta = graph.input(1) if graph.node.get_input_size() > 1 else graph.scalar(1)
    graph.add("Swish", graph.input(), beta)


def _write_gelu(graph: OnnxGraph) -> None:
    mode = graph.attributes.get("approximation_mode", "ERF")
    graph.add("TanhGelu" if mode.upper() == "TANH" else "ErfGelu", graph.input())


def _write_lrn(graph: OnnxGraph) -> None:
    attributes = graph.attributes
    if graph.constant_of(1).tolist() == [1]:
        graph.add("LRN", graph.input(), **attributes)
        return
    size = attributes["size"]
    values = [graph.constant(attributes[name]) for name in ("alpha", "beta", "bias")]
    pads = [(size - 1) // 2] * 2 + [size // 2] * 2
    graph.add("SpatialLRN", graph.input(), *values, kernel_shape=[size, size], pads=pads)


def _normalize(kind: str, **wanted: Sequence[object]) -> Writer:
    def write(graph: OnnxGraph) -> None:
        graph.require(**wanted)
        epsilon = graph.constant(graph.attributes["eps"])
        graph.add(kind, graph.input(), graph.axes(), epsilon)

    return write


def _reduce(kind: str) -> Writer:
    def write(graph: OnnxGraph) -> None:
        keeps = int(graph.attributes["keep_dims"])
        graph.add(kind, graph.input(), graph.axes(), keepdims=keeps)

    return write


def _write_floor_remainder(graph: OnnxGraph) -> None:
    is_real = graph.node.get_output_element_type(0).is_real()
    graph.add("FloorModOfFloats" if is_real else "Mod", *graph.inputs())


def _write_rounding(graph: OnnxGraph) -> None:
    graph.require(mode=("half_to_even",))
    graph.add("Round", graph.input())


def _write_conversion(graph: OnnxGraph) -> None:
    to = graph.type_of(graph.node.get_output_element_type(0))
    graph.add("Cast", graph.input(), to=to)


def _write_quantization(graph: OnnxGraph) -> None:
    """Values f32 that lie on as many levels as the bytes of a quantized layer."""
    steps = graph.constant(np.float32(graph.attributes["levels"] - 1))
    graph.add("FakeQuantize", *graph.inputs(), steps)


def _write_detections(graph: OnnxGraph) -> None:
    """The head of SSD. The rows have the order and the number of OpenVINO's; the image of the row
    after the last detection is -1.
    """
    attributes = graph.attributes
    if graph.input_shape[0] != 1 or not attributes["share_location"]:
        raise graph.make_error("of several images, or boxes of each class, is not written as ONNX")
    priors = graph.constant_of(2).reshape(-1, graph.input_shape[1] // 4, 4)
    count = len(priors[0])
    classes = list(range(graph.node.get_input_shape(1)[1] // count))
    if attributes["background_label_id"] in classes:
        classes.remove(attributes["background_label_id"])
    # A value below 1 is no limit.
    top_k = min(attributes["top_k"], count) if attributes["top_k"] > 0 else count
    limit = graph.output_shape[2]
    # The first empty row has another box than the others, for its image.
    empty = np.array([[0, len(classes), count + 1]] * limit)
    empty[0, 2] = count
    images = np.zeros(count + 2)
    images[count] = -1
    boxes = _write_boxes(graph, priors)
    if attributes["clip_before_nms"]:
        boxes = graph.add(
            "Clip", boxes, graph.constant(np.float32(0)), graph.constant(np.float32(1))
        )
    scores = graph.add("Reshape", graph.input(1), graph.constant([1, count, -1]))
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


def _write_boxes(graph: OnnxGraph, priors: Array) -> str:
    attributes = graph.attributes
    corners = priors[0]
    moves = graph.add("Reshape", graph.input(), graph.constant([-1, 4]))
    if not attributes["variance_encoded_in_target"]:
        moves = graph.add("Mul", moves, graph.constant(priors[1]))
    if attributes["code_type"].endswith("CORNER"):
        return graph.add("Add", moves, graph.constant(corners))
    low, high = np.split(corners, 2, 1)
    centers = graph.constant((low + high) / 2)
    return graph.add("CenterSizeBoxes", moves, centers, graph.constant(high - low))


#: Operations that have the same name in ONNX, or in onnx_functions.txt, and no attributes.
_ALIKE = (
    "Abs", "Add", "Erf", "Equal", "Exp", "Floor", "Greater", "Less", "Log", "Mish", "NotEqual",
    "Relu", "Sigmoid", "Sign", "Sin", "Cos", "Sqrt", "SquaredDifference", "Tanh",
)  # fmt: skip

#: Operations that have another name in ONNX, and no attributes.
_RENAMED = {
    "Ceiling": "Ceil",
    # Whole numbers are divided towards 0, as by OpenVINO's CPU plugin.
    "Divide": "Div",
    "GreaterEqual": "GreaterOrEqual",
    "HSwish": "HardSwish",
    "LessEqual": "LessOrEqual",
    "LogicalAnd": "And",
    "LogicalNot": "Not",
    "LogicalOr": "Or",
    "LogicalXor": "Xor",
    "Maximum": "Max",
    "Minimum": "Min",
    "Multiply": "Mul",
    "Negative": "Neg",
    "Power": "Pow",
    "Select": "Where",
    "SoftPlus": "Softplus",
    "Subtract": "Sub",
}

#: Reductions that have the same name in ONNX.
_REDUCED = (
    "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
)  # fmt: skip

OPERATIONS: Mapping[str, Writer] = {
    **{kind: rename(kind) for kind in _ALIKE},
    **{kind: rename(name) for kind, name in _RENAMED.items()},
    **{kind: _reduce(kind) for kind in _REDUCED},
    **MOVES,
    "AvgPool": _write_pooling,
    "Clamp": _write_clamp,
    "Convert": _write_conversion,
    "Convolution": _write_convolution,
    "ConvolutionBackpropData": _write_convolution,
    "CumSum": rename("CumSum", "exclusive", "reverse"),
    "DetectionOutput": _write_detections,
    "Elu": rename("Elu", "alpha"),
    "FakeQuantize": _write_quantization,
    "FloorMod": _write_floor_remainder,
    "Gelu": _write_gelu,
    "GroupConvolution": _write_convolution,
    "GroupConvolutionBackpropData": _write_convolution,
    "HSigmoid": rename("HardSigmoid", alpha=1 / 6, beta=0.5),
    "HardSigmoid": _with_numbers("HardSigmoid", "alpha", "beta"),
    "LRN": _write_lrn,
    "MVN": _normalize(
        "MeanVariance", normalize_variance=(True,), eps_mode=("INSIDE_SQRT", "inside_sqrt")
    ),
    "MatMul": _write_matmul,
    "MaxPool": _write_pooling,
    "Mod": rename("Mod", fmod=1),  # of a division towards 0
    "NormalizeL2": _normalize("NormalizeL2", eps_mode=("add",)),
    "PRelu": _write_prelu,
    "ReduceLogicalAnd": _reduce("AllOf"),
    "ReduceLogicalOr": _reduce("AnyOf"),
    "Round": _write_rounding,
    "Selu": _with_numbers("Selu", "alpha", "gamma"),
    "Softmax": rename("Softmax", "axis"),
    "Swish": _write_swish,
}


def write_onnx(network: Model, metadata: Mapping[str, str]) -> bytes:
    """The content of an ONNX file, whose inputs and outputs have the network's names, types and
    sizes.

    It computes in f32; weights that half floats have exactly are stored as such, those of quantized
    layers keep their bytes.

    Args:
        network: an ``openvino.Model``; parts that read no input become constants.

    Raises:
        ConversionError: an operation cannot be written; the error names the layer.
        MissingPackageError: the package onnx is not installed.
    """
    onnx = import_optional("onnx", extra="convert")
    inliner = import_optional("onnx.inliner", extra="convert")
    if not is_quantized(network):  # folding would make bytes f32
        fold_constants(network)
    model = onnx.parser.parse_model(_FUNCTIONS.read_text("utf-8"))
    functions = [function.name for function in model.functions]
    tensors = [port for node in network.get_ops() for port in node.outputs()]
    graph = OnnxGraph(onnx, functions, {name for port in tensors for name in port.names})
    _add_operations(graph, network)
    inputs, outputs = (
        list(map(graph.describe_port, ports)) for ports in (network.inputs, network.outputs)
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


def _add_operations(graph: OnnxGraph, network: Model) -> None:
    for node in network.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Parameter":
            graph.add_input(node)
        elif kind not in ("Constant", "Result"):
            graph.begin(node)
            if kind not in OPERATIONS:
                raise graph.make_error("cannot be written as ONNX")
            try:
                OPERATIONS[kind](graph)
            except RuntimeError as error:  # of OpenVINO, which does not know a side
                raise graph.make_error("of unknown sides cannot be written as ONNX") from error
            except KeyError as error:
                problem = f"a version without the attribute {error} cannot be written as ONNX"
                raise graph.make_error(problem) from error
            graph.set_outputs()
