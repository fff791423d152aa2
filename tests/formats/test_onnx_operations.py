"""Each operation that is written as ONNX computes in ONNX Runtime what it computes in OpenVINO."""

import numpy as np
import pytest

from core.convert.test_against_mo import compiled
from fakes.when_used import import_when_used
from posezoo.core.errors import ConversionError
from posezoo.formats.onnx_writer import write_onnx

onnxruntime = import_when_used("onnxruntime")
ov = pytest.importorskip("openvino")
ops = ov.opset14
first = ov.opset1

#: The values that operations read: numbers, whole numbers and conditions, (2, 6, 8, 8).
SHAPE = (2, 6, 8, 8)
RNG = np.random.default_rng(5)
NUMBERS = RNG.normal(0, 2, SHAPE).round(2).astype(np.float32)
WHOLE = RNG.integers(-9, 10, SHAPE).astype(np.int32)


def constant(values, kind=np.float32):
    return ops.constant(np.asarray(values, kind))


def integers(*values):
    return constant(values, np.int64)


def weights(*shape):
    return constant(np.random.default_rng(3).normal(0, 1, shape))


def rows(x, count=4):
    """(count, 6): the first numbers."""
    return ops.reshape(
        ops.slice(ops.reshape(x, integers(-1), False), [0], [count * 6], [1]),
        integers(count, 6),
        False,
    )


def quantize(x):
    limits = (constant(low) for low in (-1.0, 2.0, -1.5, 2.5))
    return ops.fake_quantize(x, *limits, 256)


def slice_with_all_masks(x):
    return ops.strided_slice(
        x, integers(1, 0, 7, 5, 2), integers(2, 0, 1, -1, 3), integers(1, 1, -2, 1, 1),
        begin_mask=[0, 0, 0, 1, 0], end_mask=[0, 0, 1, 0, 0], new_axis_mask=[0, 1, 0, 0, 0],
        shrink_axis_mask=[1, 0, 0, 0, 0],
    )  # fmt: skip


def resize(x, mode, coordinates, nearest="round_prefer_floor", sizes=(13, 5)):
    return ops.interpolate(
        x, integers(*sizes), mode, "sizes", coordinate_transformation_mode=coordinates,
        nearest_mode=nearest, axes=integers(2, 3),
    )  # fmt: skip


def suppressed(x):
    """The places of boxes that are apart, (N, 3), of which nothing knows the number before."""
    corners = ops.reshape(ops.abs(x), integers(1, -1, 4), False)
    boxes = ops.concat([corners, ops.add(corners, constant(0.5))], 2)
    boxes = ops.gather(boxes, integers(0, 1, 4, 5), constant(2, np.int64))
    scores = ops.reduce_mean(ops.sigmoid(ops.reshape(x, integers(1, 1, -1, 4), False)), integers(3))
    limits = (constant(20, np.int64), constant(0.3), constant(0.4))
    return ops.non_max_suppression(boxes, scores, *limits, sort_result_descending=False).output(0)


def of_unknown_sides(x):
    """A number and a shape that follow from what is found."""
    places = ops.squeeze(ops.unsqueeze(suppressed(x), integers(1)), integers(1))
    count = ops.gather(ops.shape_of(places, "i64"), constant(0, np.int64), constant(0, np.int64))
    last = ops.gather(ops.convert(places, "f32"), constant(2, np.int64), constant(1, np.int64))
    best = ops.topk(last, count, 0, "max", "value")
    sides = ops.concat([ops.unsqueeze(count, integers(0)), integers(1)], 0)
    return ops.reshape(best.output(0), sides, False)


def scatter(x):
    return ops.scatter_update(
        rows(x), constant([3, 1], np.int32), rows(x, 2), constant(0, np.int32)
    )


