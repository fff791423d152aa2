"""Selects the rows of outputs that two runtimes must compute alike. A feature knows decoders."""

from __future__ import annotations

from posezoo.core.arrays import NamedArrays
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.plugins import Hook


class ComparedRows:
    """Selects all rows; a feature overrides the method."""

    def select(self, spec: ModelSpec, outputs: NamedArrays) -> NamedArrays:  # noqa: ARG002
        """Outputs by name, with only the rows to compare: those of people, and not padding."""
        return outputs


COMPARED_ROWS: Hook[ComparedRows] = Hook("compared_rows", ComparedRows())
