"""The part of a target: a locked file beside it that contains a download until its bytes are
verified.

If the download is interrupted, the part is kept for the next run, with its state beside it: the
digest of its file, the source and the etag.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.download.candidates import ResumeState
from posezoo.core.files.file_lock import (
    discard,
    guard_of,
    lock_file,
    lock_guard,
    release_guard,
    remove_stale_parts,
    unique_part,
)
from posezoo.core.files.manifest import Json, part_of, read_json
from posezoo.core.files.verified_files import CHUNK, Hasher, writing
from posezoo.core.operating_system import (
    IS_WINDOWS,
    WRITE_FLAGS,
    replace_file,
    sync_open_file,
)
from posezoo.core.regular_files import open_regular
from posezoo.core.workers.hedging import current_request

# Fewer bytes are downloaded again as fast as a record of them is written.
_WORTH_A_RECORD = 1 << 15


class PartialFile:
    """A context manager that opens and locks the part of a target; on exit it is kept if it can be
    resumed.

    Missing parent folders are created. ``on_wait`` is called once if another process or thread has
    the lock. ``identity`` is a digest that later runs find the bytes by, if they have none of their
    own. ``path`` is its path before it is renamed to ``target``, ``size`` how many bytes were
    written, ``digests`` those of all its bytes, by the ``algorithms``.

    The state of a part is written if the part is large or is kept: if a process is killed, less
    than 32 KiB are downloaded again.

    If several hosts are asked at once, each fills a part of its own, a ``fork`` of the first. A
    thread whose request was cancelled cannot change a part any more: the methods raise Cancelled.

    Raises:
        OutputError: the part cannot be written or renamed; all methods that write can raise it too.
    """

    def __init__(
        self,
        target: Path,
        on_wait: Callable[[], None],
        algorithms: Sequence[str] = ("sha384",),
        *,
        identity: Digest | None = None,
        fork_path: Path | None = None,
    ) -> None:
        self.target = target
        self._lock = threading.RLock()
        self._identity = identity
        self._algorithms = algorithms
        self._hasher = Hasher(algorithms)
        self.path = fork_path or part_of(target)
        self.digests: list[Digest] = []
        self._published = False
        with writing(target):
            if target.is_dir() and not target.is_symlink():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
            self._guard, handle = _open_part(self.path, on_wait)
            remove_stale_parts(target.parent)
            # Without locks, a part has a random name, as a fork has. It cannot be resumed: the next
            # run does not find it.
            self._is_findable = handle is not None and fork_path is None
            if handle is None:
                self.path = unique_part(target)
                handle = os.open(self.path, WRITE_FLAGS | os.O_EXCL, 0o666)
        self._handle = handle
        self.size = os.fstat(handle).st_size
        self._state: Json = read_json(state_path(target)) if self._is_findable else {}
        self._written: Json = self._state  # what is on the disk of this part's state

    def __enter__(self) -> PartialFile:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._end()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Let one thread at a time change this part, and none whose request was cancelled."""
        with self._lock:
            current_request().raise_if_cancelled()
            yield

    def _end(self) -> None:
        # After ^C, the last piece may be written but not counted.
        size = os.fstat(self._handle).st_size if self._handle >= 0 else self.size
        is_kept = size > 0 and bool(self._state) and self._is_findable
        if not self._published and is_kept:
            self._record_state()
        elif not self._published:
            self._forget_state()
            self._close_if_unlocked()
            discard(self.path)
        self._close()
        if self._guard is not None:
            release_guard(guard_of(self.path), self._guard)
            self._guard = None

    def _close_if_unlocked(self) -> None:
        """Windows neither renames nor removes an open file; a lock is kept until then."""
        if self._guard is not None or not self._is_findable:
            self._close()

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def fork(self) -> PartialFile:
        """A part with the same bytes for another host; it is removed on exit, or by a later run if
        the process is killed.
        """
        with self._changing():
            fork = PartialFile(
                self.target, lambda: None, self._algorithms, fork_path=unique_part(self.target)
            )
            fork._identity = self._identity
            fork._state = dict(self._state)
            with writing(self.target), open_regular(self.path) as stream:
                while piece := stream.read(CHUNK):
                    fork.write(piece)
            return fork

    def take_over(self, fork: PartialFile) -> None:
        """Replace the bytes of this part by those of a fork, which ends; nothing is copied."""
        with self._lock, fork._lock, writing(self.target):
            self._forget_state()
            if IS_WINDOWS:  # it does not rename open files
                fork._close()
                self._close()
            replace_file(fork.path, self.path)
            self._close()
            self._handle = os.open(self.path, WRITE_FLAGS) if IS_WINDOWS else fork._handle
            fork._handle = -1
            fork._published = True
            self.size = fork.size
            self.digests = fork.digests
            self._state = fork._state

    def load_resume_state(self, file: SourceFile) -> ResumeState:
        """The beginning of a file in this part; if the part belongs to another file, it is
        emptied.
        """
        with self._changing():
            identity = self._identity or file.checksum
            is_same = identity is not None and self._state.get(identity.algorithm) == identity.value
            if is_same and 0 < self.size <= file.read_limit:
                source, etag = (str(self._state.get(key, "")) for key in ("url", "etag"))
                return ResumeState(self.size, source, etag)
            self.truncate()
            return ResumeState()

    def start_at(self, file: SourceFile, start: ResumeState, *, resumable: bool) -> None:
        """Keep the bytes up to the start, which another source continues; ``resumable``: another
        run can.
        """
        with self._changing():
            if start.size == 0:
                self.truncate()
            identity = self._identity or file.checksum
            if resumable and identity:
                state = {
                    identity.algorithm: identity.value,
                    "url": start.source,
                    "etag": start.etag,
                }
                self._state = state
            self._hasher = Hasher(self._algorithms)
            if start.size == 0:
                return
            with writing(self.target):
                os.lseek(self._handle, 0, os.SEEK_SET)
                for at in range(0, start.size, CHUNK):
                    self._hasher.update(os.read(self._handle, min(CHUNK, start.size - at)))
                os.ftruncate(self._handle, start.size)
                os.lseek(self._handle, start.size, os.SEEK_SET)
                self.size = start.size

    def truncate(self) -> None:
        """Remove all bytes of earlier attempts and runs."""
        with self._changing():
            self._forget_state()
            with writing(self.target):
                if self.size:
                    os.lseek(self._handle, 0, os.SEEK_SET)
                    os.ftruncate(self._handle, 0)
                    self.size = 0

    def write(self, piece: bytes) -> None:
        """Append bytes."""
        with self._changing():
            rest = memoryview(piece)
            with writing(self.target):
                while rest:
                    written = os.write(self._handle, rest)
                    self.size += written
                    rest = rest[written:]
            self._hasher.update(piece)
            if self.size >= _WORTH_A_RECORD and self._state:
                self._record_state()

    def finish(self) -> None:
        """Compute the digests; all bytes were written."""
        with self._changing():
            self.digests = self._hasher.digests

    def replace_target(self) -> None:
        """Rename the part to the target; if the target is a symbolic link, the link itself is
        replaced.

        Its bytes are on the disk before that. Its name in the folder may be lost in a power
        failure, until the folder is synced.
        """
        with writing(self.target):
            sync_open_file(self._handle)
            self._close_if_unlocked()
            replace_file(self.path, self.target)
        self._published = True
        self._forget_state()

    def _record_state(self) -> None:
        if self._is_findable and self._written != self._state:
            _write_state(self.target, self._state)
            self._written = self._state

    def _forget_state(self) -> None:
        if self._written:
            discard(state_path(self.target))
        self._state = self._written = {}


def state_path(target: Path) -> Path:
    """The path of the state of a file's part."""
    part = part_of(target)
    return part.with_name(f"{part.name}.json")


def _write_state(target: Path, state: Json) -> None:
    """Nothing happens if it cannot be written: then the download begins anew."""
    path = state_path(target)
    discard(path)
    with suppress(OSError), open(path, "x", encoding="utf-8") as stream:  # follows no link
        stream.write(json.dumps(state))


def _open_part(path: Path, on_wait: Callable[[], None]) -> tuple[int | None, int | None]:
    """The handles of the guard, which only Windows needs, and of the locked part; None without
    locks.
    """
    if not IS_WINDOWS:
        return None, lock_file(path, on_wait)
    guard = lock_guard(guard_of(path), on_wait)
    try:
        if os.path.lexists(path) and (path.is_symlink() or path.stat().st_nlink > 1):
            path.unlink()
        return guard, os.open(path, WRITE_FLAGS, 0o666)
    except OSError:
        release_guard(guard_of(path), guard)
        raise


def remove_partial(target: Path) -> None:
    """Remove the part of a file that is complete now."""
    discard(part_of(target))
    discard(state_path(target))
