"""Files kept by their digest: what a cache and a mirror have in common.

The layout is that of Open Model Zoo's ``--cache_dir``: ``DIR/1/<first two hex digits>/<the others>``,
with ``DIR/1/staging`` for files on their way in. What comes out is hashed on its way like any other
bytes, so a damaged entry is noticed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from posezoo.download.candidates import ByteStream, Candidate, CandidateKind, open_local_file
from posezoo.download.context import DownloadContext
from posezoo.download.parallel_ranges import open_url
from posezoo.download.partial import ResumeState
from posezoo.download.source_errors import NotFoundError
from posezoo.errors import SourceError, redact_secrets
from posezoo.files.file_lock import lock_file
from posezoo.files.reflink import hard_link, reflink
from posezoo.files.verified_files import has_size, replace_atomically
from posezoo.spec.model import Digest, SourceFile

_LOCK = ".lock"
_OURS = re.compile(r"[0-9a-f]{64,96}\.(new|lock)")


def entry_path(digest: Digest) -> str:
    """Where a file lies below a store's root, with / between the names."""
    return f"1/{digest.value[:2]}/{digest.value[2:]}"


def store_candidates(file: SourceFile, context: DownloadContext) -> tuple[Candidate, ...]:
    """The cache, then every mirror in its order; none for a file whose own digest is unknown."""
    if file.checksum is None:  # they are asked by the digest of the file itself
        return ()
    mirrors = (_mirror(address, file, file.checksum, context) for address in context.means.mirrors)
    if context.cache_dir is None:
        return tuple(mirrors)
    path = context.cache_dir / entry_path(file.checksum)
    return Candidate(str(path), CandidateKind.CACHE, partial(open_local_file, path), path), *mirrors


@contextmanager
def cache_entry_lock(file: SourceFile, context: DownloadContext) -> Iterator[None]:
    """Keep others who use the same cache from fetching a file meanwhile: they find it there afterwards.

    Where the cache cannot be written, or knows no locks, nobody is kept.
    """
    handle, lock = None, None
    if context.cache_dir is not None and file.checksum is not None:
        lock = _staged(context.cache_dir, file.checksum).with_suffix(_LOCK)

        def waiting() -> None:
            context.warn(f"{file.name}: waiting for another run that fetches it into the cache")

        with suppress(OSError):
            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = lock_file(lock, waiting)
    try:
        yield
    finally:
        if handle is not None and lock is not None:
            with suppress(OSError):
                lock.unlink()
            os.close(handle)


def store(path: Path, file: SourceFile, context: DownloadContext, *, replace: bool) -> None:
    """Take a verified file into the cache; one that cannot be written is given up for this call.

    The caller is ``cache_entry_lock`` the file.

    Args:
        path: the file.
        file: what it is.
        context: whose cache.
        replace: take it even where the cache has an entry of this name and size, since that is damaged.
    """
    if context.cache_dir is None or file.checksum is None or (not replace and is_cached(file, context)):
        return
    try:
        _add_to_store(path, context.cache_dir, file.checksum)
    except OSError as error:
        context.warn(f"{context.cache_dir}: the cache cannot be written: {error.strerror or error}")
        context.cache_dir = None


def is_cached(file: SourceFile, context: DownloadContext) -> bool:
    """Whether the cache seems to hold a file, or is asked for none."""
    if context.cache_dir is None or file.checksum is None:
        return True
    return has_size(context.cache_dir / entry_path(file.checksum), file.size)


def remove_stale_staging(root: Path) -> list[Path]:
    """Remove what killed runs left on its way into a cache; what is on its way now stays.

    Returns:
        What was removed.
    """
    swept: list[Path] = []
    with suppress(OSError):
        for path in sorted((root / "1" / "staging").iterdir()):
            if not _OURS.fullmatch(path.name):
                continue
            lock = path.with_suffix(_LOCK)
            with suppress(OSError):
                handle = lock_file(lock, wait_s=0)
                swept += [each for each in {path, lock} if each.exists()]
                for each in (path, lock):
                    each.unlink(missing_ok=True)
                if handle is not None:
                    os.close(handle)
    return swept


def _staged(root: Path, digest: Digest) -> Path:
    return root / "1" / "staging" / f"{digest.value}.new"


def _add_to_store(path: Path, root: Path, digest: Digest) -> None:
    staged, target = _staged(root, digest), root / entry_path(digest)
    staged.parent.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.unlink(missing_ok=True)
        if not _cloned(path, staged) and not hard_link(path, staged):
            shutil.copyfile(path, staged)
        replace_atomically(staged, target)
    finally:
        with suppress(OSError):
            staged.unlink(missing_ok=True)  # two names of one file are not renamed to each other


def _cloned(path: Path, staged: Path) -> bool:
    with open(path, "rb") as source, open(staged, "xb") as copy:
        done = reflink(source.fileno(), copy.fileno())
    if not done:
        staged.unlink()
    return done


def _mirror(address: str, file: SourceFile, digest: Digest, context: DownloadContext) -> Candidate:
    if address.lower().startswith(("http://", "https://")):
        url = f"{address.rstrip('/')}/{entry_path(digest)}"
        return Candidate(redact_secrets(address), CandidateKind.MIRROR, partial(open_url, url, file, context))
    root = _path_of(address)
    path = root / entry_path(digest)
    return Candidate(address, CandidateKind.MIRROR, partial(_open_folder, root, path), path)


@contextmanager
def _open_folder(root: Path, path: Path, resume: ResumeState) -> Iterator[ByteStream]:
    try:
        there = root.is_dir()
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}") from error
    if not there:  # a mistyped mirror would otherwise be one that never holds anything
        raise SourceError("is neither a folder nor an http(s) address")
    if not os.path.exists(path):
        raise NotFoundError("does not hold it")
    with open_local_file(path, resume) as stream:
        yield stream


def _path_of(address: str) -> Path:
    """A path, said as it is or as file:// address."""
    plain = re.sub(r"^file:(//[^/]*)?", "", address)
    return Path(address if plain == address else unquote(plain))
