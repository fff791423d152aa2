"""Open files that a user or another file names, if they are regular files or the shell's open pipes
(``<(zcat a.json.gz)``): others may wait for a writer, or never end.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

from posezoo.core.operating_system import OPEN_FILES

# The first line of a pointer (git-lfs, docs/spec.md), which has less than 1024 bytes.
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_MAX_POINTER_BYTES = 1024

#: What is wrong with a pointer of Git LFS, and what to do about it.
LFS_PROBLEM = "is a Git LFS pointer: the file itself was not downloaded"
LFS_HINT = "in the folder of its repository: git lfs pull"

#: The beginnings of lines that Git writes into a file whose changes it could not merge.
MERGE_MARKS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
MERGE_PROBLEM = "is a mark of a merge that Git could not finish"

# The largest annotations of COCO, instances_train2017.json, have 449 MB.
_MAX_PIPE_BYTES = 512 << 20

_SMALL = 1 << 20


def open_regular(path: Path) -> io.BufferedReader | io.BytesIO:
    """Open a regular file, or a pipe that this process has open, to read its bytes.

    Raises:
        OSError: it cannot be opened, or is a folder, a named pipe, a device or a socket; or a pipe
            has more than 512 MiB.
    """
    # Before it is opened, since a device can do something then.
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if is_open_pipe(path):
        return io.BytesIO(_read_pipe(path, path.stat().st_ino))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return open(path, "rb")


def explain_no_file(path: Path) -> str:
    """Why a path is not that of a regular file; empty if it is."""
    if path.is_file():
        return ""
    if not os.path.lexists(path):
        return "does not exist"
    if path.is_dir():
        return "is a folder"
    return explain_link(path) or "is not a regular file"


def is_lfs_pointer(beginning: bytes) -> bool:
    """Whether a file that begins with these bytes is a pointer of Git LFS."""
    return beginning.startswith(_LFS_POINTER)


def explain_lfs_pointer(path: Path) -> str:
    """Whether git left a pointer of Git LFS where a file should be; empty for any other file."""
    with suppress(OSError):
        is_small = path.is_file() and path.stat().st_size < _MAX_POINTER_BYTES
        if is_small and is_lfs_pointer(read_regular_bytes(path)):
            return LFS_PROBLEM
    return ""


def explain_link(path: Path) -> str:
    """Why a symbolic link leads to no file; empty if it leads to one, or is no link."""
    # Path.is_symlink fails in a folder that may not be read.
    if not os.path.islink(path):  # noqa: PTH114
        return ""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a link that leads back to itself"
        if error.errno == errno.ENOENT:
            return f"is a link that leads nowhere: there is no {path.readlink()}"
        return f"is a link to {path.readlink()}: {error.strerror or error}"
    return ""


def is_open_pipe(path: Path) -> bool:
    """Whether a path is that of a pipe that this process has open, such as /dev/stdin."""
    return path.parent in OPEN_FILES and path.is_fifo()


@cache  # the bytes of a pipe come only once, and some files are read twice
def _read_pipe(path: Path, _inode: int) -> bytes:
    with open(path, "rb") as stream:
        content = stream.read(_MAX_PIPE_BYTES + 1)
    if len(content) > _MAX_PIPE_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {_MAX_PIPE_BYTES >> 20} MiB", str(path))
    return content


def read_regular_bytes(path: Path) -> bytes:
    """The bytes of a regular file; as ``open_regular``."""
    with open_regular(path) as stream:
        return stream.read()


def read_small(path: Path, limit: int = _SMALL) -> bytes:
    """The bytes of a regular file of at most so many bytes, such as a record.

    Raises:
        OSError: it is larger; and as for ``open_regular``.
    """
    with open_regular(path) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes", str(path))
    return content


def read_beginning(path: Path, size: int) -> str:
    """The text in the first ``size`` bytes of a regular file; what is not UTF-8 is replaced. As
    ``open_regular``.
    """
    with open_regular(path) as stream:
        return stream.read(size).decode("utf-8", "replace")


def read_regular_text(path: Path, errors: str = "strict") -> str:
    """The text of a regular file in UTF-8; as ``open_regular``.

    Args:
        errors: as of ``bytes.decode``: "replace" to read what is not UTF-8, too.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_regular_bytes(path).decode("utf-8", errors)
