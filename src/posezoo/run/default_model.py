"""Choose the model that runs if none is named: once, the first of the registry's list (names.yml)
that this machine reaches.

The choice is a line in a file of the user's data folder. The setting ``default``, a strict lock and
a mirror in a folder come before it, and are not kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.download.candidates import MIRROR_HINT, without_port
from posezoo.core.download.origins import FileOrigin, mirror_folder
from posezoo.core.errors import (
    ConversionError,
    DownloadError,
    OutputError,
    PosezooError,
    SettingsError,
    SourceError,
    UnknownModelError,
)
from posezoo.core.events import DefaultChosen, Event, LicenseNoted, Listener, WarningIssued
from posezoo.core.files.verified_files import write_atomically
from posezoo.core.pipeline.availability import PACKAGE_INDEXES, AvailabilityFinder
from posezoo.core.regular_files import read_small
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import user_folder
from posezoo.core.values import frozen
from posezoo.run.pipeline_spec import resolve_pipeline
from posezoo.run.subject import Statement, require_usable

Prepared = TypeVar("Prepared")
#: Makes the IR of the model of a name, with these download options.
Prepare = Callable[[str, Context, Listener], Prepared]
#: The networks of models, with those of their detectors, by the models' names in the list.
_Rows = Mapping[str, list[tuple[ModelSpec, Precision]]]

#: How long a host may send nothing before the next model is asked for.
_SILENCE_S = 5.0

_FIRST = "it is the first of the list"


@frozen
class ChosenModel:
    """The model that runs since none was named: its name in the registry's list, and why."""

    name: str
    why: str


