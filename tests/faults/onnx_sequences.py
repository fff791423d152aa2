"""Small ONNX networks that are no convolutions of one square image: transformers, sequences, images
of any size and number, and outputs of each type; as ``onnx_networks``.
"""

from __future__ import annotations

import numpy as np

from .network import Array
from .onnx_networks import Form, OnnxNetwork

WIDTH = 16
#: ONNX's numbers of types.
FLOAT, HALF, BFLOAT16, BOOL = 1, 10, 16, 9
INTEGERS = {"int8": 3, "uint8": 2, "int16": 5, "uint16": 4, "int32": 6, "uint32": 12, "int64": 7,
            "uint64": 13, "double": 11}  # fmt: skip


def vision_transformer(net):
    """Patches of a normalized image with places and a class, through two layers."""
    x = net.convolve("image", net.draw(WIDTH, 3, 8, 8), net.bias(WIDTH), strides=[8, 8])
    x = net.node("Reshape", x, net.integers(1, WIDTH, 35))
    x = net.node("Transpose", x, perm=[0, 2, 1])
    parts = [net.drawn(1, 1, WIDTH), x]
    x = net.node("Concat", *net.pick("class behind the patches", parts, parts[::-1]), axis=1)
    places = net.rng.normal(0, 0.3, (1, 36, WIDTH))
    shifted = np.roll(places, 1, axis=1)
    x = net.node("Add", x, net.constant(net.pick("places shifted by one", places, shifted)))
    x = _attend(net, x, 36, heads=2)
    x = _expand(net, x)
    return str(net.node("MatMul", _normalize(net, x), net.drawn(WIDTH, 3)))


def window_transformer(net):
    """Windows of patches that are shifted, with a bias for each pair of places."""
    x = net.convolve("image", net.draw(WIDTH, 3, 4, 4), net.bias(WIDTH), strides=[4, 4])
    x = net.node("Slice", x, net.integers(0, 0), net.integers(8, 12), net.integers(2, 3))
    x = net.node("Transpose", x, perm=[0, 2, 3, 1])
    x = _normalize(net, x)
    shift = net.pick("shift of windows", 2, 1)
    ends = net.integers(99)
    first = net.node("Slice", x, net.integers(shift), ends, net.integers(1))
    last = net.node("Slice", x, net.integers(0), net.integers(shift), net.integers(1))
    x = net.node("Concat", first, last, axis=1)
    x = net.node("Reshape", x, net.integers(2, 4, 3, 4, WIDTH))
    order = net.pick("order of windows", [0, 2, 1, 3, 4], [2, 0, 1, 3, 4])
    x = net.node("Reshape", net.node("Transpose", x, perm=order), net.integers(6, 16, WIDTH))
    bias = net.rng.normal(0, 1, (1, 2, 16, 16))
    turned = bias.swapaxes(2, 3)
    bias = net.pick("bias of places transposed", bias, turned)
    x = _attend(net, x, 16, heads=2, bias=bias, count=6)
    gamma = net.pick("scale of a layer dropped", 0.3, 1.0)
    return str(net.node("Add", x, net.node("Mul", _expand(net, x), net.constant(gamma))))


def token_sequence(net):
    """Tokens of any number, by their rows in a table, each of which sees those before it."""
    net.image_type, net.image_shape = np.int64, (1, "length")
    table = net.draw(40, WIDTH, gain=2)
    x = net.node("Gather", net.constant(table), _limit(net))
    length = net.node("Gather", net.node("Shape", "image"), net.integers(1))
    start = net.pick("places from the second on", 0, 1)
    end = net.node("Add", length, net.integers(start))
    rows = net.constant(net.rng.normal(0, 0.5, (300, WIDTH)))
    x = net.node("Add", x, net.node("Slice", rows, net.integers(start), end, net.integers(0)))
    sizes = net.node("Concat", length, length, axis=0)
    mask = net.node("ConstantOfShape", sizes)
    mask = net.node("Add", mask, net.constant(net.pick("mask dropped", -1e4, 0.0)))
    mask = net.node("Trilu", mask, net.constant(1, np.int64), upper=1)
    x = _attend(net, x, 0, heads=2, mask=mask)
    return _expand(net, x)


