"""The models that were fetched into a folder, remembered outside that folder: it may be on a disk
that is not mounted later.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from posezoo.core.errors import OutputError, SettingsError
from posezoo.core.files.file_record import Json, read_json, update_json
from posezoo.core.settings import user_folder


def _path(folder: Path) -> Path:
    name = sha256(os.fsencode(folder.absolute())).hexdigest()[:32]
    return user_folder("data") / "fetched" / f"{name}.json"


def read_fetched(folder: Path) -> set[str]:
    """The full names of models that were fetched into a folder, and not removed."""
    try:
        return _read_names(read_json(_path(folder)))
    except SettingsError:  # a user without a home folder
        return set()


def remember_fetched(folder: Path, name: str) -> None:
    """Remember a model; nothing happens if that cannot be written."""
    if name not in read_fetched(folder):
        _update(folder, lambda models: models | {name})


def forget_fetched(folder: Path, names: Collection[str]) -> None:
    """Forget models that were removed."""
    if not read_fetched(folder).isdisjoint(names):
        _update(folder, lambda models: models.difference(names))


def _update(folder: Path, change: Callable[[set[str]], set[str]]) -> None:
    def merge(stored: Json) -> Json:
        models = sorted(change(_read_names(stored)))
        return {"folder": f"{folder.absolute()}", "models": models} if models else {}

    with suppress(OSError, OutputError, SettingsError):
        # Without an indent it is written in C: each model of a run writes the names of all.
        update_json(_path(folder), merge, indent=None)


def _read_names(stored: Json) -> set[str]:
    models = stored.get("models")
    return set(map(str, models)) if isinstance(models, list) else set()
