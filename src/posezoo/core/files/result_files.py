"""Results that a user asks for: a file that posezoo did not write, or that was changed since, is
kept as NAME.bak1, with a warning.

A result is replaced while it has the digest in its record, ``.posezoo/NAME.json`` beside it, also
after the folder was moved or copied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from posezoo.core.declarations.model import Digest
from posezoo.core.errors import DiskError, OutputError, SettingsError
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.manifest import read_digests, read_json
from posezoo.core.files.staging import remove_stale_staging_dirs, staging_dir
from posezoo.core.files.verified_files import (
    Hasher,
    compute_digest,
    has_digest,
    is_device,
    replace_atomically,
    set_aside,
    write_atomically,
    writing,
)
from posezoo.core.regular_files import read_beginning
from posezoo.core.settings import user_folder

#: The folder for the records of results, beside them.
RECORDS_DIR = ".posezoo"

# The signs of a file are within this many of its first bytes.
_HEAD = 4096


def write_result(
    path: Path, content: bytes, listener: Listener = ignore_event, signs: Sequence[str] = ()
) -> None:
    """Write a result, as ``write_atomically`` does.

    Args:
        signs: texts near the beginning of results under version control, where they lose their
            records.

    Raises:
        OutputError: it cannot be written.
    """
    hasher = Hasher(["sha384"])
    hasher.update(content)
    (digest,) = hasher.digests
    with writing(path):
        set_aside(path, listener, [digest, *_own_digests(path, signs)])
    write_atomically(path, content)
    if not is_device(path):
        _record(path, digest)


@contextmanager
def writing_result(path: Path, listener: Listener = ignore_event) -> Iterator[Path]:
    """A path of the same name in a private folder, whose file becomes the result at the end, also
    after a failure.

    Raises:
        OutputError: it cannot be written.
    """
    remove_stale_staging_dirs(path.parent)
    with writing(path), staging_dir(path.parent) as folder:
        part = folder / path.name
        is_recorded = True
        try:
            yield part
        except DiskError:
            is_recorded = False  # the other results need the space more than a record
            raise
        finally:
            if part.is_file():
                digest = compute_digest(part)
                set_aside(path, listener, [digest, *_own_digests(path)])
                replace_atomically(part, path)
                if is_recorded:
                    _record(path, digest)


def is_own(path: Path, signs: Sequence[str] = ()) -> bool:
    """Whether a file is as posezoo wrote it; also True for a missing or empty file, or a device."""
    if is_device(path) or not path.is_file() or not path.stat().st_size:
        return True
    return has_digest(path, _own_digests(path, signs))


def is_recorded(path: Path) -> bool:
    """Whether a file has the bytes that its record lists."""
    return has_digest(path, _recorded_digests(path))


def record_path(path: Path) -> Path:
    """The path of the record of a result."""
    return path.parent.joinpath(RECORDS_DIR, f"{path.name}.json")


def _record(path: Path, digest: Digest) -> None:
    """Record what was written; nothing happens if the record cannot be written, or its folder is a
    link.
    """
    record = record_path(path)
    if record.parent.is_symlink() or _recorded_digests(path) == [digest]:
        return
    content = json.dumps({digest.algorithm: digest.value}).encode()
    with suppress(OutputError):
        write_atomically(record, content, lasting=False)


def _recorded_digests(path: Path) -> list[Digest]:
    return read_digests(read_json(record_path(path)))


def _own_digests(path: Path, signs: Sequence[str] = ()) -> list[Digest]:
    """The digests that a file of posezoo's may have: those in its record. A file without a record
    is posezoo's if it has the signs, or is in the cache folder.
    """
    recorded = _recorded_digests(path)
    with suppress(OSError):
        if not recorded and (has_signs(path, signs) or _is_in_cache(path)):
            return [compute_digest(path)]
    return recorded


def has_signs(path: Path, signs: Sequence[str]) -> bool:
    """Whether a file has all these texts near its beginning; false if there are none."""
    try:
        head = read_beginning(path, _HEAD)
    except OSError:
        return False
    return bool(signs) and all(sign in head for sign in signs)


def _is_in_cache(path: Path) -> bool:
    """Whether a file is in the user's cache folder, where only posezoo writes."""
    with suppress(SettingsError):  # there is no home folder
        return path.resolve().is_relative_to(user_folder("cache").resolve())
    return False
