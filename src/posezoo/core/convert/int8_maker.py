"""Makes INT8 of a network whose ranges are in the registry: the core calls it, a feature does
it.
"""

from __future__ import annotations

from pathlib import Path

from posezoo.core.declarations.model import Decoder, ModelSpec
from posezoo.core.plugins import Hook


class Int8Maker:
    """What a feature does; ``spec`` declares ``int8_ranges``."""

    def write(self, half: Path, xml: Path, spec: ModelSpec, decoder: Decoder | None) -> Path:
        """Write the FP16-INT8 IR of a checked FP16 IR to ``xml``, which is returned.

        Raises:
            ConversionError: the ranges cannot be read, or are those of another network.
            OutputError: the IR cannot be written.
        """
        raise NotImplementedError

    def explain_difference(self, half: Path, xml: Path, spec: ModelSpec) -> str:
        """How an INT8 IR differs from the FP16 IR with its ranges; empty if it does not."""
        raise NotImplementedError


INT8_MAKER: Hook[Int8Maker] = Hook("int8_maker", Int8Maker())
