"""How much of a costly network the self-check runs, so that its time and memory are bounded.

The self-check runs a network six times: the original, the FP32 IR and the FP16 IR, each on two
images of the declared size. Above ``MAX_GFLOPS`` or ``MAX_TENSOR`` the images are smaller, if the
network computes the same for each pixel, whatever the number of pixels. Any other network runs on
one image, and its FP16 IR does not run: all constants of the FP16 IR are compared with those of the
FP32 IR in any case.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING

from posezoo.core.arrays import NamedArrays
from posezoo.core.declarations.model import Input, ModelSpec
from posezoo.core.ir.complexity import compute_complexity
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from openvino import Model, Node, Output

    from posezoo.core.convert.formats import Shape

#: The seeds of the random images, one for each seed, on which the original and the IR are run.
SEEDS = (1, 2)

#: The most GFLOPs of an inference, as ``compute_complexity`` counts them: HRNet-W32 at 256 x 192
#: has 15, HigherHRNet-W32 at 512 x 512 has 93.
MAX_GFLOPS = 25.0

#: The most bytes of a tensor in f32: 64 channels at 362 x 362.
MAX_TENSOR = 32 << 20

#: A side becomes smaller by a multiple of this number of pixels, so that strides of 2 and 3 meet
#: the edges of the smaller image as they meet those of the declared one.
STEP = 96

# Operations that compute a pixel from those around it, or from all pixels, whatever their number.
_LOCAL = frozenset({
    "Abs", "Add", "AvgPool", "BatchNormInference", "Clamp", "Concat", "Constant", "Convert",
    "Convolution", "Divide", "Elu", "Exp", "FakeQuantize", "Gelu", "GroupConvolution", "HSigmoid",
    "HSwish", "HardSigmoid", "MaxPool", "Maximum", "Minimum", "Mish", "Multiply", "Negative",
    "PRelu", "Parameter", "ReduceMax", "ReduceMean", "Relu", "Result", "Sigmoid", "SoftPlus",
    "Sqrt", "Subtract", "Swish", "Tanh", "Transpose",
})  # fmt: skip
_UPSAMPLING = frozenset({"ConvolutionBackpropData", "GroupConvolutionBackpropData"})

# Operations whose result has the values of their first input, up to a limit.
_SAME_VALUES = frozenset({
    "Clamp", "Convert", "Maximum", "Minimum", "Reshape", "Squeeze", "Transpose", "Unsqueeze",
})  # fmt: skip

# An axis of a Gather that is longer is a side of the image.
_MOST_CHANNELS = 4


@frozen
class CheckExtent:
    """On which images a network is run.

    Attributes:
        seeds: the seed of each image.
        sizes: the original's input shapes by name, if they are smaller than declared.
        tables: how many rows the table has from which an input of integers chooses, by its name.
        runs_rounded: whether an IR in FP16 is run, too.
        reduction: a phrase that says what differs from the whole check; empty for the whole check.
    """

    seeds: tuple[int, ...] = SEEDS
    sizes: Mapping[str, Shape] = field(default_factory=dict)
    runs_rounded: bool = True
    reduction: str = ""
    tables: Mapping[str, int] = field(default_factory=dict)
    #: The declared name of an input by each name that the IR has for it.
    names: Mapping[str, str] = field(default_factory=dict)


#: The check of a network that is not costly.
WHOLE = CheckExtent()

#: The check of a costly network that needs images of its own size.
ONE_IMAGE = CheckExtent(SEEDS[:1], runs_rounded=False, reduction="on one image, and in FP32 only")


def choose_extent(network: Model, spec: ModelSpec) -> CheckExtent:
    """The extent of the self-check of a prepared network (``openvino.Model``), whose inputs
    ``spec`` has.
    """
    tables: dict[str, int] = {}
    for port in network.inputs:
        if port.get_element_type().is_integral() and (rows := list(_find_rows(port))):
            # An input of integers chooses rows, from the smallest table at least.
            tables |= dict.fromkeys(port.names, min(rows))
    declared = {port.name for port in spec.inputs}
    names = {
        name: next(iter(declared & port.names), name)
        for port in network.inputs
        for name in port.names
    }
    return replace(_choose_images(network, spec), tables=tables, names=names)


def _choose_images(network: Model, spec: ModelSpec) -> CheckExtent:
    complexity = compute_complexity(network)
    if complexity is None:  # its sizes are dynamic: it is run on small images
        return WHOLE
    share = min(MAX_GFLOPS / max(complexity.gflops, 1e-9), MAX_TENSOR / _find_largest(network))
    if share >= 1:
        return WHOLE
    if not all(map(_has_fixed_image, spec.inputs)):
        return ONE_IMAGE
    sizes = {port.name: _shrink(port, math.sqrt(share)) for port in spec.inputs}
    if not _is_local(network, spec, sizes):
        return ONE_IMAGE
    images = []
    for port in spec.inputs:
        sides = dict(zip(port.layout, sizes[port.name], strict=True))
        images.append(f"{sides['H']} x {sides['W']} pixels")
    return CheckExtent(sizes=sizes, reduction=f"on images of {' and '.join(images)}")


def _find_rows(port: Output) -> Iterator[int]:
    """The rows of each constant table that a tensor, in any form, chooses from."""
    for target in port.get_target_inputs():
        node = target.get_node()
        kind = node.get_type_name()
        if kind in _SAME_VALUES:
            yield from _find_rows(node.output(0))
        elif kind == "Gather" and target.get_index() == 1:
            axis = node.input_value(2).get_node()
            shape = node.get_input_partial_shape(0)
            if axis.get_type_name() == "Constant" and shape.is_static:
                yield shape.to_shape()[int(axis.data)]


def reshape_to(network: Model, feed: NamedArrays) -> None:
    """Give a network the input shapes of these arrays, by name."""
    network.reshape({name: list(values.shape) for name, values in feed.items()})


def _find_largest(network: Model) -> int:
    """The bytes in f32 of the largest tensor that depends on an input."""
    sizes = (
        math.prod(port.get_shape())
        for node in network.get_ops()
        if node.get_type_name() != "Constant"
        for port in node.outputs()
        if port.get_partial_shape().is_static  # an IR may take images of any size, and resize them
    )
    return 4 * max(sizes, default=1)


def _has_fixed_image(port: Input) -> bool:
    has_sides = set("HW") <= set(port.layout) and len(port.layout) == len(port.shape)
    return has_sides and not (port.resize or port.bounds or port.has_open_layout)


def _shrink(port: Input, share: float) -> Shape:
    sides = port.sides
    for axis in "HW":
        steps = math.ceil(sides[axis] * (1 - share) / STEP)
        most = (sides[axis] - 1) // STEP
        sides[axis] -= STEP * min(steps, most)
    return tuple(sides.values())


def _is_local(network: Model, spec: ModelSpec, sizes: Mapping[str, Shape]) -> bool:
    if not all(map(_is_local_operation, network.get_ops())):
        return False
    shapes = {}
    for port in spec.inputs:
        sides = dict(zip(port.layout, sizes[port.name], strict=True))
        shapes[port.name] = [sides[axis] for axis in port.ir_layout]
    try:
        network.clone().reshape(shapes)
    except RuntimeError:  # a constant has a value for each pixel
        return False
    return True


def _is_local_operation(node: Node) -> bool:
    kind = node.get_type_name()
    if kind == "Interpolate":
        return str(node.get_attributes()["shape_calculation_mode"]) == "scales"
    if kind in _UPSAMPLING:  # a third input is the size of the result
        return len(node.inputs()) == 2
    if kind == "Gather":  # all channels of an image in another order
        axis = int(node.input_value(2).get_node().data)
        channels = node.get_input_shape(0)[axis]
        return channels <= _MOST_CHANNELS and list(node.get_input_shape(1)) == [channels]
    return kind in _LOCAL