def _limit(net):
    """The ids; with the fault, those of rows that do not exist in a smaller table."""
    largest = net.pick("ids from a smaller table", 99, 30)
    return str(net.node("Min", "image", net.constant(largest, np.int64)))


def gates(net):
    """Rows of an image one after the other, through gates of three kinds."""
    x = net.node("Mul", "image", net.constant(1 / 128))
    x = net.convolve(x, net.draw(1, 3, 1, 1), net.bias(1), strides=[2, 2])
    x = net.node("Reshape", x, net.integers(20, 1, 28))
    weights = [net.draw(1, 18, 28, gain=0.3), net.draw(1, 18, 6), net.draw(1, 36)]
    before = net.pick("reset after the product", 1, 0)
    _, gru = net.node(
        "GRU", x, *map(net.constant, weights), hidden_size=6, linear_before_reset=before, count=2
    )
    weights = [net.draw(2, 24, 28, gain=0.3), net.draw(2, 24, 6), net.draw(2, 48)]
    order = net.pick("order of gates", [0, 1, 2, 3], [0, 2, 1, 3])
    weights = [_order_gates(each, order) for each in weights]
    start = net.constant(net.rng.normal(size=(2, 1, 6)))
    states = [start, start] if net.pick("first state dropped", True, False) else []
    inputs = [*map(net.constant, weights), *([""] * bool(states)), *states]
    lstm = net.node("LSTM", x, *inputs, hidden_size=6, direction="bidirectional")
    weights = [net.draw(1, 6, 28, gain=0.3), net.draw(1, 6, 6), net.draw(1, 12)]
    direction = net.pick("direction of a sequence", "reverse", "forward")
    activation = net.pick("activation of a sequence", "Relu", "Tanh")
    rnn = net.node(
        "RNN", x, *map(net.constant, weights), hidden_size=6, direction=direction,
        activations=[activation],
    )  # fmt: skip
    return [gru, lstm, rnn]


def _order_gates(weights: Array, order: list[int]) -> Array:
    parts = weights.reshape(weights.shape[0], -1, 4, 6, *weights.shape[2:])
    return parts[:, :, order].reshape(weights.shape)


def any_size(net):
    """Images of any size and number, whose places are numbered by height and width."""
    net.image_shape = ("batch", 3, "height", "width")
    x = net.stem()
    axes = net.pick("mean of all images", [2, 3], [0, 2, 3])
    mean = net.node("ReduceMean", x, axes=axes)
    first = net.node("Slice", mean, net.integers(0), net.integers(1), net.integers(0))
    x = net.same(net.node("Sub", x, net.pick("mean of the first image", mean, first)), 8, 4)
    order = net.pick("rows and columns exchanged", [0, 1, 2, 3], [0, 1, 3, 2])
    flat = net.node("Flatten", net.node("Transpose", x, perm=order), axis=2)
    places = net.node("Transpose", net.node("NonZero", net.node("Abs", x)), perm=[1, 0])
    shape = net.node("Shape", x)
    sides = net.node("Slice", shape, net.integers(2), net.integers(4))
    turned = net.node("Slice", shape, net.integers(3), net.integers(1), net.integers(0),
                      net.integers(-1))  # fmt: skip
    sides = net.node("Cast", net.pick("sides exchanged", sides, turned), to=FLOAT)
    places = net.node("Slice", places, net.integers(2), net.integers(4), net.integers(1))
    places = net.node("Div", net.node("Cast", places, to=FLOAT), sides)
    pooled = net.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    sizes = net.node("Concat", net.node("Slice", shape, net.integers(0), net.integers(2)),
                     net.node("Cast", sides, to=7), axis=0)  # fmt: skip
    larger = net.node("Resize", pooled, "", "", sizes, mode="linear")
    return [flat, places, larger]


