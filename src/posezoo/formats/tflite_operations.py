"""MediaPipe's custom operations of TFLite files, as graphs of OpenVINO's operations.

What they compute is in MediaPipe 0.10.21, ``util/tflite/operations``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from posezoo.core.errors import ConversionError, import_optional
from posezoo.core.ir.openvino_graph import Model, Node, Output
from posezoo.core.ir.openvino_graph import opset13 as ops
from posezoo.formats.flatbuffers import CustomOperation

#: Returns a node, from its inputs and the content of its options.
BuildGraph = Callable[[Sequence[Output], bytes], Node]


def replace_operations(
    network: Model, operations: Mapping[int, CustomOperation], path: Path
) -> Model:
    """The network (``openvino.Model``) with graphs instead of custom operations, whose nodes are
    named by their places.

    Raises:
        ConversionError: an option is missing, or has an invalid value.
    """
    for node in network.get_ordered_ops():
        if node.get_type_name() != "TFFrameworkNode":
            continue
        name = node.get_friendly_name()
        operation = operations.get(int(name) if name.isdecimal() else -1)
        if operation is None:
            raise ConversionError(f"{path}: OpenVINO cannot read its operation {name}")
        inputs = [port.get_source_output() for port in node.inputs()]
        try:
            made = GRAPHS[operation.name, operation.version](inputs, operation.options)
        except (
            struct.error,
            LookupError,
            TypeError,
            ValueError,
            ArithmeticError,
            AssertionError,
            RuntimeError,
        ) as error:
            raise ConversionError(
                f"{path}: the operation {operation.name} cannot be read: {error}"
            ) from error
        made.output(0).add_names(node.output(0).names)
        node.output(0).replace(made.output(0))
    network.validate_nodes_and_infer_types()
    return network


def _read_options(content: bytes) -> Any:
    return import_optional("flatbuffers.flexbuffers", extra="run").GetRoot(content).AsMap


def _constant(values: ArrayLike) -> Node:
    return ops.constant(np.array(values, np.float32))


def _take(data: Node | Output, indices: Sequence[int], axis: int) -> Node:
    return ops.gather(data, list(indices), [axis])


def _convolve_transposed(inputs: Sequence[Output], content: bytes) -> Node:
    """Convolution2DTransposeBias: data (N, H, W, C), weights (O, h, w, C) and bias (O,)."""
    is_same, across, down = struct.unpack("<3i", content)
    data, weights, bias = inputs
    strides = [down, across]
    begins = [0, 0]
    ends = [0, 0]
    sides = zip(data.get_shape()[1:3], weights.get_shape()[1:3], strides, strict=True)
    for axis, (size, kernel, stride) in enumerate(sides):
        padding = max(0, kernel - (size - 1) % stride - 1) if is_same == 1 else 0
        begins[axis] = padding // 2
        ends[axis] = padding - padding // 2
    maps = ops.convolution_backprop_data(
        ops.transpose(data, [0, 3, 1, 2]),
        ops.transpose(weights, [3, 0, 1, 2]),
        strides,
        pads_begin=begins,
        pads_end=ends,
    )
    return ops.add(ops.transpose(maps, [0, 2, 3, 1]), bias)


def _find_transform(inputs: Sequence[Output], content: bytes) -> Node:
    """Landmarks2TransformMatrix: (1, 4, 4), from an output of ``width`` x ``height`` pixels to the
    turned rectangle around some landmarks (1, K, 3), which is enlarged.
    """
    options = _read_options(content)
    (landmarks,) = inputs
    points = _take(landmarks, (0, 1), 2)
    start = _take(points, [options["left_rotation_idx"].AsInt], 1)
    end = _take(points, [options["right_rotation_idx"].AsInt], 1)
    ends = end - start
    direction = ends / ops.sqrt(ops.reduce_sum(ends * ends, [2], True))
    # The rotation by the target's angle, less that of the direction.
    target = options["target_rotation_radians"].AsFloat
    cos, sin = math.cos(target), math.sin(target)
    turned = ops.matmul(direction, _constant([[cos, sin], [sin, -cos]]), False, False)
    across = ops.matmul(turned, _constant([[0, 1], [-1, 0]]), False, False)
    rotation = ops.concat([turned, across], 1)
    inner = ops.matmul(
        _take(points, options["subset_idxs"].AsTypedVector.Value, 1), rotation, False, False
    )
    low = ops.reduce_min(inner, [1], True)
    high = ops.reduce_max(inner, [1], True)
    middle = ops.matmul((low + high) * _constant(0.5), rotation, False, True)
    size = [options["output_width"].AsInt, options["output_height"].AsInt]
    scales = [options["scale_x"].AsFloat, options["scale_y"].AsFloat]
    scale = _constant(np.divide(scales, size))
    back = ops.transpose(rotation, [0, 2, 1])
    linear = back * ops.transpose((high - low) * scale, [0, 2, 1])
    shift = middle - ops.matmul(_constant(np.divide(size, 2)[None, None]), linear, False, False)
    across_and_down = ops.transpose(
        ops.concat([linear, _constant([[[0, 0]]]), shift], 1), [0, 2, 1]
    )
    return ops.concat([across_and_down, _constant([[[0, 0, 1, 0], [0, 0, 0, 1]]])], 1)


def _transform(points: Node, matrix: Output) -> Node:
    """Points (1, K, 2), moved by the first two rows of a matrix (1, 4, 4)."""
    rows = _take(matrix, (0, 1), 1)
    linear = ops.matmul(points, _take(rows, (0, 1), 2), False, True)
    return linear + ops.transpose(_take(rows, [3], 2), [0, 2, 1])


def _transform_landmarks(inputs: Sequence[Output], _content: bytes) -> Node:
    """TransformLandmarks: (1, K, 2) or (1, K, 3), of which z is kept."""
    landmarks, matrix = inputs
    moved = _transform(_take(landmarks, (0, 1), 2), matrix)
    numbers = landmarks.get_shape()[2]
    return moved if numbers == 2 else ops.concat([moved, _take(landmarks, [2], 2)], 2)


def _transform_tensor(inputs: Sequence[Output], content: bytes) -> Node:
    """TransformTensorBilinear: (1, H, W, C) sampled at the pixels' centers, 0 outside of it."""
    options = _read_options(content)
    data, matrix = inputs
    height, width = options["output_height"].AsInt, options["output_width"].AsInt
    y, x = np.mgrid[:height, :width].reshape(2, -1) + 0.5
    positions = _transform(_constant(np.stack([x, y], axis=1)[None]), matrix) - _constant(0.5)
    last = _constant(np.subtract(data.get_shape()[2:0:-1], 1))
    are_inside = ops.logical_and(
        ops.greater_equal(positions, _constant(0)), ops.less_equal(positions, last)
    )
    grid = ops.reshape(
        positions * (_constant(2) / last) - _constant(1), [1, height, width, 2], False
    )
    attributes = {"mode": "bilinear", "padding_mode": "border", "align_corners": True}
    maps = ops.grid_sample(ops.transpose(data, [0, 3, 1, 2]), grid, attributes)
    mask = ops.convert(ops.reduce_logical_and(are_inside, [2]), "f32")
    kept = maps * ops.reshape(mask, [1, 1, height, width], False)
    return ops.transpose(kept, [0, 2, 3, 1])


#: By the name and the version of an operation.
GRAPHS: Mapping[tuple[str, int], BuildGraph] = {
    ("Convolution2DTransposeBias", 1): _convolve_transposed,
    ("Landmarks2TransformMatrix", 2): _find_transform,
    ("TransformLandmarks", 2): _transform_landmarks,
    ("TransformTensorBilinear", 2): _transform_tensor,
}
