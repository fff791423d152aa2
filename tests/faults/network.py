"""What the networks of the corpus have in common: each can be written right, or with one fault."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

Value = TypeVar("Value")
Array = np.ndarray

#: Height and width of the image: unequal, and no power of two.
HEIGHT, WIDTH = 40, 56


class Network:
    """A network that is being written, with weights of a fixed seed.

    ``faults`` lists what a reader could get wrong, once the network is written.
    """

    def __init__(self, fault: str = "", seed: int = 0) -> None:
        self.fault = fault
        self.faults: list[str] = []
        self.rng = np.random.default_rng(seed)

    def pick(self, fault: str, right: Value, wrong: Value) -> Value:
        """What the file has; with this fault, what a reader takes it for."""
        self.faults.append(fault)
        return wrong if fault == self.fault else right

    def draw(self, *shape: int, gain: float = 1.0) -> Array:
        """Weights that keep the size of values; the first axis is that of the outputs."""
        inputs = np.prod(shape[1:]) or 1
        return (self.rng.normal(size=shape) * gain * np.sqrt(2 / inputs)).astype(np.float32)

    def bias(self, channels: int) -> Array:
        return self.rng.normal(0.0, 0.3, channels).astype(np.float32)


@dataclass(frozen=True)
class Port:
    """An input or output of a network."""

    name: str
    shape: tuple[int, ...]
    dtype: Any = np.float32


@dataclass(frozen=True)
class Written:
    """A file, and what model.yml declares of it."""

    ending: str  # onnx or tflite
    content: bytes
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    faults: tuple[str, ...] = field(default=())
