"""Files that features keep beside an IR, such as a card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from posezoo.core.declarations.model import Model
from posezoo.core.events import Listener
from posezoo.core.plugins import LazyTable
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen


@frozen
class Sidecar:
    """One kind of such files."""

    #: Writes the files of a model whose IR were made, if they are not up to date, and returns all
    #: of them; the manifest of the model's folder lists them. The listener receives a warning if a
    #: file of the user is kept under another name. An OutputError if one cannot be written.
    write: Callable[[Model, Context, Listener], Sequence[Path]]


SIDECARS = LazyTable("sidecars", Sidecar, {})
