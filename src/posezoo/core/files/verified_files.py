"""Files on disk: verify them by digest, write them atomically, and let them share their bytes."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.errors import OutputError
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.files.file_lock import WAIT_S, lock_file, remove_stale_parts, unique_part
from posezoo.core.files.staging import PREFIX, create_parent, output_error
from posezoo.core.operating_system import OPEN_FILES, replace_file, sync
from posezoo.core.regular_files import open_regular

# 1 MiB: with 1 KiB pieces and a flush after each, 64 MiB took 1850 ms instead of 230 ms.
CHUNK = 1 << 20

_LARGE = 4 << 20

_PAUSE_S = 0.05

#: The largest member of an archive that is hashed, in bytes.
MAX_MEMBER = 4 << 30

#: The largest directory of a zip file, in bytes: one of 100,000 members has about 10 MB.
MAX_DIRECTORY = 16 << 20


class Hasher:
    """Computes several digests of the same bytes."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        import hashlib  # with tempfile it takes 5 ms, which a list does not need

        # A publisher's digest may be SHA-1, which FIPS systems allow only like this.
        self._hashers = [hashlib.new(name, usedforsecurity=False) for name in algorithms]

    def update(self, piece: bytes | memoryview) -> None:
        """Add bytes."""
        for hasher in self._hashers:
            hasher.update(piece)

    @property
    def digests(self) -> list[Digest]:
        """The digests of the bytes so far, in the order of the algorithms."""
        return [Digest(hasher.name, hasher.hexdigest()) for hasher in self._hashers]


def compute_digest(path: Path, algorithm: str = "sha384") -> Digest:
    """The digest of a file's bytes.

    Raises:
        OSError: the file cannot be read.
    """
    return compute_digests(path, (algorithm,))[0]


def compute_digests(path: Path, algorithms: Iterable[str]) -> list[Digest]:
    """Several digests of a file, which is read once; as ``compute_digest``."""
    hasher = Hasher(algorithms)
    # Large pieces, because after each piece the thread has to wait for the GIL; not larger, because
    # IR are hashed while one of them is compiled, which needs most memory.
    piece = memoryview(bytearray(min(_LARGE, max(1, path.stat().st_size))))
    with open_regular(path) as stream:
        while length := stream.readinto(piece):
            hasher.update(piece[:length])
    return hasher.digests


def has_size(path: Path, size: int | None) -> bool:
    """Whether a regular file exists and has this size in bytes; None for any size."""
    try:
        return path.is_file() and size in (None, path.stat().st_size)
    except OSError:
        return False


def is_verified(path: Path, size: int | None, *digests: Digest) -> bool:
    """Whether a regular file, or the target of a link, has the expected bytes; they are read.

    Args:
        size: in bytes; None if the digests alone are known.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or size not in (None, status.st_size):
            return False
        return compute_digests(path, [each.algorithm for each in digests]) == [*digests]
    except OSError:
        return False


def is_verified_file(path: Path, file: SourceFile) -> bool:
    """``is_verified`` for a published file, with any kind of pin; a file without a pin is never
    verified.
    """
    if file.checksum:
        return is_verified(path, file.size, *file.digests)
    return has_size(path, file.size) and file.is_pinned and not explain_wrong_members(path, file)


def has_digest(path: Path, digests: Iterable[Digest]) -> bool:
    """Whether a file has one of these digests; it is read.

    A file that cannot be read has none.
    """
    expected = {*digests}
    try:
        found = compute_digests(path, {digest.algorithm for digest in expected})
    except OSError:
        return False
    return not expected.isdisjoint(found)


def set_aside(path: Path, listener: Listener, accepted: Iterable[Digest] = ()) -> None:
    """Rename a file that is about to be replaced and that has none of the accepted digests to
    NAME.bak1, or the next free number, with a warning, so that no file of the user is lost.

    Args:
        accepted: of the bytes that posezoo wrote, and of those that it is about to write.

    Raises:
        OSError: it cannot be renamed.
    """
    is_lost = not is_device(path) and path.is_file() and path.stat().st_size
    if not is_lost or has_digest(path, accepted):
        return
    number = 1
    while os.path.lexists(kept := path.with_name(f"{path.name}.bak{number}")):
        number += 1
    path.rename(kept)
    listener(WarningIssued(f"{path}: is not as posezoo wrote it: kept as {kept.name}"))


class ZipReader(io.BufferedReader):
    """A zip file, whose directory must be small: in memory, it becomes ten times as large."""

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes; a ValueError for a size that only a directory has."""
        if size is not None and size > MAX_DIRECTORY:
            raise ValueError(f"its directory has {size} bytes, more than {MAX_DIRECTORY}")
        return super().read(size)


