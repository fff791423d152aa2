"""A published TFLite file in LiteRT, in the place of its IR."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from posezoo.core.declarations.model import ColorOrder, Input


class PublishedNetwork:
    """The network of a TFLite file with one input, whose declaration says which values it takes."""

    def __init__(self, file: Path, declared: Input) -> None:
        self._declared = declared
        self._interpreter = Interpreter(str(file))
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs by name for an image, uint8 (1, height, width, 3), BGR."""
        (image,) = inputs.values()
        if self._declared.color is ColorOrder.RGB:
            image = image[..., ::-1]
        values = (image - np.array(self._declared.mean or 0)) / np.array(self._declared.scale or 1)
        tensor = values.astype(self._input["dtype"])
        self._interpreter.set_tensor(self._input["index"], tensor)
        self._interpreter.invoke()
        return {
            port["name"]: self._interpreter.get_tensor(port["index"])
            for port in self._interpreter.get_output_details()
        }
