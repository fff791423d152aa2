"""The interface to the user's program that the setting ``mo`` names, for models that posezoo itself
does not convert.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import ConversionError
from posezoo.core.plugins import Hook

if TYPE_CHECKING:
    from posezoo.core.resolve.resolved import Resolved


class ConverterProgram(Protocol):
    """An installed program; it is pickled for the process that reads networks."""

    @property
    def title(self) -> str:
        """Its name with its version, if that is known."""

    @property
    def version(self) -> str:
        """Is recorded in the IR that it makes; empty if it is not known."""

    @property
    def timeout_s(self) -> float:
        """How long it may take for one IR, in seconds."""

    def convert(self, resolved: Resolved) -> None:
        """Make the IR of a downloaded model.

        Raises:
            ConversionError: a file is missing or has another digest, or the program fails.
            LockError: a strict lock does not list an IR.
            OutputError: an IR cannot be written.
        """


class ProgramFinder:
    """Finds no program; a feature overrides all of it."""

    def find(self, named: Path | None, python: Path | None = None) -> ConverterProgram:
        """Find the user's program.

        Raises:
            ConversionError: there is no such program.
        """
        raise ConversionError(f"{named or python}: posezoo knows no program that converts models")

    def inspect(self, named: Path | None, python: Path | None) -> ConverterProgram:
        """The same for a plan: nothing is started."""
        return self.find(named, python)

    def is_stand_in(self, named: Path) -> bool:  # noqa: ARG002
        """Whether a path is posezoo's stand-in for the program, which is ignored."""
        return False

    def refuse_unsafe_arguments(self, spec: ModelSpec) -> None:
        """Raise a ConversionError for an argument that could make the program run code or use other
        files.
        """


FINDER = Hook(ProgramFinder())
