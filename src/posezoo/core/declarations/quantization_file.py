"""The interface to the reader of quantization.yml, a file of Open Model Zoo beside a model.yml."""

from __future__ import annotations

from pathlib import Path

from posezoo.core.declarations.model import QuantizationSettings
from posezoo.core.plugins import Hook

NAME = "quantization.yml"


class QuantizationReader:
    """Reads no file; a feature overrides the method."""

    def read(self, path: Path) -> QuantizationSettings:  # noqa: ARG002
        """The settings of the file; a SpecError if it is not YAML."""
        return QuantizationSettings()


READER = Hook(QuantizationReader())
