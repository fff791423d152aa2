"""Frames of any size in a graph with a decoder: fit them into the network's input, and map points back.

As in our pipelines, a frame is letterboxed; only networks that see stretched images get it stretched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino.opset13 as ops

from posezoo.convert.decoding import nodes
from posezoo.pose.decoders import find_decoder, fit_to_input
from posezoo.pose.letterbox import KEPT_RESOLUTION, Size
from posezoo.spec.model import ModelSpec


@dataclass(frozen=True, slots=True)
class FrameFit:
    """How frames are fitted into the network's input.

    Attributes:
        layout: of the frames, NCHW or NHWC.
        size: width and height of the network's input.
        stretches: whether the aspect may change; otherwise a frame is letterboxed.
        color: the color beside a letterboxed frame, one value for each of the frame's channels.
        centered: whether the frame is in the middle of the input; otherwise it is in the upper left corner.
    """

    layout: str
    size: Size
    stretches: bool
    color: tuple[float, ...]
    centered: bool

    @classmethod
    def of(cls, spec: ModelSpec) -> FrameFit:
        """As our pipelines fit images into the first input of this model, which has a fixed size."""
        assert spec.decoding is not None
        port = spec.inputs[0]
        stretches, color = fit_to_input(spec.decoding.decoder, port)
        sides = dict(zip(port.layout, port.shape, strict=True))
        centered = find_decoder(spec.decoding.decoder.name).input_sizing.centered
        return cls(port.ir_layout, (sides["W"], sides["H"]), stretches, color, centered)

    def _places(self, frame: Any) -> tuple[Any, Any, Any, Any]:
        """Nodes, i32 (2,), x before y.

        They are the side of the squares of pixels that are averaged, the sides of the averaged frame, its
        sides in the input, and its left and top there.
        """
        axes = [self.layout.index("W"), self.layout.index("H")]
        sides, target = nodes.take(ops.shape_of(frame, "i32"), axes, 0), nodes.integers(self.size)
        scale = ops.divide(nodes.to_float(target), nodes.to_float(sides))
        if not self.stretches:
            scale = ops.reduce_min(scale, nodes.integers([0]), keep_dims=True)
        count = ops.floor(ops.divide(nodes.constant(1 / KEPT_RESOLUTION), scale))
        step = ops.maximum(ops.convert(count, "i32"), nodes.integers([1, 1]))
        inner = ops.round(ops.multiply(scale, nodes.to_float(sides)), "half_to_even")
        inner = ops.minimum(ops.maximum(ops.convert(inner, "i32"), nodes.integers(1)), target)
        middle = ops.divide(ops.subtract(target, inner), nodes.integers(2))
        begin = middle if self.centered else nodes.integers([0, 0])
        return step, ops.divide(sides, step), inner, begin

    def fit(self, frame: Any) -> Any:
        """A frame in ``layout``, fitted into the input; its type is kept."""
        layout, own_type = self.layout, frame.get_element_type()
        step, shrunk, inner, begin = self._places(frame)
        axes, used = nodes.integers([layout.index("W"), layout.index("H")]), ops.multiply(shrunk, step)
        zero, one = nodes.integers([0, 0]), nodes.integers([1, 1])
        frame = ops.slice(nodes.to_float(frame), zero, used, one, axes)
        # Rows are averaged before columns: OpenVINO's CPU plugin takes six times as long for both at once.
        channels = nodes.integers([3 if layout == "NHWC" else 1])
        for place, rest in ((1, ops.multiply(nodes.take(used, [0], 0), channels)), (0, channels)):
            split = ops.concat([nodes.integers([-1]), nodes.take(step, [place], 0), rest], 0)
            frame = ops.reduce_mean(ops.reshape(frame, split, False), nodes.integers([1]))
        sides = {"N": nodes.integers([1]), "C": nodes.integers([3])}
        sides |= {side: nodes.take(shrunk, [place], 0) for place, side in enumerate("WH")}
        frame = ops.reshape(frame, ops.concat([sides[side] for side in layout], 0), False)
        frame = ops.interpolate(frame, inner, "linear_onnx", "sizes", axes=axes)
        pads = []
        for amount in (begin, ops.subtract(ops.subtract(nodes.integers(self.size), inner), begin)):
            amounts = {side: nodes.take(amount, [place], 0) for place, side in enumerate("WH")}
            pads.append(ops.concat([amounts.get(side, nodes.integers([0])) for side in layout], 0))
        color = nodes.constant(np.reshape(self.color, [3 if side == "C" else 1 for side in layout]))
        frame = ops.add(ops.pad(ops.subtract(frame, color), *pads, "constant", nodes.constant(0)), color)
        if own_type.is_integral():
            frame = ops.floor(ops.add(frame, nodes.constant(0.5)))  # as OpenCV if it halves an image
        lengths = {"N": 1, "C": 3, "H": self.size[1], "W": self.size[0]}
        shape = nodes.integers([lengths[side] for side in layout])
        return ops.reshape(ops.convert(frame, own_type.to_string()), shape, False).output(0)

    def to_frame(self, values: Any, frame: Any) -> Any:
        """Keypoints (N, K, 3) or boxes (N, 4), converted from pixels of the input to pixels of the frame."""
        step, shrunk, inner, begin = map(nodes.to_float, self._places(frame))
        scale = ops.divide(ops.multiply(shrunk, step), inner)
        if len(values.shape) == 2:
            scale, begin = (ops.concat([each, each], 0) for each in (scale, begin))
        else:
            scale, begin = (
                ops.concat([each, nodes.constant([score])], 0) for each, score in ((scale, 1), (begin, 0))
            )
        return ops.multiply(ops.subtract(values, begin), scale)