def mixed_batch(net):
    """Images of one size and of any number."""
    net.image_shape = ("batch", 3, 32, 32)
    x = net.node("AveragePool", net.stem(), kernel_shape=[4, 4], strides=[4, 4])
    x = net.node("Reshape", x, net.integers(-1, 8, 16))
    axis = net.pick("softmax of all images", 2, 0)
    weights = net.node("Softmax", x, axis=axis)
    order = [0, 2, 1]
    scores = net.node("MatMul", weights, net.node("Transpose", x, perm=order))
    picked = net.pick("images in reverse", 1, -1)
    start, end = (0, 99) if picked == 1 else (-1, -99)
    return str(net.node("Slice", scores, net.integers(start), net.integers(end), net.integers(0),
                        net.integers(picked)))  # fmt: skip


def types(net):
    """An output of each type, beside the heatmaps."""
    x = net.same(net.stem(), 8, 4)
    size = net.node("Mul", net.node("Abs", x), net.constant(9))
    outputs = [x]
    for name, number in INTEGERS.items():
        factor = net.constant(net.pick(f"{name} larger by a tenth", 1.0, 1.1))
        outputs.append(net.node("Cast", net.node("Mul", size, factor), to=number))
    for name, number in (("half", HALF), ("bfloat16", BFLOAT16)):
        factor = net.constant(net.pick(f"{name} larger by a tenth", 1.0, 1.1))
        outputs.append(net.node("Cast", net.node("Mul", x, factor), to=number))
    outputs.append(net.node("Greater", x, net.constant(net.pick("threshold of a mask", 0.0, 0.5))))
    best = net.node("ReduceMax", x, keepdims=0)
    outputs.append(net.node("Mul", best, net.constant(net.pick("a single value", 1.0, 1.01))))
    outputs.append(net.node("Less", best, net.constant(net.pick("a single truth", 0.0, 1e9))))
    nothing = net.integers(0)
    outputs.append(net.node("Slice", x, nothing, net.integers(net.pick("no rows", 0, 1)),
                            net.integers(1)))  # fmt: skip
    bright = net.node("Greater", x, net.constant(net.pick("threshold of places", 0.1, 0.6)))
    places = net.node("NonZero", bright)
    values = net.node("GatherND", x, net.node("Transpose", places, perm=[1, 0]))
    values = net.node("Mul", values, net.constant(net.pick("values of any number", 1.0, 1.01)))
    return [*outputs, places, values]


def _normalize(net: OnnxNetwork, x: str) -> str:
    """A layer normalization, as one node or in its parts."""
    scale, shift = net.constant(net.bias(WIDTH) + 1), net.constant(net.bias(WIDTH))
    epsilon = net.pick(f"epsilon of normalization {len(net.faults)}", 1e-3, 1e-5)
    if net.rng.random() < 0.5:
        return str(net.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon))
    x = net.node("Sub", x, net.node("ReduceMean", x, axes=[-1]))
    variance = net.node("ReduceMean", net.node("Pow", x, net.constant(2)), axes=[-1])
    size = net.node("Sqrt", net.node("Add", variance, net.constant(epsilon)))
    return str(net.node("Add", net.node("Mul", net.node("Div", x, size), scale), shift))


