"""Files that are stored by their digest: the common code of caches and mirrors.

The layout is that of Open Model Zoo's ``--cache_dir``: ``DIR/1/<first two hex digits>/<the
others>``, and ``DIR/1/staging`` for files that are being added. What is read from a store is hashed
like any other download.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

from posezoo.core.declarations.model import SourceFile
from posezoo.core.declarations.sources import STORES, HttpSource, StorageSource
from posezoo.core.download.candidates import (
    ByteStream,
    Candidate,
    CandidateKind,
    NotFoundError,
    OpenCandidate,
    ResumeState,
    network_host,
    open_local_file,
    reading,
)
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.origins import entry_path, is_in_store, mirror_folder
from posezoo.core.download.source_types import find_source_type
from posezoo.core.errors import SourceError, os_reason, redact_secrets, require_packages
from posezoo.core.files.file_lock import ABANDONED_AFTER_S, discard, lock_guard, release_guard
from posezoo.core.files.staging import create_parent
from posezoo.core.files.verified_files import has_size
from posezoo.core.operating_system import replace_file
from posezoo.core.regular_files import open_regular

_LOCK = ".lock"
_COPY_BYTES = 1 << 20
_OURS = re.compile(r"([0-9a-f]{40,128})(\.\d+-[0-9a-f]{8})?\.(new|lock)")


def store_candidates(file: SourceFile, context: DownloadContext) -> tuple[Candidate, ...]:
    """The cache, then all mirrors in their order; none if the file's own digest is unknown."""
    if file.checksum is None:  # caches and mirrors find a file by its digest
        return ()
    path_in_store = entry_path(file.checksum)
    candidates = []
    if context.cache_dir:
        path = context.cache_dir / path_in_store
        read: OpenCandidate = partial(open_local_file, path)
        candidates.append(Candidate(f"{path}", CandidateKind.CACHE, read, path))
    for address in context.options.mirrors:
        root = mirror_folder(address)
        if root:
            path = root / path_in_store
            candidates.append(
                Candidate(address, CandidateKind.MIRROR, partial(_open_folder, root, path), path)
            )
            continue
        url = f"{address.rstrip('/')}/{path_in_store}"
        source = StorageSource(url) if is_in_store(address) else HttpSource(url)
        name = f"{source}" if is_in_store(address) else redact_secrets(address)
        read = partial(find_source_type(source).open, source, file, context)
        if is_in_store(address):
            read = partial(_open_store, read, address.partition(":")[0].lower())
        candidates.append(Candidate(name, CandidateKind.MIRROR, read, host=network_host(url)))
    return tuple(candidates)


def _open_store(
    read: OpenCandidate, scheme: str, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    """Without the packages of a mirror's store, the download ends, and asks no other source."""
    require_packages({"fsspec": "", STORES[scheme]: ""})
    return read(resume)


@contextmanager
def cache_entry_lock(file: SourceFile, context: DownloadContext) -> Iterator[None]:
    """Make other processes with the same cache wait for a file, which is in the cache afterwards.

    If the cache cannot be written, or does not support locks, they do not wait.
    """
    handle = None
    lock = Path()
    entry = _find_entry(file, context)
    if entry:
        lock = _staging_path(entry, _LOCK)
        waiting = f"{file.name}: waiting for another process that is downloading it into the cache"
        with suppress(OSError):
            handle = lock_guard(lock, lambda: context.warn(waiting))
    try:
        yield
    finally:
        release_guard(lock, handle)


def store(path: Path, file: SourceFile, context: DownloadContext, *, replace: bool) -> None:
    """Add a verified file to the cache; if the cache cannot be written, this context stops using
    it.

    The caller has the ``cache_entry_lock``. With ``replace``, a damaged entry of this name and size
    is replaced.

    The entry is a copy: a hard link would let one command damage the file, the cache and a mirror
    at once.
    """
    target = _find_entry(file, context)
    if target is None or path == target or (not replace and has_size(target, file.size)):
        return
    # A name of its own, since file systems without locks let several processes come here.
    staged = _staging_path(target, f".{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        create_parent(target)
        create_parent(staged)
        with open_regular(path) as source, open(staged, "xb") as copy:
            shutil.copyfileobj(source, copy, _COPY_BYTES)
        # Without a sync: an entry that a power failure damages is found when it is read.
        replace_file(staged, target)
    except OSError as error:
        context.warn(f"{context.cache_dir}: the cache cannot be written: {os_reason(error)}")
        context.cache_dir = None
    finally:
        discard(staged)  # it is still there if an error was raised


def is_cached(file: SourceFile, context: DownloadContext) -> bool:
    """Whether the cache has an entry of the file's size; also True without a cache or without a
    digest.
    """
    entry = _find_entry(file, context)
    return entry is None or has_size(entry, file.size)


def _find_entry(file: SourceFile, context: DownloadContext) -> Path | None:
    if context.cache_dir is None or file.checksum is None:
        return None
    return context.cache_dir / entry_path(file.checksum)


def remove_stale_staging(root: Path) -> None:
    """Remove files that killed runs left in a cache's staging folder; files in use are kept."""
    with suppress(OSError):
        for path in sorted((root / "1" / "staging").iterdir()):
            ours = _OURS.fullmatch(path.name)
            if ours is None:
                continue
            lock = path.with_name(ours[1] + _LOCK)
            with suppress(OSError):
                handle = lock_guard(lock, wait_s=0)
                try:
                    age_s = time.time() - path.stat().st_mtime
                    if handle is not None or age_s > ABANDONED_AFTER_S:
                        path.unlink(missing_ok=True)
                finally:
                    release_guard(lock, handle)


def _staging_path(entry: Path, ending: str) -> Path:
    return entry.parents[1] / "staging" / f"{entry.parent.name}{entry.name}{ending}"


def _open_folder(root: Path, path: Path, resume: ResumeState) -> AbstractContextManager[ByteStream]:
    with reading():
        if not root.is_dir():  # otherwise a mistyped mirror would look like an empty one
            raise SourceError("is neither a folder nor an http(s) URL")
    if not os.path.exists(path):
        raise NotFoundError("does not have the file")
    return open_local_file(path, resume)
