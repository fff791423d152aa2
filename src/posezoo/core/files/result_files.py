"""Results that a user asks for: a file that posezoo did not write, or that was changed since, is
kept as NAME.bak1, with a warning.

A result is replaced while it has the digest in the record beside it, also after the folder was
moved or copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from posezoo.core.declarations.model import Digest
from posezoo.core.errors import DiskError, SettingsError
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.file_record import read_record
from posezoo.core.files.staging import remove_stale_staging_dirs, staging_dir
from posezoo.core.files.verified_files import (
    compute_digest,
    is_as_written,
    is_device,
    record_written,
    replace_atomically,
    set_aside,
    write_keeping,
    writing,
)
from posezoo.core.regular_files import read_beginning
from posezoo.core.settings import user_folder

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
    write_keeping(path, content, listener, _digests_without_record(path, signs))


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
                set_aside(path, listener, _digests_without_record(path))
                replace_atomically(part, path)
                if is_recorded:
                    record_written(path, digest)


def is_own(path: Path, signs: Sequence[str] = ()) -> bool:
    """Whether a file is as posezoo wrote it; also True for a missing or empty file, or a device."""
    if is_device(path) or not path.is_file() or not path.stat().st_size:
        return True
    with suppress(OSError):
        return is_as_written(path, _digests_without_record(path, signs))
    return False


def _digests_without_record(path: Path, signs: Sequence[str] = ()) -> list[Digest]:
    """The digest of a file that needs no record to be posezoo's: it has the signs, or is in the
    cache folder.
    """
    with suppress(OSError):
        has_record = bool(read_record(path).known_digests)
        if not has_record and (has_signs(path, signs) or _is_in_cache(path)):
            return [compute_digest(path)]
    return []


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
