"""Choose the model that runs if none is named: the first of the registry's list (names.yml) that
this machine reaches.

Who named a model in another way asks no server: by the setting ``default``, a strict lock, a mirror
in a folder, or an earlier choice that is still complete. Else each model is asked for by its own
download, until one is here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.diagnosis import FeatureReport, Findings
from posezoo.core.download.origins import FileOrigin
from posezoo.core.errors import (
    ConversionError,
    DownloadError,
    OutputError,
    PosezooError,
    SettingsError,
    SourceError,
    UnknownModelError,
)
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.files.verified_files import write_atomically
from posezoo.core.pipeline.needs import NeedsFinder
from posezoo.core.pipeline.plan import Plan, make_plan
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.regular_files import read_small
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import Setting, to_settings, user_folder
from posezoo.core.values import frozen
from posezoo.run.pipeline_spec import resolve_pipeline
from posezoo.run.subject import Statement, require_usable

Prepared = TypeVar("Prepared")
#: Makes the IR of the model of a name, with these download options.
Prepare = Callable[[str, Context], Prepared]

#: How long a host may send nothing before the next model is asked for.
_SILENCE_S = 5.0
#: How long a model is not asked for again that could not be downloaded or made.
_PAUSE = timedelta(days=1)

_NAMED = "the setting default names it"
_FIRST = "it is the first of the list"


@frozen
class DefaultModel:
    """The model that runs since none was named: its name in the registry's list, and why.

    ``first`` is the first of the list; ``is_reported``: whether a warning has said all this.
    """

    name: str
    why: str
    first: str
    is_reported: bool = False

    def __str__(self) -> str:
        if self.name == self.first:
            return f"{self.name}: {self.why}"
        return (
            f"{self.name}, since {self.why}; posezoo run {self.first} names the first of the list"
        )


@frozen
class _Row:
    """A model of the list that can do what the user says of it."""

    name: str
    networks: list[tuple[ModelSpec, Precision]]

    def plans(self, context: Context) -> Iterable[Plan]:
        """What its networks need, with those of its detector."""
        for spec, precision in self.networks:
            resolved = resolve_model(spec, (precision,), context)
            yield make_plan(resolved, context, is_dry_run=True)

    def is_complete(self, context: Context) -> bool:
        """Whether all of its IR are here."""
        return not any(plan.is_due for plan in self.plans(context))

    def is_local(self, context: Context) -> bool:
        """Whether its files are on a disk: here, in the cache or in a mirror."""
        files = (file for plan in self.plans(context) for file in plan.missing_files)
        return all(file.origin is not FileOrigin.SOURCE for file in files)


@frozen
class _Memory:
    """What was chosen here: a model, from which list, and the models that were not available, with
    the reason and the time.
    """

    name: str = ""
    names: tuple[str, ...] = ()
    passed: Mapping[str, tuple[str, str]] | None = None

    def find_recent(self) -> dict[str, tuple[str, str]]:
        """The models that are not asked for again today."""
        now = _now()
        return {
            name: (why, since)
            for name, (why, since) in (self.passed or {}).items()
            if now - _PAUSE < _time(since) <= now
        }


def prepare_default(
    said: Statement, context: Context, prepare: Prepare[Prepared], listener: Listener
) -> tuple[Prepared, DefaultModel]:
    """Prepare the default model, and say which it is.

    Raises:
        UnknownModelError: the registry has no default.
        DownloadError: no model of the list can be downloaded; or a source sends a file of the
            right size and another digest, after which no other model is tried.
        PosezooError: no model of the list can do what is said.
    """
    if named := context.settings.default:
        return prepare(named, context), DefaultModel(named, _NAMED, named)
    names = default_names(context)
    rows = _find_rows(names, said, context)
    if not rows:  # the first says what is wrong
        return prepare(names[0], context), DefaultModel(names[0], _FIRST, names[0])
    if chosen := _choose_without_asking(rows, names[0], context):
        return prepare(chosen.name, context), chosen
    memory = _read_memory(context)
    if kept := _find_kept(rows, memory, context):
        # If it cannot be made any more, the list is tried from its beginning.
        with suppress(ConversionError):
            prepared = prepare(kept.name, context)
            return prepared, _keep(kept, names, memory, context, listener)
    return _prepare_first(rows, names, memory, context, prepare, listener)


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


def describe_default(context: Context) -> str:
    """The default model as far as no server has to be asked, for ``posezoo doctor``."""
    if named := context.settings.default:
        return f"{named}: {_NAMED}"
    names = default_names(context)
    rows = _find_rows(names, Statement(), context)
    if rows and (chosen := _choose_without_asking(rows, names[0], context)):
        return f"{chosen}"
    memory = _read_memory(context)
    if kept := _find_kept(rows, memory, context):
        return f"{kept.name}: it was chosen before, and is here"
    recent = memory.find_recent()
    open_rows = [row.name for row in rows if row.name not in recent]
    waiting = [f"{name} ({why}, on {since})" for name, (why, since) in recent.items()]
    answer = f"the first that can be downloaded of {', '.join(open_rows) or 'none'}"
    return f"{answer}; not asked again for a day: {', '.join(waiting)}" if waiting else answer


def _report_default(settings: Mapping[str, Setting]) -> Findings:
    """What a command without a name runs, for ``posezoo doctor``."""
    with suppress(PosezooError):  # a setting that is wrong is reported already
        return Findings(default=describe_default(open_context(to_settings(settings))))
    return Findings()


REPORT = FeatureReport(_report_default)


def _find_rows(names: Iterable[str], said: Statement, context: Context) -> list[_Row]:
    finder = NeedsFinder(context)
    rows = []
    for name in names:
        model = context.registry.find(name)
        try:
            require_usable(model, said, context)
            pipeline = resolve_pipeline(model, context, said.precision or Precision.FP16)
        except PosezooError:
            continue
        row = _Row(name, pipeline.networks(context.registry))
        if not finder.find(row.networks):
            rows.append(row)
    return rows


def _choose_without_asking(
    rows: Sequence[_Row], first: str, context: Context
) -> DefaultModel | None:
    if context.lock.is_strict:  # the others were left out
        return DefaultModel(rows[0].name, "it is the first that the lock names", first)
    if any(Path(mirror).is_dir() for mirror in context.settings.mirror):
        for row in rows:
            if row.is_local(context):
                return DefaultModel(row.name, "it is the first that the mirror has", first)
    return None


def _find_kept(rows: Iterable[_Row], memory: _Memory, context: Context) -> _Row | None:
    """The earlier choice, if all of its files are here: as it was recorded, else the default of an
    older posezoo, which recorded none.
    """
    name = memory.name
    if not name and memory.passed is None:
        name = context.registry.former_default
    return next((row for row in rows if row.name == name and row.is_local(context)), None)


def _keep(
    kept: _Row, names: tuple[str, ...], memory: _Memory, context: Context, listener: Listener
) -> DefaultModel:
    if kept.name == names[0]:
        return DefaultModel(kept.name, _FIRST, names[0])
    if memory.names != names:
        listener(
            WarningIssued(
                f"the default is now {names[0]}; {kept.name} stays the default here, where it was"
                f" before: posezoo run {names[0]} names it"
            )
        )
        _write_memory(_Memory(kept.name, names), context)
    return DefaultModel(kept.name, "it was the default here before", names[0])


def _prepare_first(
    rows: list[_Row],
    names: tuple[str, ...],
    memory: _Memory,
    context: Context,
    prepare: Prepare[Prepared],
    listener: Listener,
) -> tuple[Prepared, DefaultModel]:
    options = context.download_options
    timeout_s = min(_SILENCE_S, options.timeout_s)
    hasty = replace(context, download_options=replace(options, attempts=1, timeout_s=timeout_s))
    recent = memory.find_recent()
    passed: dict[str, tuple[str, str]] = {}
    errors: list[PosezooError] = []
    for row in rows:
        is_last = row is rows[-1]  # it is asked for in any case, and for longer
        if row.name in recent and not is_last and not row.is_complete(context):
            passed[row.name] = recent[row.name]
            continue
        try:
            prepared = prepare(row.name, context if is_last else hasty)
        except (DownloadError, ConversionError) as error:
            if isinstance(error, DownloadError) and error.is_changed:
                raise
            errors.append(error)
            state = "downloaded" if isinstance(error, DownloadError) else "converted"
            why = f"was not {state}: {error.problem}"
            passed[row.name] = (why, _now().isoformat(timespec="minutes"))
            continue
        if row.name == names[0]:
            _write_memory(_Memory(row.name, names), context)
            return prepared, DefaultModel(row.name, _FIRST, names[0])
        if not passed:
            why = "it is the first that does what is asked for"
            return prepared, DefaultModel(row.name, why, names[0])
        _write_memory(_Memory(passed=passed), context)
        why = "; ".join(f"{name} {why}" for name, (why, _) in passed.items())
        listener(WarningIssued(_describe_passed(row.name, why, passed, names[0])))
        return prepared, DefaultModel(row.name, why, names[0], is_reported=True)
    raise _combine(passed, errors)


def _describe_passed(name: str, why: str, passed: Mapping[str, tuple[str, str]], first: str) -> str:
    again = min(_time(since) for _, since in passed.values()) + _PAUSE
    return (
        f"{name} runs, since {why} (asked again after {again:%Y-%m-%d %H:%M} UTC);"
        f" posezoo run {first} names it"
    )


def _combine(passed: Mapping[str, tuple[str, str]], errors: list[PosezooError]) -> PosezooError:
    """The error if no model of the list is available."""
    if len(passed) == 1:
        return errors[0]
    problems = "; ".join(f"{name} {why}" for name, (why, _) in passed.items())
    return SourceError(f"no default model is available: {problems}", hint=errors[-1].hint)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.min.replace(tzinfo=timezone.utc)


# --- What was chosen here, by the folder of the models


def _memory_file() -> Path:
    return user_folder("cache") / "default.json"


def _read_memories() -> dict[str, Any]:
    with suppress(OSError, ValueError, SettingsError):
        memories = json.loads(read_small(_memory_file()))
        if isinstance(memories, dict):
            return memories
    return {}


def _read_memory(context: Context) -> _Memory:
    try:
        known = _read_memories()[str(context.settings.weights_dir)]
        passed = known["passed"]
        if passed is not None:
            passed = {str(name): (str(why), str(since)) for name, (why, since) in passed.items()}
        return _Memory(str(known["name"]), tuple(map(str, known["names"])), passed)
    except (LookupError, TypeError, ValueError, AttributeError):
        return _Memory()


def _write_memory(memory: _Memory, context: Context) -> None:
    memories = _read_memories() | {str(context.settings.weights_dir): asdict(memory)}
    with suppress(OutputError, SettingsError):  # then it is asked for again
        write_atomically(_memory_file(), json.dumps(memories, indent=1).encode())