#: The operation and its case; from numbers, whole numbers and conditions to one of them.
CASES = {
    "Convolution": lambda x, i, b: ops.convolution(x, weights(4, 6, 3, 3), [2, 1], [1, 0], [0, 1], [1, 2]),
    "Convolution, same": lambda x, i, b: ops.convolution(x, weights(4, 6, 3, 2), [1, 1], [0, 0], [0, 0], [1, 1], auto_pad="same_upper"),
    "GroupConvolution": lambda x, i, b: ops.group_convolution(x, weights(3, 2, 2, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]),
    "ConvolutionBackpropData": lambda x, i, b: ops.convolution_backprop_data(x, weights(6, 4, 3, 3), [2, 2], pads_begin=[1, 1], pads_end=[1, 1], output_padding=[1, 0]),
    "GroupConvolutionBackpropData": lambda x, i, b: ops.group_convolution_backprop_data(x, weights(3, 2, 2, 2, 2), [2, 2]),
    "MaxPool": lambda x, i, b: first.max_pool(x, [2, 2], [1, 1], [1, 1], kernel_shape=[3, 3], rounding_type="ceil"),
    "AvgPool": lambda x, i, b: first.avg_pool(x, [2, 2], [1, 1], [1, 1], [3, 3], False),
    "AvgPool, of what is inside": lambda x, i, b: first.avg_pool(x, [2, 2], [1, 1], [1, 1], [3, 3], True),
    "MatMul": lambda x, i, b: ops.matmul(x, x, True, False),
    "MatMul, with constants": lambda x, i, b: ops.matmul(rows(x), weights(9, 6), False, True),
    "BatchOfMatMul": lambda x, i, b: ops.matmul(x, ops.relu(x), False, True),
    "MatMul, with a vector": lambda x, i, b: ops.matmul(x, weights(8), False, False),
    "MatMul, of a vector": lambda x, i, b: ops.matmul(weights(8), x, False, False),
    "MatMul, of two vectors": lambda x, i, b: ops.matmul(ops.reduce_sum(x, integers(0, 1, 2)), weights(8), False, False),
    "PRelu": lambda x, i, b: ops.prelu(x, weights(6)),
    "Clamp": lambda x, i, b: ops.clamp(x, -1, 0.5),
    "Clamp, of whole numbers": lambda x, i, b: ops.clamp(i, -3, 4),
    "Elu": lambda x, i, b: ops.elu(x, 0.7),
    "HSigmoid": lambda x, i, b: ops.hsigmoid(x),
    "HSwish": lambda x, i, b: ops.hswish(x),
    "HardSigmoid": lambda x, i, b: ops.hard_sigmoid(x, constant(0.3), constant(0.4)),
    "Selu": lambda x, i, b: ops.selu(x, constant(1.6), constant(1.05)),
    "Swish": lambda x, i, b: ops.swish(x),
    "Swish, steeper": lambda x, i, b: ops.swish(x, constant(1.7)),
    "Gelu": lambda x, i, b: ops.gelu(x, "erf"),
    "Gelu, by tanh": lambda x, i, b: ops.gelu(x, "tanh"),
    "Softmax": lambda x, i, b: ops.softmax(x, 1),
    "LRN": lambda x, i, b: ops.lrn(x, integers(1), 0.1, 0.75, 1, 3),
    "MVN": lambda x, i, b: ops.mvn(x, integers(2, 3), True, 1e-3, "inside_sqrt"),
    "NormalizeL2": lambda x, i, b: ops.normalize_l2(x, integers(1), 1e-3, "add"),
    "CumSum": lambda x, i, b: ops.cum_sum(x, constant(2, np.int32), exclusive=True, reverse=True),
    "Divide": lambda x, i, b: ops.divide(x, constant(-3)),
    "Divide, of whole numbers": lambda x, i, b: ops.divide(i, constant(-4, np.int32)),
    "Mod": lambda x, i, b: ops.mod(i, constant(-4, np.int32)),
    "FloorMod": lambda x, i, b: ops.floor_mod(i, constant(4, np.int32)),
    "FloorMod, of numbers": lambda x, i, b: ops.floor_mod(x, constant(0.75)),
    "Round": lambda x, i, b: ops.round(ops.multiply(x, constant(10)), "half_to_even"),
    "Convert, to whole numbers": lambda x, i, b: ops.convert(x, "i32"),
    "Convert, to numbers": lambda x, i, b: ops.convert(i, "f32"),
    "Convert, of conditions": lambda x, i, b: ops.convert(b, "f32"),
    "FakeQuantize": lambda x, i, b: quantize(x),
    "Select": lambda x, i, b: ops.select(b, x, constant(0)),
    "Select, of whole numbers": lambda x, i, b: ops.select(b, i, constant(7, np.int32)),
    "Equal": lambda x, i, b: ops.equal(i, constant(3, np.int32)),
    "NotEqual": lambda x, i, b: ops.not_equal(i, constant(3, np.int32)),
    "LogicalAnd": lambda x, i, b: ops.logical_and(b, ops.less(i, constant(2, np.int32))),
    "LogicalOr": lambda x, i, b: ops.logical_or(b, ops.less_equal(x, constant(-1))),
    "LogicalXor": lambda x, i, b: ops.logical_xor(b, ops.greater_equal(x, constant(1))),
    "LogicalNot": lambda x, i, b: ops.logical_not(b),
    "Greater": lambda x, i, b: ops.greater(x, constant(0.5)),
    "ReduceLogicalAnd": lambda x, i, b: ops.reduce_logical_and(b, integers(3), keep_dims=True),
    "ReduceLogicalOr": lambda x, i, b: ops.reduce_logical_or(b, integers(1, 3)),
    "ReduceSum": lambda x, i, b: ops.reduce_sum(x, integers(0, 2)),
    "ReduceMax": lambda x, i, b: ops.reduce_max(x, integers(1), keep_dims=True),
    "ReduceMin": lambda x, i, b: ops.reduce_min(i, integers(-1)),
    "ReduceMean": lambda x, i, b: ops.reduce_mean(x, integers(2, 3)),
    "ReduceProd": lambda x, i, b: ops.reduce_prod(x, integers(3)),
    "ReduceL1": lambda x, i, b: ops.reduce_l1(x, integers(1)),
    "ReduceL2": lambda x, i, b: ops.reduce_l2(x, integers(1)),
    "SquaredDifference": lambda x, i, b: ops.squared_difference(x, constant(0.5)),
    "Power": lambda x, i, b: ops.power(x, constant(2)),
    "Sqrt": lambda x, i, b: ops.sqrt(ops.abs(x)),
    "Log": lambda x, i, b: ops.log(ops.exp(x)),
    "Broadcast": lambda x, i, b: ops.broadcast(ops.reduce_sum(x, integers(1, 2, 3), True), integers(2, 3, 4, 5)),
    "Tile": lambda x, i, b: ops.tile(i, integers(2, 1, 3)),
    "Reshape": lambda x, i, b: ops.reshape(b, integers(0, -1, 16), True),
    "Squeeze": lambda x, i, b: ops.squeeze(ops.unsqueeze(x, integers(1, 3)), integers(1)),
    "Transpose": lambda x, i, b: ops.transpose(x, integers(0, 2, 3, 1)),
    "Concat": lambda x, i, b: ops.concat([i, ops.abs(i)], 1),
    "Split": lambda x, i, b: ops.split(x, constant(1, np.int64), 3).output(1),
    "VariadicSplit": lambda x, i, b: ops.variadic_split(x, constant(2, np.int64), integers(3, -1)).output(1),
    "Slice": lambda x, i, b: ops.slice(x, integers(7, 0), integers(1, 4), integers(-2, 1), integers(2, 3)),
    "Slice, of all axes": lambda x, i, b: ops.slice(x, integers(0, 1), integers(2, 3), integers(1, 1)),
    "StridedSlice": lambda x, i, b: slice_with_all_masks(x),
    "Pad": lambda x, i, b: ops.pad(x, integers(0, 0, 1, -2), integers(0, 0, 0, 3), "constant", constant(0.5)),
    "Pad, with the edge": lambda x, i, b: ops.pad(x, integers(0, 0, 1, 2), integers(0, 0, 0, 3), "edge"),
    "Pad, mirrored": lambda x, i, b: ops.pad(x, integers(0, 0, 1, 2), integers(0, 0, 0, 3), "reflect"),
    "Pad, before a pooling": lambda x, i, b: first.max_pool(ops.pad(ops.relu(x), integers(0, 0, 2, 1), integers(0, 0, 0, 1), "constant", constant(0)), [1, 1], [0, 0], [0, 0], kernel_shape=[2, 1]),
    "Gather": lambda x, i, b: ops.gather(x, constant([[2, 0], [-1, 2]], np.int32), constant(1, np.int32)),
    "GatherElements": lambda x, i, b: ops.gather_elements(x, ops.clamp(i, 0, 5), 1),
    "GatherND": lambda x, i, b: ops.gather_nd(x, ops.clamp(ops.reshape(i, integers(-1, 2), False), 0, 1)),
    "ScatterUpdate": lambda x, i, b: scatter(x),
    "ScatterNDUpdate": lambda x, i, b: ops.scatter_nd_update(rows(x), constant([[2], [0]], np.int32), rows(x, 2)),
    "ScatterElementsUpdate": lambda x, i, b: ops.scatter_elements_update(rows(x), constant([[2, 0, 1, 3, 0, 1]], np.int32), rows(x, 1), constant(0, np.int32)),
    "NonMaxSuppression": lambda x, i, b: suppressed(x),
    "Reshape, to sides that are computed": lambda x, i, b: of_unknown_sides(x),
    "Reshape, of unknown sides": lambda x, i, b: ops.reshape(suppressed(x), integers(1, 0, -1), True),
    "ShapeOf": lambda x, i, b: ops.shape_of(suppressed(x), "i32"),
    "TopK": lambda x, i, b: ops.topk(x, constant(5, np.int32), 3, "max", "value", stable=True).output(0),
    "TopK, places": lambda x, i, b: ops.topk(ops.round(x, "half_to_even"), constant(3, np.int32), 3, "max", "value", stable=True).output(1),
    "TopK, lowest, wide": lambda x, i, b: ops.topk(x, constant(3, np.int32), 1, "min", "value", "i64").output(1),
    "DepthToSpace": lambda x, i, b: ops.depth_to_space(ops.concat([x, ops.abs(x)], 1), "depth_first", 2),
    "DepthToSpace, blocks first": lambda x, i, b: ops.depth_to_space(ops.concat([x, ops.abs(x)], 1), "blocks_first", 2),
    "SpaceToDepth": lambda x, i, b: ops.space_to_depth(x, "blocks_first", 2),
    "Interpolate": lambda x, i, b: resize(x, "linear_onnx", "half_pixel"),
    "Interpolate, from the corner": lambda x, i, b: resize(x, "linear_onnx", "asymmetric", sizes=(16, 16)),
    "Interpolate, corners aligned": lambda x, i, b: resize(x, "linear_onnx", "align_corners"),
    "Interpolate, with channels last": lambda x, i, b: ops.interpolate(x, integers(9, 11), "linear_onnx", "sizes", axes=integers(1, 2)),
    "Interpolate, nearest": lambda x, i, b: resize(x, "nearest", "asymmetric", "floor"),
    "Interpolate, nearest as Paddle, larger": lambda x, i, b: resize(x, "nearest", "asymmetric", "simple", (13, 17)),
    "Interpolate, nearest as Paddle, smaller": lambda x, i, b: resize(x, "nearest", "half_pixel", "simple", (3, 5)),
    "Interpolate, linear as Paddle": lambda x, i, b: resize(x, "linear_onnx", "align_corners", "simple"),
    "TopK, of one as Paddle": lambda x, i, b: ops.topk(x, constant(1, np.int64), 1, "max", "index").output(0),
    "Interpolate, cubic": lambda x, i, b: resize(x, "cubic", "half_pixel"),
}  # fmt: skip

