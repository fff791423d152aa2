"""Small TFLite networks, each right or with one fault; as ``onnx_networks``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from fakes.tflite_writer import TfliteWriter, options_of

from .network import HEIGHT, WIDTH, Array, Network, Port, Written

SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
ACTIVATIONS = schema.ActivationFunctionType

#: The classes of the options of operators, where the operator's name does not tell them.
_OPTIONS = {
    "CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "AVERAGE_POOL_2D": "Pool2D",
    "MAX_POOL_2D": "Pool2D", "L2_NORMALIZATION": "L2Norm", "MEAN": "Reducer",
    "REDUCE_MAX": "Reducer", "MAXIMUM": "MaximumMinimum", "BATCH_MATMUL": "BatchMatMul",
    "PADV2": "PadV2",
}  # fmt: skip
#: Operators without options.
_PLAIN = {"PRELU", "LOGISTIC", "RELU", "RELU6", "RSQRT", "ROUND", "FLOOR", "TANH", "ELU"}


class TfliteNetwork(Network):
    """Writes operators of a TFLite graph; its input is ``image``."""

    def __init__(self, fault: str = "", seed: int = 0) -> None:
        super().__init__(fault, seed)
        self.writer = TfliteWriter()
        self.image = self.writer.tensor("image", (1, HEIGHT, WIDTH, 3))

    def constant(self, values: object, dtype: Any = np.float32) -> int:
        array = np.asarray(values, dtype)
        name = f"constant_{len(self.writer.buffers)}"
        return self.writer.tensor(name, array.shape, array, dtype=array.dtype.name)

    def integers(self, *values: int) -> int:
        return self.constant(values, np.int32)

    def node(
        self, kind: str, *inputs: int, dtype: str = "float32", scale: float = 0.0, **options: Any
    ) -> int:
        """The number of the node's output tensor, which is quantized if it has a scale."""
        name = f"{kind.lower()}_{len(self.writer.operators)}"
        output = self.writer.tensor(name, (), dtype=dtype, scales=[scale] if scale else [])
        title = _OPTIONS.get(kind, kind.title().replace("_", "")) + "Options"
        given = None if kind in _PLAIN else options_of(title, **options)
        self.writer.operator(kind, given, inputs, [output])
        return output

    def quantize(self, x: int, scale: float) -> int:
        """The tensor in 8 bits."""
        return self.node("QUANTIZE", x, dtype="int8", scale=scale)

    def convolve(
        self, x: int, kernel: Array, bias: Array, *, stride: tuple[int, int] = (1, 1),
        kind: str = "CONV_2D", padding: int = SAME, **options: Any,
    ) -> int:  # fmt: skip
        return self.node(
            kind, x, self.constant(kernel), self.constant(bias), strideH=stride[0],
            strideW=stride[1], padding=padding, **options,
        )  # fmt: skip

    def same(self, x: int, inputs: int, channels: int, side: int = 3, **options: Any) -> int:
        kernel = self.draw(channels, side, side, inputs)
        return self.convolve(x, kernel, self.bias(channels), **options)

    def stem(self, channels: int = 8) -> int:
        """The image at half of its size, in so many channels."""
        x = self.node("MUL", self.image, self.constant(1 / 128))
        kernel = self.draw(channels, 3, 3, 3)
        return self.convolve(
            x, kernel, self.bias(channels), stride=(2, 2), fusedActivationFunction=ACTIVATIONS.RELU
        )

    def finish(self, outputs: int | Sequence[int]) -> Written:
        """The file, with the sizes that LiteRT finds; its outputs are ``out_0`` and so on."""
        numbers = [outputs] if isinstance(outputs, int) else list(outputs)
        tensors = self.writer.tensors
        for place, number in enumerate(numbers):
            tensors[number].name = f"out_{place}"
        interpreter = Interpreter(
            model_content=self.writer.finish([self.image], numbers),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        for number, tensor in enumerate(tensors):
            if not tensor.buffer:
                details = interpreter._get_tensor_details(number, 0)
                tensor.shape = list(map(int, details["shape"]))
        ports = [
            Port(tensors[number].name, tuple(tensors[number].shape))
            for number in (self.image, *numbers)
        ]
        content = self.writer.finish([self.image], numbers)
        return Written("tflite", content, (ports[0],), tuple(ports[1:]), tuple(self.faults))


Form = Callable[[TfliteNetwork], "int | list[int]"]


def fused(net):
    """Activations that are part of another operator, convolutions by channel, two heads."""
    x = net.stem()
    kernel = net.draw(1, 3, 3, 16, gain=9)
    turned = kernel.swapaxes(1, 2)
    limit = net.pick("fused RELU6 for RELU", ACTIVATIONS.RELU6, ACTIVATIONS.RELU)
    x = net.convolve(
        x, net.pick("kernel by channel transposed", kernel, turned), net.bias(16),
        kind="DEPTHWISE_CONV_2D", depthMultiplier=2, fusedActivationFunction=limit,
    )  # fmt: skip
    activation = net.pick("fused ReLU dropped", ACTIVATIONS.RELU, ACTIVATIONS.NONE)
    y = net.same(x, 16, 16, fusedActivationFunction=activation)
    activation = net.pick("fused ReLU of a sum dropped", ACTIVATIONS.RELU, ACTIVATIONS.NONE)
    bias = net.constant(-np.ones(16))
    x = net.node("ADD", net.node("ADD", x, y), bias, fusedActivationFunction=activation)
    options = {"filterHeight": 3, "filterWidth": 3, "strideH": 1, "strideW": 1, "padding": SAME}
    kind = net.pick("kind of pooling", "AVERAGE_POOL_2D", "MAX_POOL_2D")
    x = net.node(kind, x, **options)
    bias_values = net.bias(5)
    wrong = 0 * bias_values
    first = net.convolve(x, net.draw(5, 1, 1, 16), net.pick("bias dropped", bias_values, wrong))
    heads = [first, net.same(x, 16, 5, 1)]
    return net.pick("two outputs swapped", heads, heads[::-1])


def borders(net):
    """Borders, strides and dilations."""
    x = net.node("MUL", net.image, net.constant(1 / 128))
    mode = net.pick("mode of a border", 0, 1)  # reflect or symmetric
    x = net.node(
        "MIRROR_PAD", x, net.constant([[0, 0], [1, 2], [2, 1], [0, 0]], np.int32), mode=mode
    )
    x = net.convolve(x, net.draw(8, 3, 3, 3), net.bias(8), stride=(2, 2), padding=VALID)
    side = net.pick("border at the other side", [0, 1], [1, 0])
    x = net.node("PAD", x, net.constant([[0, 0], side, side, [0, 0]], np.int32))
    x = net.convolve(x, net.draw(8, 3, 3, 8), net.bias(8), stride=(2, 2), padding=VALID)
    alpha = net.pick("slope of LEAKY_RELU", 0.3, 0.01)
    x = net.node("LEAKY_RELU", x, alpha=alpha)
    rates = net.pick("dilation", (2, 1), (1, 2))
    return net.same(x, 8, 6, dilationHFactor=rates[0], dilationWFactor=rates[1])


def resizes(net):
    """Resizes in their modes, and what is joined after them."""
    x = net.stem()
    low = net.same(x, 8, 8, stride=(2, 2))
    size = net.integers(20, 28)
    half = net.pick("coordinates of a linear resize", True, False)
    smooth = net.node("RESIZE_BILINEAR", low, size, halfPixelCenters=half)
    corner = net.pick("corners of a linear resize", True, False)
    corners = net.node("RESIZE_BILINEAR", low, size, alignCorners=corner)
    odd = net.integers(13, 17)
    near = net.node(
        "RESIZE_NEAREST_NEIGHBOR", x, odd,
        alignCorners=net.pick("corners of the nearest pixel", False, True),
    )  # fmt: skip
    near = net.node("RESIZE_NEAREST_NEIGHBOR", near, size)
    slopes = net.rng.uniform(0.1, 0.6, (1, 1, 8))
    slopes = net.pick("slopes of PRELU", slopes, slopes[..., ::-1])
    smooth = net.node("PRELU", smooth, net.constant(slopes))
    parts = [x, smooth, corners, near]
    parts = net.pick("order of a concatenation", parts, [smooth, x, corners, near])
    return net.same(net.node("CONCATENATION", *parts, axis=3), 32, 4)


def slices(net):
    """Crops, interleaved pixels, chosen channels and other orders of axes."""
    x = net.node("MUL", net.image, net.constant(1 / 128))
    begin = net.pick("begin of a crop", (0, 2, 1, 0), (0, 3, 1, 0))
    end = (0, 99, 99, 0)
    x = net.node(
        "STRIDED_SLICE", x, net.integers(*begin), net.integers(*end), net.integers(1, 2, 2, 1),
        beginMask=9, endMask=9,
    )  # fmt: skip
    x = net.node("SLICE", x, net.integers(0, 1, 0, 0), net.integers(1, 16, 24, 3))
    x = net.node("SPACE_TO_DEPTH", x, blockSize=2)
    chosen = net.pick("gathered index", [11, 0, 5, 2, 7, 8, 1, 3], [11, 0, 5, 2, 7, 8, 1, 4])
    x = net.node("GATHER", x, net.integers(*chosen), axis=3)
    x = net.same(x, 8, 8, fusedActivationFunction=ACTIVATIONS.RELU)
    order = net.pick("order of axes", [0, 3, 1, 2], [0, 3, 2, 1])
    x = net.node("TRANSPOSE", x, net.integers(*order))
    x = net.node("RESHAPE", x, net.integers(1, 8, 96), newShape=[1, 8, 96])
    kernel = net.draw(6, 96)
    other = kernel.copy()
    other[2] *= 1.03
    kernel = net.pick("one row larger by 3 %", kernel, other)
    return net.node(
        "FULLY_CONNECTED", x, net.constant(kernel), net.constant(net.bias(6)), keepNumDims=True
    )


def attention(net):
    """A layer of a transformer, whose normalization is written out."""
    x = net.node("MUL", net.image, net.constant(1 / 128))
    x = net.convolve(x, net.draw(16, 8, 8, 3), net.bias(16), stride=(8, 8), padding=VALID)
    x = net.node("RESHAPE", x, net.integers(1, 35, 16), newShape=[1, 35, 16])
    axis = net.integers(2)
    centred = net.node("SUB", x, net.node("MEAN", x, axis, keepDims=True))
    variance = net.node("MEAN", net.node("MUL", centred, centred), axis, keepDims=True)
    epsilon = net.pick("epsilon of a normalization", 0.5, 1e-3)
    inverse = net.node("RSQRT", net.node("ADD", variance, net.constant([epsilon])))
    y = net.node("MUL", centred, inverse)
    query, key, value = (
        net.node("FULLY_CONNECTED", y, net.constant(net.draw(16, 16)), net.constant(net.bias(16)),
                 keepNumDims=True)
        for _ in range(3)
    )  # fmt: skip
    scores = net.node("BATCH_MATMUL", query, key, adjY=True)
    scores = net.node("SOFTMAX", scores, beta=net.pick("beta of SOFTMAX", 0.25, 1.0))
    x = net.node("ADD", x, net.node("BATCH_MATMUL", scores, value))
    x = net.node(net.pick("HARD_SWISH for LOGISTIC", "LOGISTIC", "HARD_SWISH"), x)
    return net.node("FULLY_CONNECTED", x, net.constant(net.draw(3, 16)), net.constant(net.bias(3)),
                    keepNumDims=True)  # fmt: skip


def deconvolution(net):
    """A transposed convolution, a norm, and the mean of the image as factors."""
    x = net.stem()
    kernel = net.draw(6, 3, 3, 8)
    turned = kernel[:, ::-1, ::-1]
    kernel = net.pick("kernel of a deconvolution turned", kernel, turned)
    x = net.node(
        "TRANSPOSE_CONV", net.integers(1, 40, 56, 6), net.constant(kernel), x,
        strideH=2, strideW=2, padding=SAME,
    )  # fmt: skip
    x = net.node("ADD", x, net.constant(net.bias(6)))
    x = net.node("RELU", x)
    factors = net.node("MEAN", x, net.integers(1, 2), keepDims=True)
    factors = net.node("LOGISTIC", net.same(factors, 6, 6, 1))
    x = net.node(net.pick("MAXIMUM for MUL", "MUL", "MAXIMUM"), x, factors)
    x = net.node("L2_NORMALIZATION", net.node("ADD", x, net.constant(net.bias(6))))
    return net.same(x, 6, 4, 1)


def faint_branch(net):
    """A branch that adds a hundred-thousandth to a sum."""
    x = net.stem()
    activation = net.pick("fused ReLU dropped", ACTIVATIONS.RELU, ACTIVATIONS.NONE)
    y = net.same(x, 8, 8, fusedActivationFunction=activation)
    y = net.node("MUL", y, net.constant(1e-5))
    return net.same(net.node("ADD", net.same(x, 8, 8), y), 8, 5, 1)


def dynamic_range(net):
    """Weights in 8 bits, which are multiplied by floats: LiteRT rounds these to 8 bits, too."""
    x = net.stem()
    for number in range(2):
        kernel = _round(net, net.draw(8, 3, 3, 8), 0)
        x = net.node(
            "CONV_2D", x, kernel, net.constant(net.bias(8)), strideH=1, strideW=1, padding=SAME,
            fusedActivationFunction=net.pick(
                f"fused ReLU {number} dropped", ACTIVATIONS.RELU, ACTIVATIONS.NONE
            ),
        )  # fmt: skip
    rates = net.pick("dilation", 2, 1)
    x = net.node(
        "DEPTHWISE_CONV_2D", x, _round(net, net.draw(1, 3, 3, 8, gain=9), 3),
        net.constant(net.bias(8)), strideH=1, strideW=1, padding=SAME, depthMultiplier=1,
        dilationHFactor=rates, dilationWFactor=rates,
    )  # fmt: skip
    x = net.node("AVERAGE_POOL_2D", x, filterHeight=5, filterWidth=7, strideH=5, strideW=7,
                 padding=VALID)  # fmt: skip
    x = net.node("RESHAPE", x, net.integers(16, 8), newShape=[16, 8])
    return net.node("FULLY_CONNECTED", x, _round(net, net.draw(5, 8), 0), net.constant(net.bias(5)))


def _round(net: TfliteNetwork, weights: Array, axis: int) -> int:
    """Weights in 8 bits with a scale for each index of an axis."""
    others = tuple(number for number in range(weights.ndim) if number != axis)
    scales = np.abs(weights).max(others) / 127
    levels = np.round(weights / np.expand_dims(scales, others)).astype(np.int8)
    name = f"constant_{len(net.writer.buffers)}"
    number = net.writer.tensor(
        name, weights.shape, levels, dtype="int8", scales=list(map(float, scales))
    )
    net.writer.tensors[number].quantization.quantizedDimension = axis
    return number


FORMS: tuple[Form, ...] = (
    fused, borders, resizes, slices, attention, deconvolution, dynamic_range, faint_branch,
)  # fmt: skip


def constant_factors(net):
    """Factors and sums that a reader may fold into the convolution before them."""
    x = net.node("MUL", net.same(net.stem(), 8, 8), net.constant(net.bias(8) + 1))
    x = net.node("SUB", x, net.constant(net.bias(8)))
    return net.same(net.node("RELU6", net.node("DIV", x, net.constant(3))), 8, 4)


def half_weights(net):
    """Weights in half float, which an operator turns into floats."""
    kernel = net.constant(net.draw(6, 3, 3, 8), np.float16)
    bias = net.constant(net.bias(6), np.float16)
    floats = [net.node("DEQUANTIZE", each) for each in (kernel, bias)]
    return net.node("CONV_2D", net.stem(), *floats, strideH=1, strideW=1, padding=SAME)


def rounded(net):
    """A tensor in 8 bits between floats: a rounding may tip over."""
    x = net.same(net.stem(), 8, 4)
    x = net.quantize(x, scale=1 / 16)
    return net.same(net.node("DEQUANTIZE", x), 4, 4, 1)


def extreme_weights(net):
    """Weights of 1e-30, whose results are divided by as much."""
    x = net.convolve(net.stem(), net.draw(4, 3, 3, 8) * 1e-30, net.bias(4) * 1e-30)
    return net.node("DIV", x, net.constant(1e-30))


def dead_output(net):
    """An output that is 0 for each image."""
    x = net.stem()
    dead = net.node("RELU", net.node("SUB", net.node("LOGISTIC", x), net.constant(2)))
    return [net.same(x, 8, 3), dead]


def forms_of_axes(net):
    """Orders of axes that a reader may join or leave out."""
    x = net.node("TRANSPOSE", net.stem(), net.integers(0, 3, 1, 2))
    x = net.node("RESHAPE", x, net.integers(1, 8, 560), newShape=[1, 8, 560])
    x = net.node("TRANSPOSE", x, net.integers(0, 2, 1))
    x = net.node("RESHAPE", x, net.integers(1, 20, 28, 8), newShape=[1, 20, 28, 8])
    return net.node("SOFTMAX", net.same(x, 8, 4), beta=1.0)


UNUSUAL: tuple[Form, ...] = (
    constant_factors, half_weights, rounded, extreme_weights, dead_output, forms_of_axes,
)  # fmt: skip


def half_pixels(net):
    """The nearest pixel of halves, which OpenVINO 2026.4 takes for whole ones."""
    size = net.integers(13, 17)
    return net.node("RESIZE_NEAREST_NEIGHBOR", net.stem(), size, halfPixelCenters=True)


def fused_deconvolution(net):
    """A ReLU in a transposed convolution, which OpenVINO 2026.4 drops."""
    kernel = net.draw(6, 3, 3, 8)
    x = net.node(
        "TRANSPOSE_CONV", net.integers(1, 40, 56, 6), net.constant(kernel), net.stem(),
        strideH=2, strideW=2, padding=SAME, fusedActivationFunction=ACTIVATIONS.RELU,
    )  # fmt: skip
    return net.same(x, 6, 4, 1)


def small_norms(net):
    """Vectors of a length of 0.0005, which OpenVINO 2026.4 divides by 0.001."""
    x = net.node("MUL", net.stem(), net.constant(1e-4))
    return net.node("L2_NORMALIZATION", net.node("ADD", x, net.constant(1e-4)))


#: OpenVINO itself reads these wrongly: they must be refused, or be right.
MISREAD: tuple[Form, ...] = (half_pixels, fused_deconvolution, small_norms)
