"""Results that a user asks for: a file that posezoo did not write, or that was changed since, is
never replaced.

The record beside a result has its digest. Whoever runs posezoo there may replace the result while
it has this digest, also after the folder was moved or copied.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from posezoo.core.errors import DiskError, OutputError
from posezoo.core.events import Listener
from posezoo.core.files.file_record import fingerprint, read_result_digest, update_record
from posezoo.core.files.staging import remove_stale_staging_dirs, staging_dir
from posezoo.core.files.verified_files import (
    compute_digest,
    keep_as_backup,
    replace_atomically,
    write_atomically,
    writing,
)
from posezoo.core.regular_files import read_beginning
from posezoo.core.user_folders import find_user_folder, is_in_cache

# The signs of a file are within this many of its first bytes.
_HEAD = 4096


def require_own(path: Path, signs: Sequence[str] = (), *, force: bool = False) -> None:
    """Check that a file may be replaced by a result.

    Args:
        path: the file, which may be missing.
        signs: texts that each such result has near its beginning, if such results are kept under
            version control, where they lose their records; empty for others.
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
    # Path.is_file fails for a name that is too long, which the writer reports.
    if not os.path.isfile(path) or not path.stat().st_size or is_in_cache(path):
        return True
    recorded = read_result_digest(path) or _read_old_record(path)
    if not recorded:
        return has_signs(path, signs)
    with suppress(OSError):
        return compute_digest(path).value == recorded
    return False


def has_signs(path: Path, signs: Sequence[str]) -> bool:
    """Whether a file has all these texts near its beginning; false if there are none."""
    try:
        head = read_beginning(path, _HEAD)
    except OSError:
        return False
    return bool(signs) and all(sign in head for sign in signs)


@contextmanager
def replacing_own(path: Path, signs: Sequence[str] = (), *, force: bool = False) -> Iterator[None]:
    """Check that a file may be replaced, as ``require_own`` does, and then record what was written,
    also after a failure.
    """
    require_own(path, signs, force=force)
    before = _fingerprint(path)
    try:
        yield
    except DiskError:
        raise  # the other results need the space more than a record
    except BaseException:
        _record_if_changed(path, before)
        raise
    _record_if_changed(path, before)


@contextmanager
def writing_result(path: Path, listener: Listener, *, force: bool = False) -> Iterator[Path]:
    """A path of the same name in a private folder beside a result, for a writer that needs a path
    for long. At the end its file becomes the result, also after a failure; without a file there,
    nothing changes.

    A file that the user put in the result's place meanwhile is kept as NAME.bak1, with a warning.

    Raises:
        OutputError: it cannot be written, or a file that is not ours was there before.
    """
    require_own(path, force=force)
    remove_stale_staging_dirs(path.parent)
    with writing(path), staging_dir(path.parent) as folder:
        part = folder / path.name
        is_recorded = not is_in_cache(path)
        try:
            yield part
        except DiskError:
            is_recorded = False  # the other results need the space more than a record
            raise
        finally:
            if part.is_file():
                digest = compute_digest(part).value
                if not force and not is_own(path):
                    keep_as_backup(path, listener)
                replace_atomically(part, path)
                if is_recorded:
                    update_record(path, result={"sha384": digest})


def write_output(
    path: Path, content: bytes, signs: Sequence[str] = (), *, force: bool = False
) -> None:
    """Write a result, as ``write_atomically`` does.

    Raises:
        OutputError: it cannot be written, or would replace a file that is not ours.
    """
    with replacing_own(path, signs, force=force):
        write_atomically(path, content)


def _record_if_changed(path: Path, before: Mapping[str, int]) -> None:
    """Record the digest of a result; if that is not possible, the next run needs --force."""
    if _fingerprint(path) != before and os.path.isfile(path) and not is_in_cache(path):
        with suppress(OSError):
            update_record(path, result={"sha384": compute_digest(path).value})


def _read_old_record(path: Path) -> str:
    """The digest that 0.1.0 recorded in the cache folder; empty if there is none."""
    import hashlib  # not needed by commands without results

    place = path.parent.resolve() / path.name
    name = hashlib.sha256(os.fsencode(place)).hexdigest()[:32]
    with suppress(OSError, RuntimeError):
        return (find_user_folder("cache") / "outputs" / name).read_text("ascii")
    return ""


def _fingerprint(path: Path) -> dict[str, int]:
    with suppress(OSError):
        return fingerprint(path)
    return {}