def _attend(
    net: OnnxNetwork, x: str, length: int, *, heads: int, bias: Array | None = None,
    mask: str = "", count: int = 1,
) -> str:  # fmt: skip
    """What each token sees of the others is added to it; a length of 0 is any."""
    y = _normalize(net, x)
    offset = net.bias(WIDTH)
    offsets = [net.pick("bias of queries dropped", offset, 0 * offset), 0 * offset, 0 * offset]
    parts = []
    for each in offsets:
        part = net.node("MatMul", y, net.drawn(WIDTH, WIDTH, gain=0.7))
        part = net.node("Add", part, net.constant(each))
        part = net.node("Reshape", part, net.integers(count, length or -1, heads, WIDTH // heads))
        parts.append(net.node("Transpose", part, perm=[0, 2, 1, 3]))
    query, key, value = net.pick("keys and values exchanged", parts, [parts[i] for i in (0, 2, 1)])
    scores = net.node("MatMul", query, net.node("Transpose", key, perm=[0, 1, 3, 2]))
    factor = (WIDTH // heads) ** -0.5
    factor = net.pick("scale of attention without its root", factor, factor**2)
    scores = net.node("Mul", scores, net.constant(factor))
    if bias is not None:
        scores = net.node("Add", scores, net.constant(bias))
    if mask:
        scores = net.node("Add", scores, mask)
    axis = net.pick("axis of a softmax", -1, -2)
    y = net.node("MatMul", net.node("Softmax", scores, axis=axis), value)
    order = net.pick("heads and tokens exchanged", [0, 2, 1, 3], [0, 1, 2, 3])
    y = net.node("Transpose", y, perm=order)
    y = net.node("Reshape", y, net.integers(count, length or -1, WIDTH))
    return str(net.node("Add", x, net.node("MatMul", y, net.drawn(WIDTH, WIDTH))))


def _expand(net: OnnxNetwork, x: str) -> str:
    """Two matrices with GELU between them, added to their input."""
    y = net.node("MatMul", _normalize(net, x), net.drawn(WIDTH, 32))
    if net.pick("GELU by tanh", True, False):
        inner = net.node("Erf", net.node("Mul", y, net.constant(0.5**0.5)))
    else:
        cube = net.node("Mul", net.node("Mul", y, y), net.node("Mul", y, net.constant(0.044715)))
        inner = net.node("Mul", net.node("Add", y, cube), net.constant(np.sqrt(2 / np.pi)))
        inner = net.node("Tanh", inner)
    y = net.node("Mul", y, net.node("Add", inner, net.constant(1)))
    y = net.node("Mul", y, net.constant(0.5))
    return str(net.node("Add", x, net.node("MatMul", y, net.drawn(32, WIDTH))))


FORMS: tuple[Form, ...] = (
    vision_transformer, window_transformer, token_sequence, gates, any_size, mixed_batch, types,
)  # fmt: skip


def one_image(net):
    """Images of any size, in a graph that takes only one of them at a time."""
    net.image_shape = ("batch", 3, "height", "width")
    x = net.node("AveragePool", net.stem(), kernel_shape=[8, 8], strides=[8, 8])
    x = net.node("Reshape", x, net.integers(8, -1))
    weights = net.node("Softmax", net.node("MatMul", net.drawn(4, 8), x), axis=1)
    return str(net.node("Mul", weights, net.constant(np.ones((1, 4, 1)))))


def squares_only(net):
    """Images of any size, as long as they are square."""
    net.image_shape = (1, 3, "side", "side")
    x = net.same(net.stem(), 8, 4)
    return str(net.node("Add", x, net.node("Transpose", x, perm=[0, 1, 3, 2])))


def logarithms(net):
    """Logarithms and roots of pixels, which must not be negative."""
    x = net.node("Add", net.node("Log", net.node("Add", "image", net.constant(1.0))),
                 net.node("Sqrt", "image"))  # fmt: skip
    return net.same(x, 3, 4)


def short_sequence(net):
    """A sequence with places for 77 tokens, which ends it with the largest id."""
    net.image_type, net.image_shape = np.int64, ("batch", "length")
    x = net.node("Gather", net.drawn(50, WIDTH), "image")
    length = net.node("Gather", net.node("Shape", "image"), net.integers(1))
    rows = net.node("Range", net.constant(0, np.int64), net.node("Squeeze", length),
                    net.constant(1, np.int64))  # fmt: skip
    x = net.node("Add", x, net.node("Gather", net.drawn(77, WIDTH), rows))
    last = net.node("ArgMax", "image", axis=1, keepdims=1)
    x = net.node("GatherElements", net.node("ReduceSum", x, net.integers(2), keepdims=0), last,
                 axis=1)  # fmt: skip
    return str(x)


UNUSUAL: tuple[Form, ...] = (one_image, squares_only, logarithms, short_sequence)
