"""The layers of Caffe's classifiers and of its single shot detectors, built of OpenVINO's
operations.

Names and defaults of the parameters are those of ``caffe.proto``, for detectors of that in the
branch ``ssd``. What a layer computes: Caffe's layer catalogue
(caffe.berkeleyvision.org/tutorial/layers.html); Liu et al., SSD: Single Shot MultiBox Detector,
2016.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike

from posezoo.core.arrays import Array
from posezoo.core.errors import ConversionError, sanitize
from posezoo.core.ir.openvino_graph import Node, Output
from posezoo.core.ir.openvino_graph import opset14 as ops
from posezoo.core.values import frozen
from posezoo.formats.caffe.prototxt import Message

_HEIGHT_AND_WIDTH = [2, 3]
# The words of enumerations, by the numbers that old files have in their place.
_POOLS = {"0": "MAX", "1": "AVE"}
_ELTWISE = {"0": "PROD", "1": "SUM", "2": "MAX"}
_CODES = {"1": "CORNER", "2": "CENTER_SIZE", "3": "CORNER_SIZE"}
_REGIONS = {"0": "ACROSS_CHANNELS", "1": "WITHIN_CHANNEL"}


@frozen
class Layer:
    """A layer with its weights and the outputs (``openvino.Output``) that it reads."""

    name: str
    kind: str
    declared: Message
    inputs: Sequence[Output]
    blobs: Sequence[Array]

    @property
    def input(self) -> Output:
        """The first input; a ConversionError if the layer has none."""
        return self.require_inputs(1)[0]

    def require_inputs(self, count: int) -> Sequence[Output]:
        """The inputs; a ConversionError if there are fewer."""
        if len(self.inputs) < count:
            raise self.make_error(f"needs {count} inputs and has {len(self.inputs)}")
        return self.inputs

    def blob(self, number: int) -> Array:
        """The array of weights of that number, from 0; a ConversionError if there is none."""
        if number >= len(self.blobs):
            raise self.make_error(
                "its weights are not in the .caffemodel",
                hint="the .prototxt and the .caffemodel may be of different networks",
            )
        return self.blobs[number]

    def vector(self, number: int) -> Array:
        """The same array with one dimension."""
        return self.blob(number).reshape(-1)

    def parameters(self, name: str) -> Message:
        """The parameters in a message of this name; an empty one if there is none."""
        return self.declared.message(name)

    def make_error(self, problem: str, hint: str = "") -> ConversionError:
        """An error that names the file, the line, the layer and its type."""
        error = self.declared.make_error(f"layer {sanitize(self.name)} ({self.kind}): {problem}")
        error.hint = hint
        return error


#: Adds the operations of a layer, and returns the node with its outputs.
LayerBuilder = Callable[[Layer], Node]


def constant(values: ArrayLike) -> Node:
    """A constant in FP32."""
    return ops.constant(np.asarray(values, np.float32))


def along_axis(values: Array, rank: int, axis: int) -> Node:
    """A vector as a constant that is added to or multiplied with one axis of a tensor."""
    shape = [1] * rank
    shape[axis] = -1
    return constant(values.reshape(shape))


def rank_of(output: Node | Output) -> int:
    """The number of sizes of an output."""
    return len(output.get_partial_shape())


def _spatial(parameters: Message, name: str, default: int) -> list[int]:
    """Height and width of a kernel, a stride, a padding or a dilation."""
    stem = name.removesuffix("_size")
    repeated = parameters.integers(name) or [default]
    height = parameters.integer(f"{stem}_h", repeated[0])
    width = parameters.integer(f"{stem}_w", repeated[-1])
    return [height, width]


def _build_convolution(layer: Layer) -> Node:
    declared = layer.parameters("convolution_param")
    groups = declared.integer("group", 1)
    weights = layer.blob(0)
    if weights.ndim != 4 or groups < 1 or weights.shape[0] % groups:
        raise layer.make_error(f"weights of shape {list(weights.shape)} do not fit {groups} groups")
    pads = _spatial(declared, "pad", 0)
    strides = _spatial(declared, "stride", 1)
    dilations = _spatial(declared, "dilation", 1)
    is_transposed = layer.kind == "Deconvolution"
    build = ops.convolution_backprop_data if is_transposed else ops.convolution
    if groups > 1:
        weights = weights.reshape(groups, -1, *weights.shape[1:])
        build = ops.group_convolution_backprop_data if is_transposed else ops.group_convolution
    convolved = build(
        layer.input,
        constant(weights),
        strides=strides,
        pads_begin=pads,
        pads_end=pads,
        dilations=dilations,
    )
    if not declared.flag("bias_term", True):
        return convolved
    return ops.add(convolved, along_axis(layer.vector(1), 4, 1))


def _build_pooling(layer: Layer) -> Node:
    declared = layer.parameters("pooling_param")
    method = declared.text("pool", "MAX")
    method = _POOLS.get(method, method)
    if method not in _POOLS.values():
        raise layer.make_error(f"pooling {method} is not supported")
    if declared.flag("global_pooling", False):
        reduce_all = ops.reduce_max if method == "MAX" else ops.reduce_mean
        return reduce_all(layer.input, _HEIGHT_AND_WIDTH, keep_dims=True)
    kernel = _spatial(declared, "kernel_size", 0)
    if 0 in kernel:
        raise layer.make_error("has no kernel_size")
    pads = _spatial(declared, "pad", 0)
    strides = _spatial(declared, "stride", 1)
    rounds_up = declared.text("round_mode", "CEIL") not in ("FLOOR", "1")
    # A size is rounded up, but no window begins in the padding at the end.
    rounding = "ceil_torch" if any(pads) else "ceil"
    window = {
        "strides": strides,
        "pads_begin": pads,
        "pads_end": pads,
        "kernel_shape": kernel,
        "rounding_type": rounding if rounds_up else "floor",
    }
    if method == "MAX":
        return ops.max_pool(layer.input, dilations=[1, 1], **window)
    averages = ops.avg_pool(layer.input, exclude_pad=False, **window)
    if not any(pads):
        return averages
    # Windows count the padding, and nothing beyond it. With padding, OpenVINO divides by the size
    # of a whole window, also at the end.
    factors = []
    for axis, size, stride, pad in zip(_HEIGHT_AND_WIDTH, kernel, strides, pads, strict=True):
        starts = np.arange(averages.shape[axis]) * stride
        ends = np.minimum(starts + size, layer.input.shape[axis] + 2 * pad)
        factors.append(size / (ends - starts))
    scales = np.multiply.outer(*factors)[None, None]
    if np.all(scales == 1):
        return averages
    return ops.multiply(averages, constant(scales))


def _build_inner_product(layer: Layer) -> Node:
    declared = layer.parameters("inner_product_param")
    axis = declared.integer("axis", 1)
    weights = layer.blob(0)
    if weights.ndim > 2:
        weights = weights.reshape(weights.shape[-2:])
    flat = _flatten(layer.input, axis)
    is_transposed = declared.flag("transpose", False)
    product = ops.matmul(flat, constant(weights), False, not is_transposed)
    if not declared.flag("bias_term", True):
        return product
    return ops.add(product, constant(layer.vector(1)))


def _flatten(values: Node | Output, axis: int) -> Node:
    axis %= rank_of(values)
    return ops.reshape(values, [0] * axis + [-1], True)


def _build_flatten(layer: Layer) -> Node:
    declared = layer.parameters("flatten_param")
    rank = rank_of(layer.input)
    axis = declared.integer("axis", 1) % rank
    end_axis = declared.integer("end_axis", -1) % rank
    flat = [0] * axis + [-1, *list(layer.input.get_shape())[end_axis + 1 :]]
    return ops.reshape(layer.input, flat, True)


def _build_reshape(layer: Layer) -> Node:
    declared = layer.parameters("reshape_param")
    if declared.integer("axis", 0) or declared.integer("num_axes", -1) != -1:
        raise layer.make_error("a part of the sizes is reshaped, which is not supported")
    sizes = declared.message("shape").integers("dim")
    return ops.reshape(layer.input, sizes, True)


def _build_permute(layer: Layer) -> Node:
    order = layer.parameters("permute_param").integers("order")
    rest = [axis for axis in range(rank_of(layer.input)) if axis not in order]
    return ops.transpose(layer.input, order + rest)


def _build_concat(layer: Layer) -> Node:
    declared = layer.parameters("concat_param")
    axis = declared.integer("axis", declared.integer("concat_dim", 1))
    return ops.concat(list(layer.require_inputs(1)), axis)


def _build_slice(layer: Layer) -> Node:
    declared = layer.parameters("slice_param")
    axis = declared.integer("axis", declared.integer("slice_dim", 1))
    points = declared.integers("slice_point")
    count = len(layer.declared.texts("top"))
    if not points:
        return ops.split(layer.input, axis, count)
    sizes = np.diff([0, *points]).tolist()
    return ops.variadic_split(layer.input, axis, [*sizes, -1])


def _build_relu(layer: Layer) -> Node:
    slope = layer.parameters("relu_param").number("negative_slope", 0)
    if slope:
        return ops.prelu(layer.input, constant([slope]))
    return ops.relu(layer.input)


def _build_power(layer: Layer) -> Node:
    declared = layer.parameters("power_param")
    scale = declared.number("scale", 1)
    shift = declared.number("shift", 0)
    scaled = ops.multiply(layer.input, constant(scale))
    linear = ops.add(scaled, constant(shift))
    power = declared.number("power", 1)
    if power == 1:
        return linear
    return ops.power(linear, constant(power))


def _build_softmax(layer: Layer) -> Node:
    axis = layer.parameters("softmax_param").integer("axis", 1)
    return ops.softmax(layer.input, axis % rank_of(layer.input))


def _build_lrn(layer: Layer) -> Node:
    declared = layer.parameters("lrn_param")
    region = declared.text("norm_region", "ACROSS_CHANNELS")
    is_across = _REGIONS.get(region, region) == "ACROSS_CHANNELS"
    axes = [1] if is_across else _HEIGHT_AND_WIDTH
    alpha = declared.number("alpha", 1)
    beta = declared.number("beta", 0.75)
    bias = declared.number("k", 1)
    size = declared.integer("local_size", 5)
    return ops.lrn(layer.input, axes, alpha, beta, bias=bias, size=size)


def _build_batch_norm(layer: Layer) -> Node:
    """The normalization with the averages of the training, as a product and a sum."""
    epsilon = layer.parameters("batch_norm_param").number("eps", 1e-5)
    # The averages are stored as sums, and how much was added up stands beside them.
    total = float(layer.vector(2)[0])
    share = 1 / total if total else 0.0
    mean = layer.vector(0) * share
    variance = layer.vector(1).astype(np.float64) * share
    precision = 1 / np.sqrt(variance + epsilon)
    factor = precision.astype(np.float32)
    return _scale_channels(layer.input, factor, -mean * factor)


def _scale_channels(values: Output, factor: Array, offset: Array, axis: int = 1) -> Node:
    rank = rank_of(values)
    product = ops.multiply(values, along_axis(factor, rank, axis))
    return ops.add(product, along_axis(offset, rank, axis))


def _build_scale(layer: Layer) -> Node:
    declared = layer.parameters("scale_param")
    rank = rank_of(layer.input)
    axis = declared.integer("axis", 1) % rank
    if len(layer.inputs) > 1:
        # The sizes of the second input are those of the first from this axis on.
        factors = layer.inputs[1]
        after = rank - axis - rank_of(factors)
        if after < 0:
            raise layer.make_error(f"its second input has too many sizes for axis {axis}")
        if axis:
            factors = ops.unsqueeze(factors, list(range(axis)))
        if after:
            factors = ops.unsqueeze(factors, list(range(-after, 0)))
        return ops.multiply(layer.input, factors)
    factor = layer.vector(0)
    if declared.flag("bias_term", False):
        return _scale_channels(layer.input, factor, layer.vector(1), axis)
    return ops.multiply(layer.input, along_axis(factor, rank, axis))


def _build_eltwise(layer: Layer) -> Node:
    declared = layer.parameters("eltwise_param")
    operation = declared.text("operation", "SUM")
    operation = _ELTWISE.get(operation, operation)
    combine = {"PROD": ops.multiply, "SUM": ops.add, "MAX": ops.maximum}.get(operation)
    if combine is None:
        raise layer.make_error(f"operation {operation} is not supported")
    terms = list(layer.require_inputs(2))
    factors = declared.numbers("coeff") if operation == "SUM" else []
    for number, factor in enumerate(factors[: len(terms)]):
        if factor != 1:
            terms[number] = ops.multiply(terms[number], constant(factor))
    return reduce(combine, terms)


def _build_axpy(layer: Layer) -> Node:
    """Of se-resnet: the first input, of one value a channel, times the second, plus the third."""
    factors, values, offset = layer.require_inputs(3)[:3]
    missing = rank_of(values) - rank_of(factors)
    if missing:
        factors = ops.unsqueeze(factors, list(range(-missing, 0)))
    return ops.add(ops.multiply(factors, values), offset)


def _build_swish(layer: Layer) -> Node:
    beta = layer.parameters("swish_param").number("beta", 1)
    scaled = layer.input if beta == 1 else ops.multiply(layer.input, constant(beta))
    return ops.multiply(layer.input, ops.sigmoid(scaled))


def _build_clip(layer: Layer) -> Node:
    declared = layer.parameters("clip_param")
    return ops.clamp(layer.input, declared.number("min", 0), declared.number("max", 0))


def _build_normalize(layer: Layer) -> Node:
    declared = layer.parameters("norm_param")
    axes = [1, 2, 3] if declared.flag("across_spatial", True) else [1]
    epsilon = declared.number("eps", 1e-10)
    normalized = ops.normalize_l2(layer.input, axes, epsilon, "add")
    return ops.multiply(normalized, along_axis(layer.vector(0), 4, 1))


def _build_prior_box(layer: Layer) -> Node:
    declared = layer.parameters("prior_box_param")
    for name in ("img_size", "img_h", "img_w", "step_h", "step_w"):
        if declared.texts(name):
            raise layer.make_error(f"{name} is not supported")
    features, image, *_ = layer.require_inputs(2)
    attributes = {
        "min_size": declared.numbers("min_size"),
        "max_size": declared.numbers("max_size"),
        "aspect_ratio": declared.numbers("aspect_ratio"),
        "variance": declared.numbers("variance") or [0.1],
        "flip": declared.flag("flip", True),
        "clip": declared.flag("clip", False),
        "offset": declared.number("offset", 0.5),
        "step": declared.number("step", 0.0),
        "scale_all_sizes": True,
    }
    boxes = ops.prior_box(_spatial_sizes(features), _spatial_sizes(image), attributes)
    return ops.unsqueeze(boxes, 0)


def _spatial_sizes(values: Output) -> Node:
    """Height and width as a tensor, so that the network can get another input size."""
    return ops.gather(ops.shape_of(values), _HEIGHT_AND_WIDTH, 0)


def _build_detection_output(layer: Layer) -> Node:
    declared = layer.parameters("detection_output_param")
    suppression = declared.message("nms_param")
    code = declared.text("code_type", "CORNER")
    code = _CODES.get(code, code)
    if code not in _CODES.values():
        raise layer.make_error(f"code_type {code} is not supported")
    locations, scores, boxes = layer.require_inputs(3)[:3]
    attributes = {
        "background_label_id": declared.integer("background_label_id", 0),
        "top_k": suppression.integer("top_k", -1),
        "keep_top_k": np.array([declared.integer("keep_top_k", -1)], np.int32),
        "code_type": f"caffe.PriorBoxParameter.{code}",
        "nms_threshold": suppression.number("nms_threshold", 0.3),
        "confidence_threshold": declared.number("confidence_threshold", 0.0),
        "share_location": declared.flag("share_location", True),
        "variance_encoded_in_target": declared.flag("variance_encoded_in_target", False),
        # OpenCV's addition, which its face detector declares.
        "clip_before_nms": declared.flag("clip", False),
        "normalized": True,
    }
    return ops.detection_output(locations, scores, boxes, attributes)


#: By the layer's type; ``find_activation`` has further layers without parameters.
LAYERS: Mapping[str, LayerBuilder] = {
    "AbsVal": lambda layer: ops.absolute(layer.input),
    "Axpy": _build_axpy,
    "BatchNorm": _build_batch_norm,
    "Clip": _build_clip,
    "Concat": _build_concat,
    "Convolution": _build_convolution,
    "ConvolutionDepthwise": _build_convolution,
    "Deconvolution": _build_convolution,
    "DepthwiseConvolution": _build_convolution,
    "DetectionOutput": _build_detection_output,
    "ELU": lambda layer: ops.elu(layer.input, layer.parameters("elu_param").number("alpha", 1)),
    "Eltwise": _build_eltwise,
    "Flatten": _build_flatten,
    "InnerProduct": _build_inner_product,
    "LRN": _build_lrn,
    "Normalize": _build_normalize,
    "PReLU": lambda layer: ops.prelu(layer.input, constant(layer.vector(0))),
    "Permute": _build_permute,
    "Pooling": _build_pooling,
    "Power": _build_power,
    "PriorBox": _build_prior_box,
    "ReLU": _build_relu,
    "Reshape": _build_reshape,
    "Scale": _build_scale,
    "SiLU": _build_swish,
    "Slice": _build_slice,
    "Softmax": _build_softmax,
    "Swish": _build_swish,
}
