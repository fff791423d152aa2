"""Files on disk: identified by their digest, and written whole or not at all, even if we are killed."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from posezoo.errors import OutputError
from posezoo.files.file_record import fingerprint, read_record, update_record
from posezoo.spec.model import Digest, SourceFile

# 1 MiB: with 1 KiB pieces and a flush each, 64 MiB took 1850 ms instead of 230.
CHUNK = 1 << 20

_HINTS = {
    errno.ENOSPC: "free some space there, or choose another folder",
    errno.EDQUOT: "free some of your quota there, or choose another folder",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a folder that you may write",
    errno.EPERM: "choose a folder that you may write",
    errno.ENOTDIR: "move away the file that stands where a folder is needed",
    errno.EEXIST: "move away the file that stands where a folder is needed",
    errno.EISDIR: "move that folder away",
    errno.ENAMETOOLONG: "choose a shorter name",
}

_LARGE = 16 << 20

#: The most that is ever hashed of an archive's member, in bytes.
MAX_MEMBER = 4 << 30

_UMASK_LOCK = threading.Lock()


def compute_digest(path: Path, algorithm: str = "sha384") -> Digest:
    """The digest of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    # What a publisher states may be SHA-1, which FIPS systems keep for such uses only.
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    # In large pieces: between two of them a thread waits for Python's lock, which others hold for long.
    piece = memoryview(bytearray(min(_LARGE, max(1, path.stat().st_size))))
    with open(path, "rb", buffering=0) as stream:
        while length := stream.readinto(piece):
            hasher.update(piece[:length])
    return Digest(algorithm, hasher.hexdigest())


def has_size(path: Path, size: int | None) -> bool:
    """Whether a regular file exists and has this many bytes; None for any number."""
    try:
        return path.is_file() and size in (None, path.stat().st_size)
    except OSError:
        return False


def is_verified(
    path: Path, size: int | None, digest: Digest, *, trust_record: bool = True, remember: bool = True
) -> bool:
    """Whether a regular file holds the expected bytes; hashed at most once while it does not change.

    Args:
        path: the file; a symbolic link is followed, a missing file is not verified.
        size: the expected size in bytes; None if the digest alone is known.
        digest: the expected digest.
        trust_record: believe the record of an earlier check, if the file has not changed since. Bytes can
            change without a trace (a disk that decays, a clock set back).
        remember: write the result into the file's record; a dry run does not.
    """
    if not has_size(path, size):
        return False
    if trust_record and has_verified_record(path, digest):
        return True
    try:
        is_right = compute_digest(path, digest.algorithm) == digest
    except OSError:
        return False
    if remember and is_right:
        remember_verified(path, digest)
    elif remember:
        update_record(path, verified={})
    return is_right


def is_verified_file(
    path: Path, file: SourceFile, *, trust_record: bool = True, remember: bool = True
) -> bool:
    """``is_verified`` for a published file, by whatever pins it; a file without a pin is never verified."""
    if file.checksum is not None:
        return is_verified(path, file.size, file.checksum, trust_record=trust_record, remember=remember)
    return has_size(path, file.size) and file.is_pinned and not explain_wrong_members(path, file)


def has_verified_record(path: Path, digest: Digest) -> bool:
    """Whether a file was found to have this digest, and has not been touched since; no byte is read."""
    verified = read_record(path).verified
    try:
        return bool(verified) and verified == {digest.algorithm: digest.value, **fingerprint(path)}
    except OSError:
        return False


def remember_verified(path: Path, digest: Digest) -> None:
    """Record that the bytes of a file were hashed and found to have this digest.

    If the record cannot be written (a read-only folder), the file is simply hashed again next time.
    """
    with suppress(OSError):
        update_record(path, verified={digest.algorithm: digest.value, **fingerprint(path)})


def explain_wrong_members(path: Path, file: SourceFile) -> str:
    """Why a zip does not hold its expected members; empty if it does.

    If only the first digits of a digest are known, these are compared.
    """
    import zipfile
    import zlib

    for member, expected in file.contains.items():
        try:
            hasher = hashlib.new(expected.algorithm, usedforsecurity=False)
            with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
                while piece := stream.read(CHUNK):
                    hasher.update(piece)
                    if stream.tell() > MAX_MEMBER:
                        raise ValueError(f"is larger than {MAX_MEMBER >> 30} GiB")
            actual = Digest(expected.algorithm, hasher.hexdigest())
        except KeyError:
            return f"holds no {member}"
        # zipfile raises RuntimeError for a member that needs a password.
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            return f"{member} cannot be read in it: {error or type(error).__name__}"
        if not actual.value.startswith(expected.value):
            return f"holds a {member} of {actual}, declared is {expected}"
    return ""


def write_atomically(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write a file so that its name holds the old bytes or all of the new ones, whenever we are killed.

    Args:
        path: its name; folders on the way to it are created. A device is written into.
        content: its bytes.
        lasting: whether it also survives a loss of power; not worth the wait for what can be made again.

    Raises:
        OutputError: it cannot be written; what was there before is untouched.
    """
    part: str | None = None
    try:
        if is_device(path):
            path.write_bytes(content)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.", suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(part, 0o666 & ~read_umask())  # mkstemp's 0600 would lock out the user's group for ever
        if lasting:
            replace_atomically(Path(part), path)
        else:
            os.replace(part, path)
        part = None
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)


def is_device(path: Path) -> bool:
    """Whether a path names a device or an open file, as /dev/stdout does: it is never replaced."""
    return path.parent in _DEVICES and path.exists()


_DEVICES = tuple(map(Path, ("/dev", "/dev/fd", "/proc/self/fd")))


def replace_atomically(part: Path, path: Path) -> None:
    """Rename a written file, and wait until neither its bytes nor its name can be lost any more.

    The bytes go first: a name that comes to the disk before them would be that of an empty file. Measured on
    a virtual SSD with ext4: 0.5 ms a file and 0.35 ms a megabyte.

    Raises:
        OSError: it cannot be renamed, or its bytes cannot be written after all.
    """
    fsync(part)
    os.replace(part, path)
    fsync(path.parent)


def fsync(path: Path) -> None:
    """Wait until the bytes of a file, or the names in a folder, survive a loss of power.

    On Windows this works for files alone, on some file systems not at all.

    Raises:
        OSError: the disk is full, or fails.
    """
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise
    finally:
        os.close(handle)


def write_error(path: Path, error: OSError) -> OutputError:
    """The error for what the system reported, with a hint."""
    named = str(error.filename or path)
    # The user does not know our parts by name, unless one is a folder that has to be moved away.
    where = path if named.endswith(".part") and not os.path.isdir(named) else named
    problem = f"{where}: cannot be written: {error.strerror or error}"
    return OutputError(problem, hint=_HINTS.get(error.errno or 0, ""))


def read_umask() -> int:
    """The user's umask."""
    with _UMASK_LOCK:  # or two threads could each take the other's mask for the user's, and leave it so
        mask = os.umask(0o022)  # the only portable way to read it is to set it
        os.umask(mask)
    return mask
