"""A program of the user's, named by the setting ``mo``, that makes IR of models that posezoo itself
does not convert. A feature knows it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import ConversionError
from posezoo.core.plugins import Hook
from posezoo.core.values import frozen

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


#: Gets the path of the program or of its environment, and the Python that starts it; None for the
#: one beside it. A ConversionError if there is no such program.
Finder = Callable[[Path | None, Path | None], ConverterProgram]


@frozen
class ProgramFinder:
    """What a feature knows of its program."""

    find: Finder
    inspect: Finder  # the same for a plan: nothing is started
    #: Whether a path is posezoo's stand-in for the program, which is ignored.
    is_stand_in: Callable[[Path], bool] = lambda _: False
    #: Raises a ConversionError for an argument that could make it run code or use other files.
    refuse_unsafe_arguments: Callable[[ModelSpec], None] = lambda _: None


def _find_none(named: Path | None, python: Path | None) -> ConverterProgram:
    raise ConversionError(f"{named or python}: posezoo knows no program that converts models")


FINDER = Hook("converter_program", ProgramFinder(_find_none, _find_none))
