"""Files that features keep beside an IR, such as a card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from posezoo.core.declarations.model import Model
from posezoo.core.layout import ModelLayout
from posezoo.core.plugins import LazyTable
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen


@frozen
class Sidecar:
    """One kind of such files."""

    #: The files on disk that posezoo wrote for a model.
    list_own: Callable[[Model, ModelLayout], Iterable[Path]]
    #: Writes the files of a model whose IR were made, if they are not up to date, and returns all
    #: of them. An OutputError if one cannot be written.
    write: Callable[[Model, Context], Sequence[Path]]


SIDECARS = LazyTable("sidecars", Sidecar, {})
