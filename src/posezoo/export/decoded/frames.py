"""Frames of any size in a graph with a decoder: fit them into the network's input, and map points
back.

A frame is letterboxed, or stretched if the network sees images so.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.ir.openvino_graph import Node, Output, Type
from posezoo.core.ir.openvino_graph import opset13 as ops
from posezoo.core.values import frozen
from posezoo.export.decoded.nodes import (
    TwoNodes,
    constant,
    integers,
    reshape,
    take,
    to_float,
    unsqueeze,
)
from posezoo.poses.decoders import fit_to_input, sizing_of_input
from posezoo.poses.letterbox import KEPT_RESOLUTION, InputSizing, Size


@frozen
class FrameFit:
    """How frames are fitted into the network's input.

    Attributes:
        layout: of the frames, NCHW or NHWC.
        size: width and height of the network's input.
        color: the color beside a letterboxed frame, one value for each of the frame's channels.
        sizing: how a frame is letterboxed.
    """

    layout: str
    size: Size
    stretches: bool
    color: tuple[float, ...]
    sizing: InputSizing

    @classmethod
    def of(cls, spec: ModelSpec) -> FrameFit:
        """As our pipelines fit images into the first input of this model, which has a fixed
        size.
        """
        assert spec.decoding
        decoder = spec.decoding.decoder
        port = spec.inputs[0]
        stretches, color = fit_to_input(decoder, port)
        size = (port.sides["W"], port.sides["H"])
        sizing = sizing_of_input(decoder, port)
        return cls(port.ir_layout, size, stretches, color, sizing)

    def _places(self, frame: Node) -> tuple[Node, Node, Node, Node]:
        """Nodes, i32 (2,), x before y.

        They are the side of the squares of pixels that are averaged, the sides of the averaged
        frame, its sides in the input, and its left and top there.
        """
        target = integers(self.size)
        sides, scale = self._scale(frame)
        count = ops.floor(constant(1 / KEPT_RESOLUTION) / scale)
        step = ops.maximum(ops.convert(count, "i32"), integers([1, 1]))
        inner = ops.minimum(ops.maximum(self._whole(scale, sides, target), integers(1)), target)
        begin = integers([0, 0])
        if self.sizing.centered:
            begin = (target - inner) / integers(2)
        return step, sides / step, inner, begin

    def _scale(self, frame: Node) -> TwoNodes:
        axes = [self.layout.index("W"), self.layout.index("H")]
        sides = take(ops.shape_of(frame, "i32"), axes, 0)
        scale = to_float(integers(self.size)) / to_float(sides)
        if not self.stretches:
            scale = ops.reduce_min(scale, integers([0]), keep_dims=True)
        return sides, scale

    def _whole(self, scale: Node, sides: Node, target: Node) -> Node:
        """The sides of the frame in the input, i32 (2,), in whole pixels."""
        if not self.sizing.truncates or self.stretches:
            rounded = ops.round(scale * to_float(sides), "half_to_even")
            return ops.convert(rounded, "i32")
        # In integers: a product of floats is sometimes just below the side of the input.
        other_side = take(sides, [1, 0], 0)
        other_target = take(target, [1, 0], 0)
        return ops.minimum(target, sides * other_target / other_side)

    def fit(self, frame: Node, element_type: Type) -> Node:
        """A frame in ``layout``, fitted into the input, with values of this type."""
        step, shrunk, inner, begin = self._places(frame)
        across = [take(each, [0], 0) for each in (step, shrunk, inner)]
        down = [take(each, [1], 0) for each in (step, shrunk, inner)]
        row = take(ops.shape_of(frame, "i32"), [self.layout.index("W")], 0)
        first = [3, -1]
        channels = 1
        width, height = self.size
        shape = [1, 3, height, width]
        if self.layout == "NHWC":
            shape = [1, height, width, 3]
            row = row * integers(3)
            first = [-1]
            channels = 3
        frame = _reshape_to(frame, [integers(first), row])
        # First the rows: their bytes lie side by side, and few rows are left for the columns.
        frame = _resample(frame, len(first) - 1, 1, *down)
        frame = _resample(frame, len(first), channels, *across)
        sides = {"N": integers([1]), "C": integers([3]), "W": across[2], "H": down[2]}
        frame = _reshape_to(frame, [*map(sides.get, self.layout)])
        end = integers(self.size) - inner - begin
        frame = self._pad(frame, begin, end)
        if element_type.is_integral():
            frame = ops.floor(frame + constant(0.5))  # as OpenCV if it halves an image
        frame = ops.convert(frame, element_type.to_string())
        return reshape(frame, shape).output(0)

    def _pad(self, frame: Node, begin: Node, end: Node) -> Node:
        pads = []
        for amount in (begin, end):
            amounts = {"W": take(amount, [0], 0), "H": take(amount, [1], 0)}
            pads.append(ops.concat([amounts.get(side, integers([0])) for side in self.layout], 0))
        color = np.array(self.color)
        padding = constant(color[0])
        # Another value for each channel is added, so that 0 is padded; this takes longer.
        rest = color - color[0]
        if not rest.any():
            return ops.pad(frame, *pads, "constant", padding)
        rest = rest.reshape([{"C": 3}.get(side, 1) for side in self.layout])
        padded = ops.pad(frame - constant(rest), *pads, "constant", padding)
        return padded + constant(rest)

    def to_frame(self, values: Node, frame: Output) -> Node:
        """Keypoints (N, K, 3) or boxes (N, 4), converted from pixels of the input to pixels of the
        frame.
        """
        step, shrunk, inner, begin = map(to_float, self._places(frame))
        scale = shrunk * step / inner
        if self.sizing.maps_by_scale and not self.stretches:
            scale = ops.broadcast(constant([1]) / self._scale(frame)[1], integers([2]))
        if len(values.shape) == 2:
            scales = [scale, scale]
            begins = [begin, begin]
        else:
            scales = [scale, constant([1])]
            begins = [begin, constant([0])]
        return ops.subtract(values, ops.concat(begins, 0)) * ops.concat(scales, 0)


def _resample(image: Node, axis: int, channels: int, step: Node, shrunk: Node, inner: Node) -> Node:
    """The image with ``inner`` rows or columns, interpolated between averages of ``step`` of its
    own.

    Positions are fractions of whole numbers, and each value is read where it is needed: OpenVINO's
    operations to average and to interpolate pixels with three channels side by side take up to ten
    times as long.

    Args:
        image: of any element type.
        axis: of its rows, or of its columns with ``channels`` values side by side.
        step, shrunk, inner: i32 (1,), as in ``FrameFit``.
    """
    one = integers([1])
    two = integers([2])
    last = shrunk - one
    twice = inner * two
    place = (_count_to(inner) * two + one) * shrunk - inner
    place = ops.minimum(ops.maximum(place, integers(0)), last * twice)
    before = place / twice
    share = to_float(place - before * twice) / to_float(twice)
    sides = []
    for cell in (before, ops.minimum(before + one, last)):
        index = unsqueeze(cell, 0) * step
        index = index + unsqueeze(_count_to(step), 1)
        if channels > 1:
            index = unsqueeze(index, 2) * integers(channels)
            index = index + integers(range(channels))
            index = _reshape_to(index, [step, integers([-1])])
        sides.append(to_float(take(image, index, axis)))
    if channels > 1:
        share = ops.tile(unsqueeze(share, 1), integers([1, channels]))
        share = reshape(share, [-1])
    if axis + 1 < len(image.get_output_partial_shape(0)):
        share = unsqueeze(share, 1)
    before, after = sides
    return ops.reduce_mean(before + (after - before) * share, integers([axis]))


def _reshape_to(values: Node, sides: list[Node]) -> Node:
    """The values with these sides, nodes i32 (1,), of which -1 is computed."""
    return ops.reshape(values, ops.concat(sides, 0), False)


def _count_to(count: Node) -> Node:
    """0, 1, ... below a number, i32 (1,)."""
    return ops.range(integers(0), ops.squeeze(count, integers([0])), integers(1), "i32")
