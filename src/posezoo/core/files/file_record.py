"""The record of a file: ``.posezoo/NAME.json`` beside it.

It says what posezoo wrote and where the bytes came from. Anybody can write a record, so none saves
hashing: what a file is, its bytes say.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import field, fields
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import SHA1_DIGITS, Digest
from posezoo.core.errors import OutputError
from posezoo.core.files.file_lock import WAIT_S, discard, exclusive, lock_file, unique_part
from posezoo.core.files.foreign_json import parse_json
from posezoo.core.operating_system import replace_file
from posezoo.core.regular_files import read_small
from posezoo.core.values import frozen

#: Our folder for records, beside the files.
RECORDS_DIR = ".posezoo"

Json = Mapping[str, Any]

_HEX_DIGITS = {"sha512": 128, "sha384": 96, "sha256": 64, "sha1": SHA1_DIGITS}


@frozen
class FileRecord:
    """The sections of a record, as in its JSON; empty sections are not written.

    Attributes:
        verified: the digests of the bytes that posezoo downloaded or wrote, by algorithm.
        partial: the file that the partial download beside it belongs to: digest, source and etag.
        origin: where the file came from, as in provenance.json.
        outputs: the files made from it: the recipe, and the digest of each file, by its name.
        drawn: of a card: the digest of what it was drawn from.
    """

    verified: Json = field(default_factory=dict)
    partial: Json = field(default_factory=dict)
    origin: Json = field(default_factory=dict)
    outputs: Json = field(default_factory=dict)
    drawn: Json = field(default_factory=dict)

    @property
    def known_digests(self) -> dict[str, str]:
        """The digests of the bytes that posezoo downloaded or wrote, by algorithm."""
        return {digest.algorithm: digest.value for digest in read_digests(self.verified)}

    def is_of(self, digests: Iterable[Digest]) -> bool:
        """Whether it is about a file with these digests."""
        known = self.known_digests
        return all(known.get(digest.algorithm) == digest.value for digest in digests)


def read_digests(section: Json) -> list[Digest]:
    """The digests in a section of a file that others may have written; what is not understood is
    left out.
    """
    digests = []
    for algorithm, digits in _HEX_DIGITS.items():
        value = section.get(algorithm)
        if isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
            digests.append(Digest(algorithm, value))
    return digests


def record_path(path: Path) -> Path:
    """The path of a file's record."""
    return path.parent.joinpath(RECORDS_DIR, f"{path.name}.json")


def read_record(path: Path) -> FileRecord:
    """The record of a file; empty if it is missing or cannot be read."""
    return FileRecord(**_read_sections(read_json(record_path(path))))


def _read_sections(stored: Json) -> dict[str, Json]:
    """The sections in the JSON of a record."""
    sections = {}
    for each in fields(FileRecord):
        if isinstance(stored.get(each.name), dict):
            sections[each.name] = stored[each.name]
    return sections


def update_record(path: Path, **sections: Json) -> None:
    """Replace sections of a file's record, by the names in ``FileRecord``; an empty one is removed.
    Nothing happens if it cannot be written, or the folder of the records is a link.
    """

    def change(stored: Json) -> dict[str, Any]:
        merged = _read_sections(stored) | sections
        return {name: section for name, section in merged.items() if section}

    record = record_path(path)
    if record.parent.is_symlink():
        return
    stored = read_json(record)
    # A run that was killed may have left its part, which update_json removes.
    if change(stored) == stored and not _part_of(record).exists():
        return
    with suppress(OSError, OutputError):
        update_json(record, change, indent=None)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one if it is missing, no small regular file, or cannot be
    read.
    """
    try:
        return parse_json(read_small(path))
    except (OSError, ValueError):
        return {}


def _part_of(path: Path) -> Path:
    """Where the new bytes of a JSON file are written, under a lock."""
    return path.with_name(f".{path.name}.part")


def update_json(
    path: Path, change: Callable[[dict[str, Any]], Json], *, indent: int | None = 2
) -> None:
    """Replace the object in a JSON file; other processes and threads that do so wait.

    The new file is written beside the old one, under a lock, and then renamed, so no reader sees an
    incomplete file. If a run is killed, the next one overwrites its temporary file. There is no
    fsync.

    Args:
        path: the file; missing parent folders are created.
        change: receives the old object and returns the new one; an empty one removes the file.
        indent: as for ``json.dumps``, which is faster with None.

    Raises:
        OSError: the file cannot be written, or its lock was not released within 10 s.
        OutputError: on Windows, its lock was not released within 10 s.
    """
    part = _part_of(path)
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
                    stream.write(json.dumps(after, indent=indent).encode())
                replace_file(part, path)
                is_left = False  # from now on, another writer may use the part's name
    finally:
        if is_left:
            discard(part)
        if handle is not None:
            os.close(handle)
