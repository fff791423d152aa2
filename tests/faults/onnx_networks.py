"""Small ONNX networks with the operations of pose networks, each right or with one fault.

A form is a function that writes a network and returns its outputs. ``FORMS`` can have faults;
``UNUSUAL`` are right, and look as if something were wrong with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .network import HEIGHT, WIDTH, Array, Network, Port, Written

#: A border of one pixel.
AROUND = [1, 1, 1, 1]


class OnnxNetwork(Network):
    """Writes nodes of an ONNX graph; its input is ``image``."""

    opset = 17
    image_type = np.float32
    image_shape: tuple[int | str, ...] = (1, 3, HEIGHT, WIDTH)

    def __init__(self, fault: str = "", seed: int = 0) -> None:
        super().__init__(fault, seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, *inputs: str, count: int = 1, **attributes: Any) -> Any:
        """The name of the node's output, or the names of several."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        names = [name] if count == 1 else [f"{name}_{number}" for number in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name, **attributes))
        return name if count == 1 else names

    def constant(self, values: object, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def drawn(self, *shape: int, **how: float) -> str:
        """A constant of random values."""
        return self.constant(self.draw(*shape, **how))

    def integers(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def convolve(self, x: str, kernel: Array, bias: Array | None = None, **attributes: Any) -> str:
        kind = attributes.pop("kind", "Conv")
        weights = [self.constant(kernel)]
        if bias is not None:
            weights.append(self.constant(bias))
        return self.node(kind, x, *weights, **attributes)

    def same(self, x: str, inputs: int, channels: int, side: int = 3) -> str:
        """A convolution that keeps height and width, with a bias."""
        kernel = self.draw(channels, inputs, side, side)
        return self.convolve(x, kernel, self.bias(channels), pads=[side // 2] * 4)

    def stem(self, channels: int = 8) -> str:
        """The image at half of its size, in so many channels."""
        x = self.node("Mul", "image", self.constant(1 / 128))
        kernel = self.draw(channels, 3, 3, 3)
        x = self.convolve(x, kernel, self.bias(channels), strides=[2, 2], pads=AROUND)
        return str(self.node("Relu", x))

    def normalize(self, x: str, channels: int, **attributes: Any) -> str:
        values = [
            self.rng.uniform(0.5, 1.5, channels), self.rng.normal(0, 0.2, channels),
            self.rng.normal(0, 0.2, channels), self.rng.uniform(0.01, 0.05, channels),
        ]  # fmt: skip
        return str(self.node("BatchNormalization", x, *map(self.constant, values), **attributes))

    def finish(self, outputs: str | Sequence[str]) -> Written:
        """The file; its outputs are called ``out_0`` and so on, with a fault as without."""
        names = []
        for number, tensor in enumerate([outputs] if isinstance(outputs, str) else outputs):
            names.append(f"out_{number}")
            self.nodes.append(helper.make_node("Identity", [tensor], names[-1:], names[-1]))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.image_type))
        image = helper.make_tensor_value_info("image", kind, self.image_shape)
        ends = [helper.make_empty_tensor_value_info(name) for name in names]
        graph = helper.make_graph(self.nodes, "network", [image], ends, self.constants)
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        content = model.SerializeToString(deterministic=True)
        outputs = tuple(_read_port(end) for end in model.graph.output)
        return Written("onnx", content, (_read_port(image),), outputs, tuple(self.faults))


def _read_port(port: Any) -> Port:
    """A port with -1 for sizes that are not fixed."""
    kind = port.type.tensor_type
    shape = tuple(size.dim_value or -1 for size in kind.shape.dim)
    return Port(port.name, shape, helper.tensor_dtype_to_np_dtype(kind.elem_type))


Form = Callable[[OnnxNetwork], "str | list[str]"]


def residual(net):
    """Blocks with a shortcut, and normalization that is not folded."""
    pads = net.pick("padding at the other side", [0, 0, 1, 1], [1, 1, 0, 0])
    x = net.convolve("image", net.draw(8, 3, 3, 3), strides=[2, 2], pads=pads)
    epsilon = net.pick("epsilon of batch normalization", 1e-2, 1e-5)
    x = net.node("Relu", net.normalize(net.node("Mul", x, net.constant(0.01)), 8, epsilon=epsilon))
    y = net.same(x, 8, 8)
    y = net.node(net.pick("ReLU dropped", "Relu", "Identity"), y)
    kernel = net.draw(8, 8, 3, 3)
    other = kernel.copy()
    other[3] *= 1.02
    bias = net.bias(8)
    y = net.convolve(
        y, net.pick("one filter larger by 2 %", kernel, other),
        net.pick("bias dropped", bias, 0 * bias), pads=AROUND,
    )  # fmt: skip
    x = net.node(net.pick("sign of a sum", "Add", "Sub"), x, y)
    return net.same(x, 8, 5, 1)


def mobile(net):
    """Convolutions by channel, limits of activations, pooling with a border, two heads."""
    x = net.stem()
    limit = net.pick("upper limit of Clip", 1.5, 6.0)
    kernel = net.draw(8, 1, 3, 3, gain=3)
    kernel = net.pick("kernel by channel transposed", kernel, kernel.swapaxes(2, 3))
    x = net.convolve(x, kernel, net.bias(8), group=8, pads=AROUND)
    x = net.node("Clip", x, net.constant(0), net.constant(limit))
    counted = net.pick("pooling counts the border", 0, 1)
    x = net.node("AveragePool", x, kernel_shape=[3, 3], pads=AROUND, count_include_pad=counted)
    x = net.node("HardSwish", net.same(x, 8, 16, 1))
    grouped = net.draw(16, 4, 3, 3)
    groups = net.pick("channels of groups mixed", grouped, np.roll(grouped, 4, 0))
    x = net.convolve(x, groups, net.bias(16), group=4, pads=AROUND)
    heads = [net.same(x, 16, 4, 1), net.same(x, 16, 4, 1)]
    return net.pick("two outputs swapped", heads, heads[::-1])


def pyramid(net):
    """Two resolutions that are joined again."""
    high = net.stem()
    low = net.node("MaxPool", high, kernel_shape=[2, 2], strides=[2, 2])
    alpha = net.pick("slope of LeakyRelu", 0.2, 0.01)
    low = net.node("LeakyRelu", net.same(low, 8, 8), alpha=alpha)
    mode = net.pick("coordinates of a linear resize", "half_pixel", "asymmetric")
    scales = net.constant([1, 1, 2, 2])
    smooth = net.node("Resize", low, "", scales, mode="linear", coordinate_transformation_mode=mode)
    mode = net.pick("corners of a linear resize", "align_corners", "half_pixel")
    sizes = net.integers(1, 8, 20, 28)
    corners = net.node(
        "Resize", net.same(low, 8, 8, 1), "", "", sizes, mode="linear",
        coordinate_transformation_mode=mode,
    )  # fmt: skip
    rounding = net.pick("rounding of the nearest pixel", "floor", "ceil")
    near = net.node(
        "Resize", low, "", scales, mode="nearest", nearest_mode=rounding,
        coordinate_transformation_mode="asymmetric",
    )  # fmt: skip
    parts = [high, smooth, corners, near]
    other = [smooth, high, corners, near]
    x = net.node("Concat", *net.pick("order of a concatenation", parts, other), axis=1)
    return net.same(x, 32, 6)


def deconvolution(net):
    """Transposed convolutions after a border that repeats the image."""
    x = net.node("Mul", "image", net.constant(1 / 128))
    mode = net.pick("mode of a border", "reflect", "edge")
    x = net.node("Pad", x, net.integers(0, 0, 2, 1, 0, 0, 1, 2), mode=mode)
    x = net.node("Relu", net.convolve(x, net.draw(8, 3, 3, 3), net.bias(8), strides=[2, 2]))
    kernel = net.draw(8, 6, 4, 4)
    flipped = kernel[:, :, ::-1, ::-1]
    x = net.convolve(
        x, net.pick("kernel of a deconvolution turned", kernel, flipped), net.bias(6),
        kind="ConvTranspose", strides=[2, 2], pads=AROUND,
    )  # fmt: skip
    x = net.node("Relu", x)
    pads = net.pick("crop of a deconvolution off by one", [0, 1, 1, 0], [1, 0, 0, 1])
    x = net.convolve(
        x, net.draw(6, 3, 3, 3), kind="ConvTranspose", strides=[2, 2], pads=pads, group=2
    )
    return net.same(x, 6, 4, 1)


def attention(net):
    """A layer of a transformer on patches."""
    x = net.node("Mul", "image", net.constant(1 / 128))
    x = net.convolve(x, net.draw(16, 3, 8, 8), net.bias(16), strides=[8, 8])
    x = net.node("Transpose", net.node("Reshape", x, net.integers(1, 16, 35)), perm=[0, 2, 1])
    epsilon = net.pick("epsilon of layer normalization", 0.5, 1e-5)
    scale, shift = net.constant(net.bias(16) + 1), net.constant(net.bias(16))
    y = net.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)
    query, key, value = (net.node("MatMul", y, net.drawn(16, 16, gain=1.5)) for _ in range(3))
    scores = net.node("MatMul", query, net.node("Transpose", key, perm=[0, 2, 1]))
    factor = net.pick("scale of attention dropped", 0.25, 1.0)
    scores = net.node("Mul", scores, net.constant(factor))
    axis = net.pick("axis of softmax", -1, -2)
    mixed = net.node("MatMul", net.node("Softmax", scores, axis=axis), value)
    x = net.node("Add", x, mixed)
    y = net.node("MatMul", x, net.drawn(16, 32))
    if net.pick("GELU for its approximation", True, False):
        inner = net.node("Mul", net.node("Erf", net.node("Mul", y, net.constant(0.5**0.5))), y)
        y = net.node("Mul", net.node("Add", inner, y), net.constant(0.5))
    else:
        y = net.node("Mul", y, net.node("Sigmoid", net.node("Mul", y, net.constant(1.702))))
    x = net.node("Add", x, net.node("MatMul", y, net.drawn(32, 16)))
    return str(net.node("MatMul", x, net.drawn(16, 3)))


def slices(net):
    """Every other pixel as channels, crops, and chosen channels."""
    x = net.node("Mul", "image", net.constant(1 / 128))
    ends, axes, steps = net.integers(99, 99), net.integers(2, 3), net.integers(2, 2)
    corners = [(0, 0), (1, 0), (0, 1), (1, 1)]
    corners = net.pick("order of interleaved pixels", corners, sorted(corners))
    parts = [net.node("Slice", x, net.integers(*each), ends, axes, steps) for each in corners]
    x = net.node("Relu", net.same(net.node("Concat", *parts, axis=1), 12, 16))
    top = net.pick("crop off by one", 2, 3)
    x = net.node("Slice", x, net.integers(top, 3), net.integers(top + 16, 25), axes)
    mode = net.pick("order of DepthToSpace", "DCR", "CRD")
    x = net.node("DepthToSpace", x, blocksize=2, mode=mode)
    chosen = net.pick("gathered index off by one", [3, 0, 2, 1], [3, 0, 1, 1])
    x = net.node("Gather", x, net.integers(*chosen), axis=1)
    flipped = net.node(
        "Slice", x, net.integers(-1), net.integers(-999), net.integers(3), net.integers(-1)
    )
    sizes = net.pick("sizes of a split", (1, 3), (3, 1))
    first, second = net.node("Split", x, net.integers(*sizes), axis=1, count=2)
    image = net.pick("mirrored image", flipped, x)
    return net.same(net.node("Concat", image, second, first, axis=1), 8, 5)


def normalizations(net):
    """Normalizations of one image, and activations with values for each channel."""
    x = net.stem()
    epsilon = net.pick("epsilon of instance normalization", 0.1, 1e-5)
    ones, zeros = net.constant(np.ones(8)), net.constant(np.zeros(8))
    y = net.node("InstanceNormalization", x, ones, zeros, epsilon=epsilon)
    slopes = net.rng.uniform(0.1, 0.6, (8, 1, 1))
    y = net.node("PRelu", y, net.constant(net.pick("slopes of PRelu", slopes, slopes[::-1])))
    grouped = net.node("Reshape", net.same(y, 8, 8), net.integers(1, 4, -1))
    axes = net.pick("groups of a normalization", [2], [1])
    mean = net.node("ReduceMean", grouped, axes=axes)
    grouped = net.node("Sub", grouped, mean)
    y = net.node("Reshape", grouped, net.integers(1, 8, 20, 28))
    order = net.pick("norm", 2, 1)
    y = net.node("LpNormalization", y, axis=1, p=order)
    return net.same(y, 8, 4, 1)


def coordinates(net):
    """Heatmaps whose mean place is the output, with a mask of -inf."""
    x = net.same(net.stem(), 8, 5)
    flat = net.node("Reshape", x, net.integers(1, 5, 560))
    best = net.node(net.pick("mean for largest", "ReduceMax", "ReduceMean"), flat, axes=[2])
    mask = np.zeros((1, 1, 560))
    mask[..., ::7] = net.pick("mask dropped", -np.inf, 0)
    flat = net.node("Add", flat, net.constant(mask))
    temperature = net.pick("temperature", 2.0, 1.0)
    weights = net.node("Softmax", net.node("Mul", flat, net.constant(temperature)), axis=-1)
    rows, columns = np.divmod(np.arange(560), 28)
    grid = net.pick("x and y swapped", [columns, rows], [rows, columns])
    places = net.node("MatMul", weights, net.constant(np.transpose(grid)))
    places = net.node("Add", places, net.constant(net.pick("half a pixel", 0.5, 0.0)))
    return [places, best]


def uneven(net):
    """Kernels, strides and dilations that differ in height and width."""
    x = net.stem()
    kernel = net.draw(8, 8, 3, 5)
    strides = net.pick("strides swapped", [2, 1], [1, 2])
    x = net.convolve(x, kernel, net.bias(8), strides=strides, pads=[1, 2, 1, 2])
    x = net.node("Elu", x, alpha=net.pick("alpha of Elu", 0.5, 1.0))
    dilations = net.pick("dilation", [2, 1], [1, 2])
    pads = [dilations[0], dilations[1]] * 2
    x = net.convolve(x, net.draw(8, 8, 3, 3), net.bias(8), dilations=dilations, pads=pads)
    x = net.node("MaxPool", x, kernel_shape=[3, 2], strides=[1, 1], pads=[1, 0, 1, 1])
    x = net.node("Reshape", x, net.integers(1, 8, 280))
    return str(net.node("MatMul", x, net.drawn(280, 4)))


def excitation(net):
    """Factors of channels from the whole image, and matrices."""
    x = net.same(net.stem(), 8, 8)
    kind = net.pick("kind of global pooling", "GlobalAveragePool", "GlobalMaxPool")
    y = net.node("Relu", net.same(net.node(kind, x), 8, 4, 1))
    alpha = net.pick("alpha of HardSigmoid", 1 / 6, 0.2)
    y = net.node("HardSigmoid", net.same(y, 4, 8, 1), alpha=alpha, beta=0.5)
    x = net.node("Mul", x, y)
    x = net.node("AveragePool", x, kernel_shape=[5, 7], strides=[5, 7])
    x = net.node("Flatten", x)
    matrix = net.draw(128, 128)
    matrix = net.pick("transposed matrix", matrix, matrix.T)
    x = net.node("Gemm", x, net.constant(matrix), net.constant(net.bias(128)), transB=1)
    factor = net.pick("factor of Gemm", 0.5, 1.0)
    return str(net.node("Gemm", x, net.drawn(128, 6), alpha=factor))


def sampled(net):
    """Values at places between pixels, sums along an axis, and rounding."""
    x = net.same(net.stem(), 8, 4)
    grid = net.rng.uniform(-1.1, 1.1, (1, 6, 7, 2))
    corners = net.pick("corners of GridSample", 1, 0)
    border = net.pick("border of GridSample", "zeros", "border")
    x = net.node(
        "GridSample", x, net.constant(grid), align_corners=corners, padding_mode=border,
        mode="bilinear",
    )  # fmt: skip
    exclusive = net.pick("sum with itself", 1, 0)
    total = net.node("CumSum", x, net.constant(3, np.int64), exclusive=exclusive)
    levels = net.node("Mul", x, net.constant(4))
    levels = net.node(net.pick("rounding mode", "Round", "Floor"), levels)
    values, _ = net.node("TopK", x, net.integers(3), axis=3, count=2, largest=1)
    parts = [total, levels, net.node("Pad", values, net.integers(0, 0, 0, 0, 0, 0, 0, 4))]
    return str(net.node("Concat", *parts, axis=1))


def weak_branch(net):
    """A branch that adds a thousandth to a sum."""
    return _branch(net, 1e-3)


def faint_branch(net):
    """A branch that adds a hundred-thousandth to a sum."""
    return _branch(net, 1e-5)


def _branch(net: OnnxNetwork, share: float) -> str:
    x = net.stem()
    kernel = net.draw(8, 8, 3, 3)
    turned = kernel.swapaxes(2, 3)
    y = net.convolve(x, net.pick("kernel transposed", kernel, turned), pads=AROUND)
    y = net.node(net.pick("ReLU dropped", "Relu", "Identity"), y)
    y = net.node("AveragePool", y, kernel_shape=[3, 3], pads=AROUND,
                 count_include_pad=net.pick("pooling counts the border", 0, 1))  # fmt: skip
    y = net.node("Mul", y, net.constant(share))
    return net.same(net.node("Add", net.same(x, 8, 8), y), 8, 5, 1)


FORMS: tuple[Form, ...] = (
    residual, mobile, pyramid, deconvolution, attention, slices, normalizations, coordinates,
    uneven, excitation, sampled, weak_branch, faint_branch,
)  # fmt: skip


def folded(net):
    """Normalizations that are folded, one with variances near 0."""
    x = net.normalize(net.same(net.stem(), 8, 8), 8)
    values = [np.ones(8), np.zeros(8), net.bias(8), np.full(8, 1e-7)]
    x = net.node("BatchNormalization", x, *map(net.constant, values), epsilon=1e-3)
    return net.same(net.node("Relu", x), 8, 4, 1)


def twins(net):
    """Two kernels that differ by a thousandth, one of them normalized."""
    kernel = net.draw(8, 8, 3, 3)
    x = net.stem()
    first = net.normalize(net.convolve(x, kernel), 8)
    near = kernel * net.rng.uniform(0.999, 1.001, kernel.shape)
    return str(net.node("Add", first, net.convolve(x, near.astype(np.float32))))


def masked_twin(net):
    """A kernel, and the same with a mask in the graph."""
    kernel = net.draw(8, 8, 3, 3)
    mask = net.rng.random(kernel.shape) > 0.1
    x = net.stem()
    masked = net.node("Mul", net.constant(kernel), net.constant(mask))
    y = net.node("Conv", x, masked, pads=AROUND)
    return str(net.node("Add", net.convolve(x, kernel, pads=AROUND), y))


def adapted(net):
    """A kernel plus the product of two small matrices, as LoRA writes it."""
    x = net.node(
        "Flatten", net.node("AveragePool", net.stem(), kernel_shape=[5, 7], strides=[5, 7])
    )
    update = net.node("MatMul", net.drawn(128, 2, gain=0.01),
                      net.drawn(2, 6))  # fmt: skip
    return str(net.node("MatMul", x, net.node("Add", net.drawn(128, 6), update)))


def shared_kernel(net):
    """Two nodes with one kernel; a normalization is folded into one of them."""
    kernel = net.drawn(8, 8, 3, 3)
    x = net.normalize(net.node("Conv", net.stem(), kernel, pads=AROUND), 8)
    return str(net.node("Conv", net.node("Relu", x), kernel, pads=AROUND))


def constant_output(net):
    """Beside the heatmaps, a constant is an output."""
    anchors = net.node("Identity", net.constant(net.rng.uniform(0, 9, (4, 2))))
    return [net.same(net.stem(), 8, 4), anchors]


def dead_output(net):
    """An output that is 0 for each image."""
    x = net.stem()
    dead = net.node("Relu", net.node("Sub", net.node("Sigmoid", x), net.constant(2)))
    return [net.same(x, 8, 3), dead]


def infinite_output(net):
    """Masked places of the output are -inf."""
    mask = np.zeros((1, 1, 20, 28))
    mask[..., ::5] = -np.inf
    return str(net.node("Add", net.same(net.stem(), 8, 4), net.constant(mask)))


def tiny_weights(net):
    """Weights of 1e-20, whose results are divided by as much."""
    x = net.convolve(net.stem(), net.draw(4, 8, 3, 3) * np.float32(1e-20))
    return str(net.node("Div", x, net.constant(1e-20)))


def subnormal_weights(net):
    """Some weights are too small for the usual form of floats."""
    kernel = net.draw(4, 8, 3, 3)
    kernel[:, ::2] *= np.float32(1e-38)
    return str(net.convolve(net.stem(), kernel))


def huge_values(net):
    """Values of 1e30 between two layers."""
    x = net.node("Mul", net.same(net.stem(), 8, 8), net.constant(1e30))
    return net.same(net.node("Mul", x, net.constant(1e-30)), 8, 4)


def noisy(net):
    """A difference of nearly equal values, which enlarges roundings a thousand times."""
    x = net.stem()
    y = net.node("Sub", net.node("Add", x, net.constant(1000)), net.constant(1000))
    return net.same(y, 8, 4)


def flat_image(net):
    """A normalization of channels that are nearly constant."""
    x = net.node("Mul", net.stem(), net.constant(1e-3))
    ones, zeros = net.constant(np.ones(8)), net.constant(np.zeros(8))
    return net.same(net.node("InstanceNormalization", x, ones, zeros), 8, 4)


def group_normalization(net):
    """GELU by tanh before groups are normalized, of an image from 0 to 255."""
    x = net.convolve("image", net.draw(8, 3, 3, 3), strides=[2, 2], pads=AROUND)
    x = net.same(net.node("Relu", x), 8, 16)
    cube = net.node("Mul", net.node("Mul", x, x), net.node("Mul", x, net.constant(0.044715)))
    inner = net.node("Mul", net.node("Add", x, cube), net.constant(np.sqrt(2 / np.pi)))
    half = net.node("Mul", x, net.constant(0.5))
    x = net.node("Mul", half, net.node("Add", net.node("Tanh", inner), net.constant(1)))
    x = net.node("Reshape", x, net.integers(1, 4, -1))
    x = net.node("InstanceNormalization", x, net.constant(np.ones(4)), net.constant(np.zeros(4)))
    return net.same(net.node("Reshape", x, net.integers(1, 16, 20, 28)), 16, 17, 1)


def bytes_input(net):
    """The image comes in bytes, its channels last."""
    net.image_type, net.image_shape = np.uint8, (1, HEIGHT, WIDTH, 3)
    x = net.node("Transpose", net.node("Cast", "image", to=1), perm=[0, 3, 1, 2])
    x = net.node("Div", x, net.constant(np.reshape([58.4, 57.1, 57.4], (3, 1, 1))))
    return net.same(net.node("Relu", net.same(x, 3, 8)), 8, 4)


def open_sizes(net):
    """Height and width are open; an upsampling takes its size from another tensor."""
    net.image_shape = (1, 3, "height", "width")
    high = net.stem()
    low = net.node("MaxPool", high, kernel_shape=[2, 2], strides=[2, 2])
    size = net.node("Shape", high)
    low = net.node("Resize", low, "", "", size, mode="nearest", nearest_mode="floor",
                   coordinate_transformation_mode="asymmetric")  # fmt: skip
    return net.same(net.node("Concat", high, low, axis=1), 16, 4)


def quantized(net):
    """Weights in 8 bits with a scale for each filter, and values that are rounded to 8 bits."""
    x = net.stem()
    kernel = net.constant(net.rng.integers(-99, 99, (6, 8, 3, 3)), np.int8)
    scales = net.constant(net.rng.uniform(0.002, 0.004, 6))
    kernel = net.node("DequantizeLinear", kernel, scales, net.constant([0] * 6, np.int8), axis=0)
    scale, zero = net.constant(0.05), net.constant(0, np.int8)
    x = net.node("DequantizeLinear", net.node("QuantizeLinear", x, scale, zero), scale, zero)
    return str(net.node("Conv", x, kernel))


def half_weights(net):
    """Weights in half float, which a node turns into floats."""
    kernel = net.node("Cast", net.constant(net.draw(4, 8, 3, 3), np.float16), to=1)
    return str(net.node("Conv", net.stem(), kernel))


def channels_last(net):
    """The middle of the network has its channels last, as after a conversion from TensorFlow."""
    x = net.node("Transpose", net.stem(), perm=[0, 2, 3, 1])
    x = net.node("MatMul", x, net.drawn(8, 12))
    x = net.node("Add", net.node("Relu", x), net.constant(net.bias(12)))
    x = net.node("Transpose", x, perm=[0, 3, 1, 2])
    return net.same(x, 12, 4)


def left_out(net):
    """Nodes that change nothing, and weights that nothing uses."""
    net.drawn(8, 8, 3, 3)
    x = net.node("Identity", net.node("Dropout", net.stem()))
    x = net.node("Add", net.node("Mul", x, net.constant([1])), net.constant([[[[0]]]]))
    net.node("Exp", x)
    return net.same(net.node("Pad", x, net.integers(*[0] * 8)), 8, 4)


def recurrent(net):
    """Rows one after the other through gates, whose order differs between programs."""
    x = net.node("Reshape", net.same(net.stem(), 8, 1), net.integers(20, 1, 28))
    gates = [net.draw(1, 18, 28, gain=0.3), net.draw(1, 18, 6)]
    states = net.node("GRU", x, *map(net.constant, gates), hidden_size=6, linear_before_reset=1)
    return str(net.node("Squeeze", states, net.integers(1)))


def einsum(net):
    """Sums of products that are written as a formula."""
    x = net.same(net.stem(), 8, 5)
    return str(net.node("Einsum", x, x, equation="nchw,nkhw->nck"))


def best_places(net):
    """The best places as integers, and their values."""
    x = net.node("Reshape", net.same(net.stem(), 8, 5), net.integers(1, 5, 560))
    values, places = net.node("TopK", x, net.integers(4), axis=2, count=2)
    return [values, places]


def conditions(net):
    """Values that are chosen by a condition, and a remainder."""
    x = net.same(net.stem(), 8, 4)
    is_large = net.node("Greater", x, net.constant(0.5))
    rest = net.node("Mod", x, net.constant(1e4), fmod=1)
    return str(net.node("Where", is_large, rest, net.node("Mul", x, net.constant(0.1))))


def written_out(net):
    """Mish, SiLU and softplus in their parts, as exporters write them."""
    x = net.same(net.stem(), 8, 8)
    x = net.node("Mul", x, net.node("Tanh", net.node("Softplus", x)))
    x = net.node("Mul", x, net.node("Sigmoid", x))
    x = net.node("Clip", net.node("Add", x, net.constant(3)), net.constant(0), net.constant(6))
    return net.same(net.node("Div", x, net.constant(6)), 8, 4)


def flat_softmax(net):
    """The softmax of older exporters: over all axes from the second on."""
    net.opset = 11
    return str(net.node("Softmax", net.same(net.stem(), 8, 4), axis=1))


def half_windows(net):
    """A pooling whose last windows are not whole."""
    options = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1], "ceil_mode": 1}
    return net.same(net.node("MaxPool", net.stem(), **options), 8, 4)


