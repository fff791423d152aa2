"""What would be done for a model, before anything is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.spec.model import ModelSpec, Precision, Route
from posezoo.spec.routes import Way

if TYPE_CHECKING:
    from posezoo.convert.plan import Step
    from posezoo.fetch.download import PlannedFile


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What ``Zoo.get`` would do for one model.

    Attributes:
        spec: the model, with what posezoo.lock pins.
        way: by which route it becomes IR, or why by none that is open.
        files: what would be done about each file that is needed; none where no IR has to be made.
        steps: one an IR that a conversion makes.
        irs: the .xml that would be there afterwards, by precision.
        runs: code that comes with the model and would be run, in words.
    """

    spec: ModelSpec
    way: Way
    files: tuple[PlannedFile, ...] = ()
    steps: tuple[Step, ...] = ()
    irs: Mapping[Precision, Path] = field(default_factory=dict)
    runs: tuple[str, ...] = ()

    @property
    def fetched(self) -> tuple[PlannedFile, ...]:
        """The files that are not here yet."""
        return tuple(file for file in self.files if file.asked or file.is_refused)

    @property
    def fetch_bytes(self) -> int:
        """How many bytes come with them; the most that is read of a file whose size nobody states."""
        return sum(each.file.cap for each in self.fetched)


def not_published(spec: ModelSpec, precisions: Collection[Precision]) -> Way:
    """The way of a model that is published as IR, in other precisions than these."""
    hint = f"--precisions {','.join(spec.precisions)}" if spec.precisions else ""
    return Way(Route.IR, "precision", f"it is not published as {' or '.join(precisions)}", hint)
