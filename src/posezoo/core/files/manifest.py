"""The manifest of a folder, its provenance.json: the files that posezoo put there, and how each
came to be.

A file is posezoo's if the manifest lists it and its bytes have a digest of the list. Anybody can
write a manifest, so none saves hashing: what a file is, its bytes say.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import SHA1_DIGITS, Digest
from posezoo.core.declarations.safe_names import MANIFEST, explain_unsafe_file_name
from posezoo.core.events import Listener
from posezoo.core.files.file_lock import WAIT_S, discard, exclusive, lock_file, unique_part
from posezoo.core.files.foreign_json import parse_json
from posezoo.core.files.verified_files import (
    has_digest,
    set_aside,
    write_atomically,
    writing,
)
from posezoo.core.operating_system import replace_file
from posezoo.core.regular_files import read_small
from posezoo.core.values import frozen

#: The name of the manifest in its folder.
NAME = MANIFEST

Json = Mapping[str, Any]

_SECTIONS = {"files", "staged"}

_HEX_DIGITS = {"sha512": 128, "sha384": 96, "sha256": 64, "sha1": SHA1_DIGITS}

# An archive may have 20,000 members, of which each takes some 250 bytes.
_MAX_BYTES = 16 << 20


@frozen
class Manifest:
    """What the manifest of a folder lists, by paths relative to the folder, with ``/``.

    Attributes:
        files: size and digest of each file, and how it came to be: where it was downloaded, the
            archive that it is ``from``, or the ``recipe`` that made it.
        staged: the digests that files get while they are replaced, as ``algorithm:hex``.
    """

    files: Mapping[str, Json] = field(default_factory=dict)
    staged: Mapping[str, Collection[str]] = field(default_factory=dict)

    def says(self, name: str, recipe: Json) -> bool:
        """Whether a file was made by this recipe."""
        return bool(self.files.get(name, {}).get("recipe") == recipe)

    def digests(self, name: str) -> list[Digest]:
        """The digests of the bytes that posezoo wrote, or was writing, under a name."""
        staged = (stated.partition(":") for stated in self.staged.get(name, ()))
        digests = read_digests(self.files.get(name, {}))
        for algorithm, _, value in staged:
            digests += read_digests({algorithm: value})
        return digests

    def has_bytes(self, folder: Path, *names: str) -> bool:
        """Whether files have the bytes that are listed; they are read."""
        listed = {name: read_digests(self.files.get(name, {})) for name in names}
        return all(has_digest(folder / name, digests) for name, digests in listed.items())


def read_digests(entry: Json) -> list[Digest]:
    """The digests in an entry that others may have written; what is not understood is left out."""
    digests = []
    for algorithm, digits in _HEX_DIGITS.items():
        value = entry.get(algorithm)
        if isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
            digests.append(Digest(algorithm, value))
    return digests


def describe(size: int, digest: Digest, **origin: Any) -> dict[str, Any]:
    """The entry of a file."""
    return {"size": size, digest.algorithm: digest.value, **origin}


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder; an empty one if it is missing or cannot be read."""
    return parse_manifest(read_json(folder / NAME))


def is_manifest(path: Path) -> bool:
    """Whether a file is a manifest, and not one of the user's of this name."""
    return not _SECTIONS.isdisjoint(read_json(path))


def parse_manifest(stored: Json) -> Manifest:
    """What is understood of a manifest that others may have written."""
    files = {name: entry for name, entry in _list_items(stored, "files") if isinstance(entry, dict)}
    staged = {
        name: [*map(str, digests)]
        for name, digests in _list_items(stored, "staged")
        if isinstance(digests, list)
    }
    return Manifest(files, staged)


def _list_items(stored: Json, section: str) -> list[tuple[str, Any]]:
    """The items of a section whose names lead to no place outside of the folder."""
    items = stored.get(section)
    if not isinstance(items, dict):
        return []
    return [(name, value) for name, value in items.items() if not explain_unsafe_file_name(name)]