def explain_wrong_members(path: Path, file: SourceFile) -> str:
    """Why a zip does not contain its expected members; empty if it does.

    If only the first digits of a digest are known, only these are compared.
    """
    import zipfile
    import zlib

    for member, expected in file.contains.items():
        try:
            hasher = Hasher([expected.algorithm])
            with (
                ZipReader(open_regular(path).detach()) as packed,
                zipfile.ZipFile(packed) as archive,
                archive.open(_find_member(archive.namelist(), member)) as stream,
            ):
                while piece := stream.read(CHUNK):
                    hasher.update(piece)
                    if stream.tell() > MAX_MEMBER:
                        raise ValueError(f"is larger than {MAX_MEMBER >> 30} GiB")
            (actual,) = hasher.digests
        except KeyError:
            return f"does not contain {member}"
        # zipfile raises RuntimeError for a member that needs a password.
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:
            return f"{member} cannot be read in it: {error or type(error).__name__}"
        if not actual.value.startswith(expected.value):
            return f"contains {member} with {actual}, {expected} is declared"
    return ""


def _find_member(names: Sequence[str], member: str) -> str:
    """The name in an archive of a declared member: one without a folder may be in any folder."""
    alike = [name for name in names if name.endswith(f"/{member}")]
    if member not in names and "/" not in member and len(alike) == 1:
        return alike[0]
    return member


def write_atomically(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write a file atomically: if the process is killed, it has either the old bytes or all new
    ones.

    Args:
        path: missing parent folders are created. A device gets the bytes.
        lasting: whether it also survives a power failure; False is faster.

    Raises:
        OutputError: the file cannot be written; an earlier file is unchanged.
    """
    with writing(path):
        if is_device(path):
            with open_device(path) as stream:
                stream.write(content)
            return
        create_parent(path)
        remove_stale_parts(path.parent)
        part = unique_part(path)
        # Locked, so that no other process takes it for the part of a writer that was killed.
        handle = lock_file(part)
        try:
            with (
                open(part, "wb") if handle is None else os.fdopen(handle, "wb", closefd=False)
            ) as stream:
                stream.write(content)
            if lasting:
                replace_atomically(part, path)
            else:
                replace_file(part, path)
        finally:
            part.unlink(missing_ok=True)
            if handle is not None:
                os.close(handle)


def is_device(path: Path) -> bool:
    """Whether a path is a device, a pipe or an open file, such as /dev/stdout, which is never
    replaced.
    """
    if not path.exists():
        return False
    return path.parent in OPEN_FILES or not (path.is_file() or path.is_dir())


def open_device(path: Path) -> io.FileIO:
    """Open a device or a pipe to write to it; a pipe that nothing reads may be a stranger's.

    Raises:
        OSError: it cannot be opened, or nothing reads it within 10 s.
    """
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
            break
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > deadline:
                raise OSError(errno.ENXIO, "nothing reads this pipe", str(path)) from error
            time.sleep(_PAUSE_S)
    if sys.platform != "win32":
        os.set_blocking(handle, True)
    return io.FileIO(handle, "wb")


def replace_atomically(part: Path, path: Path) -> None:
    """Rename a written file, and wait until its bytes and its name are on the disk.

    The bytes are synced first, else a power failure could leave an empty file with the new name. On
    a virtual SSD with ext4 that takes 0.5 ms per file and 0.35 ms per megabyte.

    Raises:
        OSError: the file cannot be renamed, or its bytes cannot be written to the disk.
    """
    sync(part)
    replace_file(part, path)
    sync(path.parent)


def sync_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, if it still exists.

    Raises:
        OutputError: they cannot be written to the disk.
    """
    with writing(folder), suppress(FileNotFoundError):
        sync(folder)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise an OutputError if the system reports an error while a file is written."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> OutputError:
    """Convert an error of the system to an OutputError with a hint."""
    named = str(error.filename or path)
    # The user does not know our .part files; a folder of such a name is shown, so the user can move
    # it away.
    is_part = named.endswith(".part") and not os.path.isdir(named)
    where = path if is_part or Path(named).parent.name.startswith(PREFIX) else named
    return output_error(f"{where}: cannot be written", error)