#: Operations of one value that ONNX also has.
CASES |= {
    "Ceiling": lambda x, i, b: ops.ceiling(x),
    "Cos": lambda x, i, b: ops.cos(x),
    "Erf": lambda x, i, b: ops.erf(x),
    "Floor": lambda x, i, b: ops.floor(x),
    "Mish": lambda x, i, b: ops.mish(x),
    "Negative": lambda x, i, b: ops.negative(x),
    "Sigmoid": lambda x, i, b: ops.sigmoid(x),
    "Sign": lambda x, i, b: ops.sign(x),
    "Sin": lambda x, i, b: ops.sin(x),
    "SoftPlus": lambda x, i, b: ops.softplus(x),
    "Tanh": lambda x, i, b: ops.tanh(x),
    "Maximum": lambda x, i, b: ops.maximum(x, constant(0.5)),
    "Minimum": lambda x, i, b: ops.minimum(i, constant(3, np.int32)),
    "Subtract": lambda x, i, b: ops.subtract(ops.multiply(x, x), ops.add(x, constant(0.5))),
}


def make_network(build):
    parameters = []
    for name, kind in (
        ("numbers", ov.Type.f32),
        ("whole", ov.Type.i32),
        ("conditions", ov.Type.boolean),
    ):
        parameter = ops.parameter(list(SHAPE), kind)
        parameter.output(0).set_names({name})
        parameters.append(parameter)
    made = build(*parameters)
    output = made if isinstance(made, ov.Output) else made.output(0)
    output.set_names({"made"})
    # All inputs are used, so that the file has them.
    used = [ops.result(parameter) for parameter in parameters]
    return ov.Model([ops.result(output), *used], parameters, "net")


