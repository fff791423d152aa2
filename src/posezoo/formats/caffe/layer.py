"""One layer of a Caffe network, as the functions that build OpenVINO's operations get it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from posezoo.core.arrays import Array
from posezoo.core.errors import ConversionError, sanitize
from posezoo.core.values import frozen
from posezoo.formats.caffe.prototxt import Message

if TYPE_CHECKING:
    from openvino import Node, Output


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
LayerBuilder = Callable[[Layer], "Node"]


def constant(values: ArrayLike) -> Node:
    """A constant in FP32."""
    from openvino import opset14 as ops

    return ops.constant(np.asarray(values, np.float32))


def along_axis(values: Array, rank: int, axis: int) -> Node:
    """A vector as a constant that is added to or multiplied with one axis of a tensor."""
    shape = [1] * rank
    shape[axis] = -1
    return constant(values.reshape(shape))


def rank_of(output: Node | Output) -> int:
    """The number of sizes of an output."""
    return len(output.get_partial_shape())