def antialiased(net):
    """A smaller image whose pixels are means of all pixels below them."""
    net.opset = 18
    scales = net.constant([1, 1, 0.4, 0.35])
    return str(net.node("Resize", net.stem(), "", scales, mode="linear", antialias=1))


def around(net):
    """A border from the other side of the image."""
    net.opset = 19
    x = net.node("Pad", net.stem(), net.integers(0, 0, 1, 2, 0, 0, 2, 1), mode="wrap")
    return net.same(x, 8, 4)


def symmetric_pixels(net):
    """A resize whose corners are as far outside on both sides."""
    net.opset = 19
    scales = net.constant([1, 1, 1.25, 1.75])
    mode = "half_pixel_symmetric"
    return str(
        net.node("Resize", net.stem(), "", scales, mode="linear",
                 coordinate_transformation_mode=mode)
    )  # fmt: skip


UNUSUAL: tuple[Form, ...] = (
    folded, twins, masked_twin, adapted, shared_kernel, constant_output, dead_output,
    infinite_output, tiny_weights, subnormal_weights, huge_values, noisy, flat_image,
    group_normalization, bytes_input, open_sizes, quantized, half_weights, channels_last, left_out,
    recurrent, einsum, best_places, conditions, written_out,
    flat_softmax, half_windows, antialiased, around, symmetric_pixels,
)  # fmt: skip