@pytest.mark.parametrize("name", CASES)
def test_an_operation_computes_in_onnx_runtime_what_it_computes_in_openvino(name):
    feed = {"numbers": NUMBERS, "whole": WHOLE, "conditions": WHOLE > -8}
    network = make_network(CASES[name])
    wanted = compiled(network)(feed)["made"]
    session = onnxruntime.InferenceSession(write_onnx(network, {}))
    (made,) = session.run(["made"], feed)
    assert made.shape == wanted.shape and made.dtype == wanted.dtype
    np.testing.assert_allclose(made, wanted, rtol=1e-5, atol=2e-5 * np.abs(wanted).max())
    assert wanted.any()


@pytest.mark.parametrize(
    ("build", "problem"),
    [
        (lambda x, i, b: ops.acos(x), r"\(Acos\): cannot be written as ONNX"),
        (lambda x, i, b: ops.round(x, "half_away_from_zero"), "mode 'half_away_from_zero'"),
        (lambda x, i, b: ops.relu(suppressed(x).node.output(1)), r"\(Relu\): its input 0 must be a constant"),
        (lambda x, i, b: ops.pad(x, integers(0, 0, 1, 2), integers(0, 0, 0, 3), "symmetric"), "pad_mode 'symmetric'"),
        (lambda x, i, b: ops.convert(x, "u16"), "values of the type u16"),
        (lambda x, i, b: resize(x, "nearest", "asymmetric", "simple"), "nearest_mode 'simple'"),
        (lambda x, i, b: first.interpolate(x, integers(16, 16), {"axes": [2, 3], "mode": "nearest"}), "without the attribute 'shape_calculation_mode'"),
        (lambda x, i, b: resize(x, "nearest", "tf_half_pixel_for_nn", "floor"), "'tf_half_pixel_for_nn'"),
        (lambda x, i, b: ops.topk(x, constant(3, np.int64), 1, "max", "index").output(0), "sort 'index'"),
        (lambda x, i, b: ops.add(x, ops.reshape(x, integers(2, 6, 8, 8), False), auto_broadcast="pdpd"), "auto_broadcast 'pdpd'"),
        (lambda x, i, b: ops.gather(x, ops.clamp(i, 0, 1), ops.reshape(ops.reduce_max(ops.sign(ops.abs(i)), integers(0, 1, 2, 3)), integers(1), False)), "its input 2 must be a constant"),
    ],
)  # fmt: skip
def test_what_onnx_does_not_have_is_refused(build, problem):
    network = make_network(build)
    with pytest.raises(ConversionError, match=f"layer .*{problem}"):
        write_onnx(network, {})
