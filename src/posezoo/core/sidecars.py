"""Files that features keep beside the IR of a model, such as a card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from posezoo.core.declarations.model import Model
from posezoo.core.layout import ModelLayout
from posezoo.core.plugins import FeatureParts
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen


@frozen
class Sidecar:
    """One kind of such files."""

    #: The files on disk that posezoo wrote for a model, and beside its IR in these folders.
    list_own: Callable[[Model, ModelLayout, Iterable[Path]], Iterable[Path]]
    #: Writes the files of a model whose IR were made, if they are not up to date, and returns all
    #: of them. An OutputError if one cannot be written. None: another command writes them.
    write: Callable[[Model, Context], Sequence[Path]] | None = None


SIDECARS: FeatureParts[Sidecar] = FeatureParts("sidecars", Sidecar)
