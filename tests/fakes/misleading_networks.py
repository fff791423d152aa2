"""Small ONNX networks whose right conversion resembles a wrong one, with the arguments of mo for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

SIDE = 12

#: Means and scales that resemble each other, or values that are left out.
PREPROCESSING: dict[str, tuple[str, ...]] = {
    "127.5 and 128": ("--mean_values", "[127.5]", "--scale_values", "[128]"),
    "127 and 128": ("--mean_values", "[127,127,127]", "--scale_values", "[128,128,128]"),
    "means near scales": (
        "--mean_values", "[123.675,116.28,103.53]", "--scale_values", "[123,117,104]",
    ),
    "mean and scale equal": ("--mean_values", "[127.5]", "--scale_values", "[127.5]"),
    "scale 1": ("--mean_values", "[104,117,123]", "--scale_values", "[1]"),
    "mean 0": ("--mean_values", "[0,0,0]", "--scale_values", "[255]"),
    "equal means, reversed": ("--mean_values", "[127.5]", "--reverse_input_channels"),
    "scales near each other": (
        "--scale_values", "[58,58.05,58.1]", "--mean_values", "[58.1,58.05,58]",
        "--reverse_input_channels",
    ),
    "one scale for all": ("-s", "127.5", "--mean_values", "[127,127.5,128]"),
}  # fmt: skip


@dataclass
class Graph:
    """An ONNX network with one image as its input."""

    seed: int
    dtype: Any = np.float32
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def constant(self, values: Any, dtype: Any = None) -> str:
        """An initializer."""
        name = f"constant{len(self.constants)}"
        array = np.asarray(values, dtype or self.dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def near(self, values: Any) -> Any:
        """The values with a thousandth of noise."""
        return values * (1 + 1e-3 * self.rng.normal(size=np.shape(values)))

    def draw(self, *shape: int) -> Any:
        return self.rng.normal(0, 0.3, shape)

    def convolve(self, x: str, kernel: Any, kind: str = "Conv", **attributes: Any) -> str:
        weights = kernel if isinstance(kernel, str) else self.constant(kernel)
        return self.node(kind, x, weights, pads=[1] * 4, **attributes)

    def normalize(self, x: str, channels: int, *, is_near_one: bool = False) -> str:
        scale = self.near(np.ones(channels)) if is_near_one else self.rng.uniform(-2, 2, channels)
        values = scale, self.draw(channels), self.draw(channels), self.rng.uniform(0.5, 2, channels)
        if is_near_one:
            values = *values[:3], np.ones(channels)
        return self.node("BatchNormalization", x, *map(self.constant, values))

    def finish(self, output: str) -> bytes:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        ports = [
            helper.make_tensor_value_info("image", kind, [1, 3, SIDE, SIDE]),
            helper.make_tensor_value_info(output, kind, None),
        ]
        graph = helper.make_graph(self.nodes, "net", ports[:1], ports[1:], self.constants)
        opsets = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def one_convolution(net: Graph) -> str:
    return net.convolve("image", net.draw(8, 3, 3, 3))


def one_multiplication(net: Graph) -> str:
    return net.node("Mul", "image", net.constant(net.draw(1, 3, 1, 1)))


def own_mean_and_scale(net: Graph) -> str:
    """It normalizes once more, by values near the declared ones."""
    x = net.node("Sub", "image", net.constant(np.reshape([126, 127, 128.5], (1, 3, 1, 1))))
    x = net.node("Mul", x, net.constant(1 / 127.0))
    return net.convolve(x, net.draw(8, 3, 3, 3))


def own_scale_near_one(net: Graph) -> str:
    x = net.node("Div", "image", net.constant(np.reshape([1.01, 1.02, 1.0], (1, 3, 1, 1))))
    return net.convolve(net.node("Add", x, net.constant([[[[-1e-3]]]])), net.draw(8, 3, 3, 3))


def bias_like_a_mean(net: Graph) -> str:
    """Constants of three values in the middle, near usual means and scales."""
    x = net.convolve("image", net.draw(3, 3, 3, 3))
    x = net.node("Sub", x, net.constant(np.reshape([127.4, 127.6, 127.5], (1, 3, 1, 1))))
    return net.node("Div", x, net.constant(np.reshape([128.1, 128.2, 127.9], (1, 3, 1, 1))))


def folded_normalization(net: Graph) -> str:
    x = net.normalize(net.convolve("image", net.draw(16, 3, 3, 3)), 16)
    x = net.node("Relu", x)
    return net.normalize(net.convolve(x, net.draw(16, 16, 3, 3)), 16, is_near_one=True)


def near_twins(net: Graph) -> str:
    """Two branches whose kernels differ by a thousandth, one of them normalized."""
    kernel = net.draw(16, 3, 3, 3)
    first = net.normalize(net.convolve("image", kernel), 16)
    return net.node("Add", first, net.convolve("image", net.near(kernel)))


def constant_node_twin(net: Graph) -> str:
    """As near_twins, but one kernel is a node and not an initializer."""
    kernel = net.draw(16, 3, 3, 3)
    first = net.convolve("image", kernel)
    value = numpy_helper.from_array(net.near(kernel).astype(net.dtype))
    return net.node("Add", first, net.convolve("image", net.node("Constant", value=value)))


def masked_kernel(net: Graph) -> str:
    """Pruned by a mask in the file, which is folded into the kernel."""
    mask = np.ones((16, 3, 3, 3))
    mask[3, 1, 1, 1] = mask[7, 0, 2, 2] = 0
    kernel = net.node("Mul", net.constant(net.draw(16, 3, 3, 3)), net.constant(mask))
    return net.convolve("image", kernel)


def masked_node(net: Graph) -> str:
    """As masked_kernel, but the constants are nodes."""
    mask = np.ones((16, 3, 3, 3), net.dtype)
    mask[5, 2, 0, 1] = 0
    values = net.draw(*mask.shape).astype(net.dtype), mask
    kernel = (net.node("Constant", value=numpy_helper.from_array(each)) for each in values)
    return net.convolve("image", net.node("Mul", *kernel))


def adapted_kernel(net: Graph) -> str:
    """A kernel plus a small update, as LoRA writes them; the kernel is also used without."""
    kernel = net.constant(net.draw(16, 3, 3, 3))
    adapted = net.node("Add", kernel, net.constant(1e-4 * net.draw(16, 3, 3, 3)))
    return net.node("Add", net.convolve("image", kernel), net.convolve("image", adapted))


def chosen_kernel(net: Graph) -> str:
    """A part of its values comes from another constant."""
    kernel = net.draw(16, 3, 3, 3)
    condition = net.constant(net.rng.random(kernel.shape) > 0.05, bool)
    other = net.constant(net.near(kernel))
    return net.convolve("image", net.node("Where", condition, net.constant(kernel), other))


def shared_kernel(net: Graph) -> str:
    """Two nodes have one kernel; a normalization is folded into one of them."""
    kernel = net.constant(net.draw(3, 3, 3, 3))
    x = net.normalize(net.convolve("image", kernel), 3)
    return net.convolve(net.node("Relu", x), kernel)


def transposed_twins(net: Graph) -> str:
    """Square matrices, one almost the transposed other."""
    matrix = net.draw(SIDE, SIDE)
    symmetric = matrix + matrix.T
    x = net.node("MatMul", "image", net.constant(symmetric))
    x = net.node("MatMul", x, net.constant(net.near(symmetric).T))
    return net.node("MatMul", x, net.node("Transpose", net.constant(matrix), perm=[1, 0]))


def scaled_columns(net: Graph) -> str:
    """Factors near one after a matrix: they are folded into its columns."""
    x = net.node("MatMul", "image", net.constant(net.draw(SIDE, SIDE)))
    return net.node("Mul", x, net.constant(net.near(np.ones(SIDE))))


def deconvolution(net: Graph) -> str:
    """A normalization of factors near one is folded along the second axis of its kernel."""
    x = net.convolve("image", net.draw(8, 3, 3, 3))
    x = net.convolve(x, net.draw(8, 8, 4, 4), "ConvTranspose", strides=[2, 2])
    return net.normalize(x, 8, is_near_one=True)


def symmetric_kernels(net: Graph) -> str:
    """Equal in both directions, and equal for all channels of the image."""
    row = np.array([1, 2, 1])
    kernel = np.tile(np.outer(row, row) / 16, (8, 3, 1, 1)) * net.draw(8, 1, 1, 1)
    return net.convolve(net.convolve("image", kernel), np.tile(kernel[:, :1], (1, 8, 1, 1)))


def gray_kernel(net: Graph) -> str:
    """Filters for gray images: nearly equal in all channels."""
    kernel = np.tile(net.draw(16, 1, 3, 3), (1, 3, 1, 1))
    return net.convolve("image", net.near(kernel))


def equal_constants(net: Graph) -> str:
    """All values of a kernel are equal, and nearly equal in the next."""
    x = net.convolve("image", np.full((8, 3, 3, 3), 0.1))
    x = net.normalize(x, 8, is_near_one=True)
    return net.convolve(x, net.near(np.full((8, 8, 3, 3), 0.1)))


def in_place_layers(net: Graph) -> str:
    """Layers that change nothing are left out of the IR."""
    x = net.node("Identity", net.convolve("image", net.draw(8, 3, 3, 3)))
    x = net.node("Dropout", net.node("Add", x, net.constant([[[[0]]]])))
    x = net.node("Mul", net.node("Relu", x), net.constant([1]))
    return net.node("Relu", x)


def depthwise(net: Graph) -> str:
    x = net.normalize(net.convolve("image", net.draw(16, 3, 3, 3)), 16, is_near_one=True)
    x = net.convolve(x, net.draw(16, 1, 3, 3), group=16)
    return net.normalize(x, 16, is_near_one=True)


def joined_kernels(net: Graph) -> str:
    """Two kernels that are one in the IR, beside the first of them alone."""
    first, second = net.constant(net.draw(8, 3, 3, 3)), net.constant(net.draw(8, 3, 3, 3))
    joined = net.node("Concat", first, second, axis=0)
    return net.node("Concat", net.convolve("image", joined), net.convolve("image", first), axis=1)


def gemm(net: Graph) -> str:
    shape = net.constant([1, -1], np.int64)
    x = net.node("Reshape", "image", shape)
    weights = net.draw(3 * SIDE * SIDE, 16)
    x = net.node("Gemm", x, net.constant(weights), alpha=0.5)
    return net.node("Gemm", x, net.constant(net.near(np.ones((16, 16)))), transB=1)


def recurrent(net: Graph) -> str:
    """Weights whose gates have another order in the IR."""
    shape = net.constant([SIDE, 1, 3 * SIDE], np.int64)
    x = net.node("Reshape", "image", shape)
    hidden = 4
    gates = [net.near(np.ones((1, 4 * hidden, size))) for size in (3 * SIDE, hidden)]
    return net.node("LSTM", x, *(net.constant(0.01 * each) for each in gates), hidden_size=hidden)


def positions(net: Graph) -> str:
    """Two sums that are joined in the IR."""
    x = net.convolve("image", net.draw(8, 3, 3, 3))
    x = net.node("Add", x, net.constant(net.draw(1, 8, SIDE, SIDE)))
    return net.node("Add", x, net.constant(1e-4 * net.draw(1, 8, SIDE, SIDE)))


def tiny(net: Graph) -> str:
    return net.node("Relu", "image")


FORMS: Sequence[Callable[[Graph], str]] = (
    one_convolution, one_multiplication, own_mean_and_scale, own_scale_near_one, bias_like_a_mean,
    folded_normalization, near_twins, constant_node_twin, masked_kernel, masked_node,
    adapted_kernel, chosen_kernel, shared_kernel, transposed_twins, scaled_columns, deconvolution,
    symmetric_kernels, gray_kernel, equal_constants, in_place_layers, depthwise, joined_kernels,
    gemm, recurrent, positions, tiny,
)  # fmt: skip


def misleading_networks() -> Iterator[tuple[str, bytes, tuple[str, ...]]]:
    """234: the name, the file and the arguments of each."""
    for number, form in enumerate(FORMS):
        for place, (title, arguments) in enumerate(PREPROCESSING.items()):
            half = np.float16 if (number + place) % 4 == 0 and form is not recurrent else np.float32
            net = Graph(len(PREPROCESSING) * number + place, half)
            name = f"{form.__name__}, {title}, {np.dtype(half).name}"
            yield name, net.finish(form(net)), arguments
