"""Open files that a user or another file names, if they are regular files: reading a pipe waits for
a writer, and a device may never end.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read its bytes.

    Raises:
        OSError: it cannot be opened, or is a folder, a pipe, a device or a socket.
    """
    # Before it is opened, since a device can do something then.
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return open(path, "rb")


def read_regular_bytes(path: Path) -> bytes:
    """The bytes of a regular file; as ``open_regular``."""
    with open_regular(path) as stream:
        return stream.read()


def read_regular_text(path: Path) -> str:
    """The text of a regular file in UTF-8; as ``open_regular``.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_regular_bytes(path).decode("utf-8")