class _HeldEvents:
    """Passes events on, those with lines about a model only once it is known that the model
    runs.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._held: list[Event] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, (LicenseNoted, WarningIssued)):
            self._held.append(event)
        else:
            self._listener(event)

    def release(self) -> None:
        """Pass on what was held."""
        for event in self._held:
            self._listener(event)


def prepare_default(
    said: Statement, context: Context, prepare: Prepare[Prepared], listener: Listener
) -> tuple[Prepared, ChosenModel]:
    """Prepare the default model; an event says which it is when it is chosen.

    Raises:
        UnknownModelError: the registry has no default.
        DownloadError: the model that was chosen before cannot be downloaded, or no model of the
            list; or a source sends a file of the right size and another digest, after which no
            other model is tried.
        PosezooError: no model of the list can do what is said.
    """
    finder = AvailabilityFinder(context)
    rows = find_rows(said, context, finder)
    chosen = find_decided(rows, context, finder)
    if chosen is None:
        return _choose_first(rows, context, finder, prepare, listener)
    return prepare(chosen.name, context, listener), chosen


def default_names(context: Context) -> tuple[str, ...]:
    """The models of the registry's list, the first one first.

    Raises:
        UnknownModelError: the registry has none of them.
    """
    names = context.registry.default_names
    if not names:
        raise UnknownModelError(
            "no model is named, and this registry has no default",
            hint="name a model: posezoo list shows all",
        )
    return names


def find_rows(said: Statement, context: Context, finder: AvailabilityFinder) -> _Rows:
    """The models of the list that can do what is said, and need no more than a download."""
    rows = {}
    for name in context.registry.default_names:
        with suppress(PosezooError):
            networks = find_networks(name, said, context)
            if not finder.find(networks).needs:
                rows[name] = networks
    return rows


def find_networks(
    name: str, said: Statement, context: Context
) -> list[tuple[ModelSpec, Precision]]:
    """The networks of a model of the list, with those of its detector, if it can do what is said.

    Raises:
        PosezooError: it cannot.
    """
    model = context.registry.find(name)
    require_usable(model, said, context)
    pipeline = resolve_pipeline(model, context, said.precision or Precision.FP16)
    return pipeline.networks(context.registry)


def find_decided(rows: _Rows, context: Context, finder: AvailabilityFinder) -> ChosenModel | None:
    """The model that is decided without asking a server; None if there is none."""
    if named := context.settings.default:
        return ChosenModel(named, "the setting default names it")
    names = default_names(context)
    if not rows:
        return ChosenModel(names[0], _FIRST)  # its error says what is wrong
    if context.lock.is_strict:  # the others were left out
        return ChosenModel(next(iter(rows)), "it is the first that the lock names")
    found = {name: finder.find(networks) for name, networks in rows.items()}
    local = [name for name, each in found.items() if each.is_local]
    if local and any(map(mirror_folder, context.settings.mirror)):
        return ChosenModel(local[0], "it is the first that the mirror has")
    if (kept := _read_kept(names)) in rows:
        return ChosenModel(kept, "it was chosen here before")
    complete = [name for name in local if found[name].places == (FileOrigin.HERE.value,)]
    if complete and not kept and not _can_keep():
        return ChosenModel(complete[0], "it is complete here, and no choice can be kept")
    return None


def _choose_first(
    rows: _Rows,
    context: Context,
    finder: AvailabilityFinder,
    prepare: Prepare[Prepared],
    listener: Listener,
) -> tuple[Prepared, ChosenModel]:
    """Prepare the first model that can be downloaded; keep the choice, unless some models cannot do
    what is said.
    """
    names = default_names(context)
    waiting = list(rows)
    options = context.download_options
    timeout_s = min(_SILENCE_S, options.timeout_s)
    hasty = replace(context, download_options=replace(options, attempts=1, timeout_s=timeout_s))
    failed: dict[str, str] = {}
    while waiting:
        # The first one whose hosts are not known to be silent.
        name = min(waiting, key=lambda each: bool(finder.find(rows[each]).closed))
        waiting.remove(name)
        held = _HeldEvents(listener)
        try:
            prepared = prepare(name, hasty if waiting else context, held)
        except (DownloadError, ConversionError) as error:
            is_changed = isinstance(error, DownloadError) and error.is_changed
            if is_changed or not (waiting or failed):
                raise
            failed[name] = _describe_failure(name, error)
            continue
        chosen = ChosenModel(name, _explain_choice(name, names[0], rows, failed, finder))
        if len(rows) == len(names) and not _read_kept(names):
            _keep(name)
        held.release()
        other = names[0] if name != names[0] and names[0] in rows else "MODEL"
        listener(DefaultChosen(name, chosen.why, f"POSEZOO_DEFAULT={other}"))
        return prepared, chosen
    problems = ", ".join(dict.fromkeys(failed.values()))
    raise SourceError(
        f"no default model is available: {problems}",
        hint=f"check the network connection and what posezoo doctor says, or {MIRROR_HINT}",
        temporary=True,
    )


def _explain_choice(
    name: str, first: str, rows: _Rows, failed: Mapping[str, str], finder: AvailabilityFinder
) -> str:
    """Why a model runs in place of the first of the list, in some words."""
    if name == first:
        return _FIRST
    if first in failed:
        return failed[first]
    if first not in rows:
        return "it is the first that does what is asked for"
    return f"{_in_words(finder.find(rows[first]).closed[0])} did not answer"


def _describe_failure(name: str, error: PosezooError) -> str:
    if not isinstance(error, DownloadError):
        return f"{name} cannot be converted here"
    if not error.hosts:
        return f"{name} cannot be downloaded"
    host = _in_words(without_port(error.hosts[0]))
    return f"{host} did not answer" if error.is_silent else f"{host} did not send {name}"


def _in_words(host: str) -> str:
    return PACKAGE_INDEXES.get(host, host)


# --- The choice, which is a line in a file: another registry's list adds its own.


def choice_file() -> Path:
    """The file with the choice; a SettingsError without a home folder."""
    return user_folder("data") / "default.txt"


def _read_choices() -> list[str]:
    with suppress(OSError, ValueError, SettingsError):
        return read_small(choice_file()).decode().split()
    return []


def _read_kept(names: Iterable[str]) -> str:
    """The model of a list that was chosen before; empty if none was."""
    return next((name for name in _read_choices() if name in names), "")


def _keep(name: str) -> None:
    lines = [f"{each}\n" for each in (*_read_choices(), name)]
    with suppress(OutputError, SettingsError):
        write_atomically(choice_file(), "".join(lines).encode())


def _can_keep() -> bool:
    try:
        folder = choice_file().parent
    except SettingsError:  # the user has no home folder
        return False
    while not folder.exists():
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)