def stage(
    folder: Path, digests: Mapping[str, Digest], listener: Listener, *, model: str = ""
) -> Manifest:
    """List the digests of files before they get their names, and return the manifest.

    So a run that is killed leaves files with an earlier listed digest or with this one. A
    provenance.json that is no manifest is set aside.

    Args:
        digests: by the paths relative to the folder.
        model: the full name of the model, which a new manifest states.

    Raises:
        OSError: the manifest cannot be written.
        OutputError: on Windows, its lock was not released within 10 s.
    """
    path = folder / NAME

    def change(stored: Json) -> Json:
        if _SECTIONS.isdisjoint(stored):
            # Under the lock: before it, another run may be the first that lists files.
            set_aside(path, listener)
            stored = {}
        staged = {name: [*texts] for name, texts in parse_manifest(stored).staged.items()}
        for name, digest in digests.items():
            text = f"{digest.algorithm}:{digest.value}"
            if text not in staged.setdefault(name, []):
                staged[name].append(text)
        start = {"model": model, "files": {}} if model else {"files": {}}
        return {**start, **stored, "staged": staged}

    return parse_manifest(update_json(path, change))


def settle(
    folder: Path,
    entries: Mapping[str, Json],
    *,
    ended: Collection[str] = (),
    gone: Collection[str] = (),
) -> None:
    """List files that have their names now; a manifest that lists nothing is removed.

    Args:
        ended: files that are not written any more.
        gone: files that are not listed any more.

    Raises:
        OSError: the manifest cannot be written.
        OutputError: on Windows, its lock was not released within 10 s.
    """
    unstaged = {*entries, *ended}

    def change(stored: Json) -> Json:
        manifest = parse_manifest(stored)
        files = {**manifest.files, **entries}
        files = {name: entry for name, entry in files.items() if name not in gone}
        staged = {name: each for name, each in manifest.staged.items() if name not in unstaged}
        changed = {**stored, "files": files, "staged": staged}
        if not staged:
            del changed["staged"]
        return changed if files or staged else {}

    update_json(folder / NAME, change)


def write_listed(
    folder: Path,
    contents: Mapping[str, bytes],
    recipe: Json,
    listener: Listener,
    *,
    model: str = "",
) -> None:
    """Write files that a recipe makes, and list them in the manifest of their folder; a file that
    is not as posezoo wrote it is kept under another name, with a warning.

    Raises:
        OutputError: one of them cannot be written.
    """
    from hashlib import sha384

    digests = {
        name: Digest("sha384", sha384(content).hexdigest()) for name, content in contents.items()
    }
    with writing(folder / NAME):
        manifest = stage(folder, digests, listener, model=model)
    entries = {}
    for name, content in contents.items():
        path = folder / name
        if not has_digest(path, [digests[name]]):
            with writing(path):
                set_aside(path, listener, manifest.digests(name))
            write_atomically(path, content)
        entries[name] = describe(len(content), digests[name], recipe=recipe)
    with writing(folder / NAME):
        settle(folder, entries)


def list_path(folder: Path, path: Path) -> str:
    """The name of a file in the manifest of a folder."""
    return path.relative_to(folder).as_posix()


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one if it is missing, no regular file of at most 16 MiB,
    or cannot be read.
    """
    try:
        return parse_json(read_small(path, _MAX_BYTES), finite=False)  # INT8 may compute nan
    except (OSError, ValueError):
        return {}


def update_json(path: Path, change: Callable[[dict[str, Any]], Json]) -> Json:
    """Replace the object in a JSON file, and return the new one; other processes and threads that
    do so wait.

    The new file is written beside the old one, under a lock, and then renamed, so no reader sees an
    incomplete file. If a run is killed, the next one overwrites its temporary file. There is no
    fsync.

    Args:
        path: the file; missing parent folders are created.
        change: receives the old object and returns the new one; an empty one removes the file.

    Raises:
        OSError: the file cannot be written, or its lock was not released within 10 s.
        OutputError: on Windows, its lock was not released within 10 s.
    """
    part = part_of(path)
    guard: AbstractContextManager[None] = nullcontext()
    handle = lock_file(part, wait_s=WAIT_S)
    if handle is None:
        part = unique_part(path)
        guard = exclusive(path)
    is_left = True
    try:
        with guard:
            before = read_json(path)
            after = change(before)
            if not after:
                path.unlink(missing_ok=True)
            elif after != before:
                with (
                    open(part, "wb") if handle is None else os.fdopen(handle, "wb", closefd=False)
                ) as stream:
                    stream.truncate()
                    stream.write(json.dumps(after, indent=2).encode() + b"\n")
                replace_file(part, path)
                is_left = False  # from now on, another writer may use the part's name
            return after
    finally:
        if is_left:
            discard(part)
        if handle is not None:
            os.close(handle)


def part_of(path: Path) -> Path:
    """Where the new bytes of a file are written, under a lock."""
    return path.with_name(f".{path.name}.part")
