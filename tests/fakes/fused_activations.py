"""TFLite files of one operator with a fused activation.

The values around 0 are as small as -10 and as large as 10, so that each activation changes some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from ai_edge_litert import schema_py_generated as tflite

from fakes.tflite_writer import TfliteWriter, options_of

Array = np.ndarray

SHAPE = (1, 5, 6, 3)
SAME = {"padding": tflite.Padding.SAME}
STRIDES = {"strideH": 1, "strideW": 1}
DILATIONS = {"dilationHFactor": 1, "dilationWFactor": 1}
DEPTHS = {"strideD": 1, "dilationDFactor": 1}


class Operator:
    """Writes one operator between the tensors ``image`` and ``result``."""

    def __init__(self, activation: str, open_axis: int | None = None) -> None:
        self.activation = getattr(tflite.ActivationFunctionType, activation)
        self.writer = TfliteWriter(open_axis=open_axis)
        self.rng = np.random.default_rng(0)

    def draw(self, *shape: int) -> Array:
        return self.rng.normal(size=shape).astype(np.float32)

    def write(
        self,
        kind: str,
        options: str,
        constants: list[Array],
        *,
        shape: tuple[int, ...] = SHAPE,
        output: tuple[int, ...] = SHAPE,
        place: int = 0,
        **fields: object,
    ) -> bytes:
        """The file; the image is the operator's input number ``place``, the others are constants."""
        image = self.writer.tensor("image", shape)
        inputs = [
            self.writer.tensor(f"constant{number}", each.shape, each, dtype=each.dtype.name)
            for number, each in enumerate(constants)
        ]
        inputs.insert(place, image)
        result = self.writer.tensor("result", output)
        given = options_of(options, **fields, fusedActivationFunction=self.activation)
        self.writer.operator(kind, given, inputs, [result])
        return self.writer.finish([image], [result])


def _convolve(op: Operator) -> bytes:
    weights = [op.draw(4, 3, 3, 3), op.draw(4)]
    fields = SAME | STRIDES | DILATIONS
    return op.write("CONV_2D", "Conv2DOptions", weights, output=(1, 5, 6, 4), **fields)


def _convolve_by_channel(op: Operator) -> bytes:
    weights = [op.draw(1, 3, 3, 6), op.draw(6)]
    fields = SAME | STRIDES | DILATIONS | {"depthMultiplier": 2}
    kind = "DEPTHWISE_CONV_2D"
    return op.write(kind, "DepthwiseConv2DOptions", weights, output=(1, 5, 6, 6), **fields)


def _convolve_volume(op: Operator) -> bytes:
    weights = [op.draw(3, 3, 3, 3, 2), op.draw(2)]
    fields = SAME | STRIDES | DILATIONS | DEPTHS
    shape, output = (1, 4, 5, 6, 3), (1, 4, 5, 6, 2)
    return op.write("CONV_3D", "Conv3DOptions", weights, shape=shape, output=output, **fields)


def _connect(op: Operator) -> bytes:
    weights = [op.draw(7, 5), op.draw(7)]
    kind = "FULLY_CONNECTED"
    return op.write(kind, "FullyConnectedOptions", weights, shape=(2, 5), output=(2, 7))


def _calculate(kind: str, options: str) -> Callable[[Operator], bytes]:
    return lambda op: op.write(kind, options, [op.draw(*SHAPE)])


def _pool(kind: str) -> Callable[[Operator], bytes]:
    fields = SAME | STRIDES | {"filterHeight": 2, "filterWidth": 2}
    return lambda op: op.write(kind, "Pool2DOptions", [], **fields)


def _join(op: Operator) -> bytes:
    other = [op.draw(1, 5, 6, 2)]
    return op.write("CONCATENATION", "ConcatenationOptions", other, output=(1, 5, 6, 5), axis=3)


def _normalize(op: Operator) -> bytes:
    return op.write("L2_NORMALIZATION", "L2NormOptions", [])


def _convolve_transposed(
    *, has_bias: bool, padding: int = tflite.Padding.SAME
) -> Callable[[Operator], bytes]:
    def write(op: Operator) -> bytes:
        output = (1, 10, 12, 4) if padding == tflite.Padding.SAME else (1, 11, 13, 4)
        constants = [np.array(output, np.int32), op.draw(4, 3, 3, 3)]
        if has_bias:
            constants.append(op.draw(4) * 5)
        return op.write(
            "TRANSPOSE_CONV",
            "TransposeConvOptions",
            constants,
            output=output,
            place=2,
            padding=padding,
            strideH=2,
            strideW=2,
        )

    return write


#: By the name of the operator in the schema, and what is special.
OPERATORS: Mapping[str, Callable[[Operator], bytes]] = {
    "ADD": _calculate("ADD", "AddOptions"),
    "AVERAGE_POOL_2D": _pool("AVERAGE_POOL_2D"),
    "CONCATENATION": _join,
    "CONV_2D": _convolve,
    "CONV_3D": _convolve_volume,
    "DEPTHWISE_CONV_2D": _convolve_by_channel,
    "DIV": _calculate("DIV", "DivOptions"),
    "FULLY_CONNECTED": _connect,
    "L2_NORMALIZATION": _normalize,
    "MAX_POOL_2D": _pool("MAX_POOL_2D"),
    "MUL": _calculate("MUL", "MulOptions"),
    "SUB": _calculate("SUB", "SubOptions"),
    "TRANSPOSE_CONV": _convolve_transposed(has_bias=True),
    "TRANSPOSE_CONV without bias": _convolve_transposed(has_bias=False),
    "TRANSPOSE_CONV without padding": _convolve_transposed(
        has_bias=True, padding=tflite.Padding.VALID
    ),
}


def write_operator(title: str, activation: str) -> bytes:
    """The content of the file."""
    return OPERATORS[title](Operator(activation))


def write_heatmap_network(*, open_axis: int | None = None) -> bytes:
    """``image`` -> convolution -> ``features`` -> transposed convolution -> ``maps`` -> convolution
    -> ``heatmaps``, as the heads of many pose networks.
    """
    op = Operator("RELU", open_axis)
    writer = op.writer
    plain = options_of("Conv2DOptions", **SAME, **STRIDES, **DILATIONS)
    fused = options_of(
        "TransposeConvOptions",
        **SAME,
        strideH=2,
        strideW=2,
        fusedActivationFunction=op.activation,
    )

    def constants(name: str, kernel: Array) -> list[int]:
        bias = op.draw(len(kernel))
        return [
            writer.tensor(f"{name}/kernel", kernel.shape, kernel),
            writer.tensor(f"{name}/bias", bias.shape, bias),
        ]

    image = writer.tensor("image", (1, 8, 12, 3))
    features = writer.tensor("features", (1, 8, 12, 6))
    maps = writer.tensor("maps", (1, 16, 24, 5))
    heatmaps = writer.tensor("heatmaps", (1, 16, 24, 2))
    writer.operator(
        "CONV_2D", plain, [image, *constants("first", op.draw(6, 3, 3, 3) / 100)], [features]
    )
    sizes = np.array([1, 16, 24, 5])
    size = writer.tensor("size", (4,), sizes, dtype="int32")
    kernel, bias = constants("second", op.draw(5, 4, 4, 6))
    writer.operator("TRANSPOSE_CONV", fused, [size, kernel, features, bias], [maps])
    writer.operator("CONV_2D", plain, [maps, *constants("third", op.draw(2, 1, 1, 5))], [heatmaps])
    return writer.finish([image], [heatmaps])
