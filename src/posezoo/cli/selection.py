"""Selects the models that a command line names, and warns about model.yml files that cannot be
read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from posezoo.core.declarations.model import TRACKING, WHOLE_IMAGE, ModelSpec, UnknownKey
from posezoo.core.errors import PosezooError, UnknownModelError

if TYPE_CHECKING:
    from posezoo.core.registry import Registry, Selection


class MessageOutput(Protocol):
    """Shows warnings and errors; posezoo and Open Model Zoo's commands word them differently."""

    def warn(self, message: str) -> None:
        """Show a warning."""

    def print_error(self, error: PosezooError) -> None:
        """Show a failure and its hint."""


def select_models(
    registry: Registry,
    patterns: Sequence[str] | None,
    output: MessageOutput,
    *,
    filtered: bool = False,
) -> Selection:
    """The selected models (None: all); errors in their files are shown at once, and no other file
    is read.

    With only filters (``filtered``), there is one warning for all files that cannot be read.

    Raises:
        UnknownModelError: the registry has no models, or a pattern matches no name.
    """
    if registry.empty_message:  # a wrong folder is no folder without work
        hint = "check --models_dir, or models_dir in posezoo.cfg"
        raise UnknownModelError(registry.empty_message, hint=hint)
    selection = registry.select(patterns)
    if filtered and selection.problems:
        first, *others = selection.problems
        more = f" (and {len(others)} more)" if others else ""
        output.warn(f"left out: {first.problem}{more}")
        selection = replace(selection, problems=())
    for error in selection.problems:
        output.print_error(error)
    warn_of_unknown_keys(selection, output)
    return selection


def warn_of_unknown_keys(selection: Selection, output: MessageOutput) -> None:
    """Warn of each unknown key once, with the number of other models that have it too."""
    by_name: dict[str, list[UnknownKey]] = {}
    for spec in selection.all:
        for key in spec.unknown_keys:
            by_name.setdefault(key.name, []).append(key)
    for first, *others in by_name.values():
        count = len({key.file for key in others} - {first.file})
        more = f" (also in {count} more)" if count else ""
        output.warn(f"{first}{more}")


def warn_of_deprecated_composites(selection: Selection, output: MessageOutput) -> None:
    """Warn of the selected composites that are deprecated; for models, the download does that."""
    for composite in selection.composites:
        if composite.deprecated:
            output.warn(f"{composite.name}: {composite.deprecated}")


def with_required_models(
    selection: Selection, registry: Registry, detector: str, output: MessageOutput
) -> Selection:
    """The models and what they require: other parts of a composite, and the detectors of their
    people, also of posezoo's own registry.
    """
    from posezoo.poses.people import resolve_people

    registry = registry.with_builtin()
    models: dict[str, ModelSpec] = {}
    for spec in selection.models:
        required = [spec]
        try:
            whole = registry.composite_of(spec)
            required += registry.parts(whole)
            people = resolve_people(whole, detector)
            names = {people.photo, people.video} - {WHOLE_IMAGE, TRACKING} if people else ()
            for name in sorted(names):
                required += registry.parts(registry.find(name))
        except UnknownModelError as error:
            output.warn(f"{error.problem}; it is skipped")
        for each in required:
            models.setdefault(each.full_name, each)
    return replace(selection, models=tuple(models.values()))
