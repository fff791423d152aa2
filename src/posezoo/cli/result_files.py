"""Results that a user asks for: a file that posezoo did not write is never replaced.

A file is ours if it has the signs that all such files have near their beginning, or if it is
unchanged since posezoo wrote it, which a record in the cache folder says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from posezoo.core.errors import OutputError
from posezoo.core.files.file_record import fingerprint
from posezoo.core.files.verified_files import compute_digest, write_atomically
from posezoo.core.user_folders import find_user_folder

# The signs of a file are within this many of its first bytes.
_HEAD = 4096


def require_own(path: Path, signs: Sequence[str] = (), *, force: bool = False) -> None:
    """Check that a file may be replaced by a result.

    Args:
        path: the file, which may be missing.
        signs: texts that each such result has near its beginning; empty: only its record tells.
        force: whether the user allows to replace files of others.

    Raises:
        OutputError: posezoo did not write it, or it was changed since.
    """
    if force or is_own(path, signs):
        return
    raise OutputError(
        f"{path}: exists, and is not as posezoo wrote it",
        hint="--force replaces it; or write to another file or folder",
    )


def is_own(path: Path, signs: Sequence[str] = ()) -> bool:
    """Whether posezoo wrote a file; also true if nothing is lost with it: an empty file, a device,
    or a file in the cache folder.
    """
    if _is_recognized(path, signs):
        return True
    with suppress(OSError, RuntimeError):
        return _record_path(path).read_text("ascii") == compute_digest(path).value
    return False


def has_signs(path: Path, signs: Sequence[str]) -> bool:
    """Whether a file has all these texts near its beginning; false if there are none."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return bool(signs) and all(sign.encode() in head for sign in signs)


@contextmanager
def replacing_own(path: Path, signs: Sequence[str] = (), *, force: bool = False) -> Iterator[None]:
    """Check that a file may be replaced, as ``require_own`` does, and then record what was written,
    also after a failure.
    """
    require_own(path, signs, force=force)
    before = _fingerprint(path)
    try:
        yield
    finally:
        if _fingerprint(path) != before and not _is_recognized(path, signs):
            _record(path)


def write_output(
    path: Path, content: bytes, signs: Sequence[str] = (), *, force: bool = False
) -> None:
    """Write a result, as ``write_atomically`` does.

    Raises:
        OutputError: it cannot be written, or would replace a file that is not ours.
    """
    with replacing_own(path, signs, force=force):
        write_atomically(path, content)


def _is_recognized(path: Path, signs: Sequence[str]) -> bool:
    """Whether a file is ours, or none, without a record."""
    # Path.is_file fails for a name that is too long, which the writer reports.
    is_empty = not os.path.isfile(path) or not path.stat().st_size
    return is_empty or _is_in_cache(path) or has_signs(path, signs)


def _record(path: Path) -> None:
    """Record the digest of a result; if that is not possible, the next run needs --force."""
    with suppress(OSError, RuntimeError, OutputError):
        digest = compute_digest(path).value
        record = _record_path(path)
        if not record.is_file() or record.read_text("ascii") != digest:
            write_atomically(record, digest.encode(), lasting=False)


def _record_path(path: Path) -> Path:
    """Where the digest of a result is recorded: in the cache folder, since users list the folder of
    the result.
    """
    import hashlib  # not needed by commands without results

    place = path.parent.resolve() / path.name
    name = hashlib.sha256(os.fsencode(place)).hexdigest()[:32]
    return find_user_folder("cache") / "outputs" / name


def _fingerprint(path: Path) -> dict[str, int]:
    with suppress(OSError):
        return fingerprint(path)
    return {}


def _is_in_cache(path: Path) -> bool:
    with suppress(RuntimeError):  # the user has no home folder
        return path.resolve().is_relative_to(find_user_folder("cache").resolve())
    return False
