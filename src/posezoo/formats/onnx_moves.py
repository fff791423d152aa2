"""Operations of OpenVINO that move, repeat or pick values, as nodes of ONNX."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from posezoo.core.arrays import Array
from posezoo.formats.onnx_graph import OnnxGraph, Writer, rename

#: ONNX's names of the orders in which DepthToSpace reads channels.
_DEPTH_ORDERS = {"blocks_first": "DCR", "depth_first": "CRD"}

#: ONNX's names of the ways to interpolate; the linear one of OpenVINO differs where it reduces.
_INTERPOLATIONS = {"nearest": "nearest", "linear_onnx": "linear", "cubic": "cubic"}

#: The places between pixels that both know; ONNX has had no tf_half_pixel_for_nn since opset 13.
_COORDINATES = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")

_ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple")


def _write_reshape(graph: OnnxGraph) -> None:
    if graph.node.get_output_partial_shape(0).is_static:
        _write_known_shape(graph)
        return
    shape = graph.wide_input(1)
    keeps = graph.attributes["special_zero"]
    graph.add("Reshape", graph.input(), shape, allowzero=int(not keeps))


def _write_known_shape(graph: OnnxGraph) -> None:
    shape = np.array(graph.output_shape, np.int64)  # a number has none
    graph.add("Reshape", graph.input(), graph.constant(shape))


def _change_axes(kind: str) -> Writer:
    def write(graph: OnnxGraph) -> None:
        if graph.node.get_output_partial_shape(0).is_static:
            _write_known_shape(graph)
            return
        graph.add(kind, graph.input(), graph.axes())

    return write


def _write_shape(graph: OnnxGraph) -> None:
    to = graph.type_of(graph.node.get_output_element_type(0))
    graph.add("Cast", graph.add("Shape", graph.input()), to=to)


def _write_transpose(graph: OnnxGraph) -> None:
    order = graph.constant_of(1).tolist() or [*range(graph.rank)][::-1]
    graph.add("Transpose", graph.input(), perm=order)


def _write_broadcast(graph: OnnxGraph) -> None:
    graph.require(mode=("numpy", "bidirectional"))
    graph.add("Expand", graph.input(), graph.constant(graph.output_shape))


def _write_tile(graph: OnnxGraph) -> None:
    repeats = graph.constant_of(1)
    before = [1] * (graph.rank - len(repeats))
    graph.add("Tile", graph.input(), graph.constant([*before, *repeats.tolist()]))


def _write_split(graph: OnnxGraph) -> None:
    axis = graph.constant_of(1).item() % graph.rank
    sizes = [output.get_partial_shape()[axis].get_length() for output in graph.node.outputs()]
    graph.add("Split", graph.input(), graph.constant(sizes), outputs=len(sizes), axis=axis)


def _write_slice(graph: OnnxGraph) -> None:
    data, start, stop, step, *axes = graph.inputs()
    if not axes:
        axes = [graph.constant(range(graph.node.get_input_shape(1)[0]))]
    graph.add("Slice", data, start, stop, *axes, step)


def _write_strided_slice(graph: OnnxGraph) -> None:
    """The slice of each axis that it reads, and then the axes that it adds and removes."""
    attributes = graph.attributes
    begin = graph.constant_of(1).tolist()
    end = graph.constant_of(2).tolist()
    steps = graph.constant_of(3).tolist() if graph.node.get_input_size() > 3 else [1] * len(begin)
    masks = {
        name: [*attributes[f"{name}_mask"], *[0] * len(begin)]
        for name in ("begin", "end", "new_axis", "shrink_axis", "ellipsis")
    }
    if any(masks["ellipsis"]):
        raise graph.make_error("an ellipsis cannot be written as ONNX")
    largest = np.iinfo(np.int64).max
    slices = []
    for place, (first, last, step) in enumerate(zip(begin, end, steps, strict=True)):
        if masks["new_axis"][place]:
            continue
        if masks["shrink_axis"][place]:
            slices.append((first, first + 1 or largest, 1))
            continue
        if masks["begin"][place]:
            first = 0 if step > 0 else largest
        if masks["end"][place]:
            last = largest if step > 0 else -largest
        slices.append((first, last, step))
    first, last, step = (list(each) for each in zip(*slices, strict=True))
    limits = [graph.constant(values) for values in (first, last, range(len(slices)), step)]
    sliced = graph.add("Slice", graph.input(), *limits)
    graph.add("Reshape", sliced, graph.constant(graph.output_shape))


def _write_pad(graph: OnnxGraph) -> None:
    graph.require(pad_mode=("constant", "edge", "reflect"))
    begin, end = graph.constant_of(1), graph.constant_of(2)
    # Without axes, ONNX Runtime makes the padding a part of a pooling that follows, and then fails
    # if the window is not larger.
    (axes,) = np.nonzero(begin | end)
    amounts = graph.constant(np.concatenate([begin[axes], end[axes]]))
    mode = graph.attributes["pad_mode"]
    beyond = graph.input(3) if mode == "constant" else ""
    graph.add("Pad", graph.input(), amounts, beyond, graph.constant(axes), mode=mode)


def _write_gather(graph: OnnxGraph) -> None:
    graph.require(batch_dims=(0,))
    axis = graph.constant_of(2).item()
    graph.add("Gather", graph.input(), graph.input(1), axis=axis)


def _write_scatter_elements(graph: OnnxGraph) -> None:
    graph.require(reduction=("none",))
    data, indices, updates = (graph.input(number) for number in range(3))
    axis = graph.constant_of(3).item()
    graph.add("ScatterElements", data, indices, updates, axis=axis)


def _write_scatter(graph: OnnxGraph) -> None:
    if graph.constant_of(3).any():
        raise graph.make_error("along another axis than the first cannot be written as ONNX")
    indices = graph.constant_of(1)
    rows = graph.constant(indices[..., np.newaxis])
    graph.add("ScatterRows", graph.input(), rows, graph.input(2))


def _write_ranking(graph: OnnxGraph) -> None:
    """Equal values in their order, which OpenVINO calls stable, and allows otherwise."""
    attributes = graph.attributes
    if graph.node.get_output_partial_shape(0)[attributes["axis"]] != 1:  # one value is in any order
        graph.require(sort=("value", "none"))
    count = graph.add("Reshape", graph.wide_input(1), graph.constant([1]))
    axis = attributes["axis"] % graph.rank
    is_wide = graph.node.get_output_element_type(1).to_string() == "i64"
    kind = "TopK" if is_wide else "TopPlaces"
    largest = int(attributes["mode"] == "max")
    graph.add(kind, graph.input(), count, outputs=2, axis=axis, largest=largest)


def _write_suppression(graph: OnnxGraph) -> None:
    """The boxes that do not overlap a better one; ONNX returns only their places."""
    graph.require(box_encoding=("corner",), sort_result_descending=(False,))
    boxes, scores, overlap, least = (graph.input(number) for number in (0, 1, 3, 4))
    graph.add("NonMaxSuppression", boxes, scores, graph.wide_input(2), overlap, least)


def _write_depth_to_space(graph: OnnxGraph) -> None:
    attributes = graph.attributes
    mode = _DEPTH_ORDERS[attributes["mode"]]
    graph.add("DepthToSpace", graph.input(), blocksize=attributes["block_size"], mode=mode)


def _write_space_to_depth(graph: OnnxGraph) -> None:
    graph.require(mode=("blocks_first",))
    graph.add("SpaceToDepth", graph.input(), blocksize=graph.attributes["block_size"])


def _find_rounding(graph: OnnxGraph) -> str:
    """ONNX's name of how the nearest pixel is found. OpenVINO's ``simple`` cuts the places of sides
    that grow, and rounds up those of sides that shrink.
    """
    rounding: str = graph.attributes["nearest_mode"]
    if rounding != "simple":
        return rounding
    growth = np.subtract(graph.output_shape, graph.input_shape)
    if (growth > 0).any() and (growth < 0).any():
        raise graph.make_error("its nearest_mode 'simple' cannot be written as ONNX")
    return "ceil" if (growth < 0).any() else "floor"


def _write_interpolation(graph: OnnxGraph) -> None:
    """OpenCV 5 changes the last two sides only, so these become the last."""
    attributes = graph.attributes
    nothing = [0] * graph.rank
    graph.require(pads_begin=(nothing, []), pads_end=(nothing, []), antialias=(False,))
    graph.require(
        mode=tuple(_INTERPOLATIONS),
        nearest_mode=_ROUNDINGS,
        coordinate_transformation_mode=_COORDINATES,
    )
    sizes = np.array(graph.output_shape)
    order = np.argsort(sizes != graph.input_shape, kind="stable")
    if attributes["shape_calculation_mode"] == "sizes":
        target = ["", "", graph.constant(sizes[order])]
    else:
        # Whole numbers, which the sizes state exactly.
        factors: Array = np.divide(graph.output_shape, graph.input_shape)
        if (factors % 1).any():
            raise graph.make_error("factors with fractions cannot be written as ONNX")
        target = ["", graph.constant(factors[order])]
    resized = graph.add(
        "Resize",
        graph.add("Transpose", graph.input(), perm=order.tolist()),
        *target,
        mode=_INTERPOLATIONS[attributes["mode"]],
        coordinate_transformation_mode=attributes["coordinate_transformation_mode"],
        nearest_mode=_find_rounding(graph) if attributes["mode"] == "nearest" else None,
        cubic_coeff_a=attributes["cube_coeff"],
    )
    graph.add("Transpose", resized, perm=np.argsort(order).tolist())


MOVES: Mapping[str, Writer] = {
    "Broadcast": _write_broadcast,
    "Concat": rename("Concat", "axis"),
    "DepthToSpace": _write_depth_to_space,
    "Gather": _write_gather,
    "GatherElements": rename("GatherElements", "axis"),
    "GatherND": rename("GatherRows", "batch_dims"),
    "Interpolate": _write_interpolation,
    "NonMaxSuppression": _write_suppression,
    "Pad": _write_pad,
    "Reshape": _write_reshape,
    "ScatterElementsUpdate": _write_scatter_elements,
    "ScatterNDUpdate": rename("ScatterRows"),
    "ScatterUpdate": _write_scatter,
    "ShapeOf": _write_shape,
    "Slice": _write_slice,
    "SpaceToDepth": _write_space_to_depth,
    "Split": _write_split,
    "Squeeze": _change_axes("Squeeze"),
    "StridedSlice": _write_strided_slice,
    "Tile": _write_tile,
    "TopK": _write_ranking,
    "Transpose": _write_transpose,
    "Unsqueeze": _change_axes("Unsqueeze"),
    "VariadicSplit": _write_split,
}
