"""Where each published file of a model came from: provenance.json in the model's folder.

``files`` in it has, by name: url and final_url (after redirects; null where nobody redirects), kind (source,
mirror or cache), size in bytes, its digest, and fetched_at (ISO 8601, UTC). No secret is written: no user's
name, no query of a final address.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from posezoo.errors import OutputError
from posezoo.files.file_lock import exclusive
from posezoo.files.verified_files import STAMPS, has_valid_file_stamp, write_if_possible
from posezoo.spec.model import Digest, ModelSpec, SourceFile

NAME = "provenance.json"


@dataclass(frozen=True, slots=True)
class DownloadRecord:
    """A file that comes to its place.

    Attributes:
        file: its name in model.yml.
        target: its place.
        url: who gave it, as it may be shown.
        final_url: where that led to; empty where it led nowhere else.
        kind: source, mirror or cache.
        size: in bytes.
        digest: of its bytes.
        time: ISO 8601, UTC.
    """

    file: str
    target: Path
    url: str
    final_url: str
    kind: str
    size: int
    digest: Digest
    time: str


def redact_url(url: str) -> str:
    """An address without what may let others in: a user, a query, a fragment.

    >>> redact_url("https://ann:secret@example.org/a/net.pth?X-Amz-Signature=12ab#top")
    'https://example.org/a/net.pth'
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def write_journal_entry(record: DownloadRecord) -> None:
    """Remember that a file is about to get its name: whoever is killed before ``record`` leaves the note."""
    write_if_possible(_journal_path(record.target), json.dumps(_to_json(record)).encode())


def update_provenance_json(folder: Path, spec: ModelSpec, places: Sequence[tuple[SourceFile, Path]]) -> None:
    """Write where files of a model came from, by the notes of this run and of those that were killed.

    What is known of its other files stays.

    Args:
        folder: the model's.
        spec: the model.
        places: each file, and where it lies.

    Raises:
        OutputError: it cannot be written, or another run keeps it locked.
        OSError: the folder cannot be written to.
    """
    names, path = {file.name for file in spec.files}, folder / NAME
    if NAME in names:  # a publisher's file of this name is the publisher's
        return
    if not any(_journal_path(target).exists() for _, target in places):
        _clear_beside(path)
        return
    with exclusive(path):
        notes = {file.name: _journal_path(target) for file, target in places if _is_in_place(file, target)}
        came = {name: said for name, each in notes.items() if (said := _read(each))}
        if not came:
            return
        known = {name: said for name, said in _files_in(path).items() if name in names}
        write_if_possible(
            path, json.dumps({"model": spec.full_name, "files": {**known, **came}}, indent=2).encode()
        )
        if not path.is_file():
            raise OutputError("something else stands in its place, or the folder cannot be written to")
        for note in notes.values():
            note.unlink(missing_ok=True)


def _journal_path(target: Path) -> Path:
    return target.parent / STAMPS / f"{target.name}.came"


def _is_in_place(file: SourceFile, target: Path) -> bool:
    """Whether a file has its name by now: a note is written before that."""
    return target.is_file() and (file.checksum is None or has_valid_file_stamp(target, file))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _clear_beside(path: Path) -> None:
    """Remove what a killed run left beside it on its way."""
    partial, guard = (path.with_name(f".{path.name}.{end}") for end in ("part", "guard"))
    if partial.exists() or guard.exists():
        with exclusive(path):  # which removes the guard
            partial.unlink(missing_ok=True)


def _to_json(record: DownloadRecord) -> dict[str, object]:
    return {
        "url": record.url,
        "final_url": record.final_url or None,
        "kind": record.kind,
        "size": record.size,
        record.digest.algorithm: record.digest.value,
        "fetched_at": record.time,
    }


def _files_in(path: Path) -> dict[str, Any]:
    found = _read(path).get("files")
    return found if isinstance(found, dict) else {}
