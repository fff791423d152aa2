"""Let two files share their bytes: by a reflink or a hard link, if the file system supports them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

# _IOW(0x94, 9, int) of linux/fs.h: for btrfs, XFS, bcachefs, and overlays of them.
_FICLONE = 0x40049409


def reflink(source: int, target: int) -> bool:
    """Let an open file share the bytes of another until one of them changes; False if not possible."""
    try:
        import fcntl

        fcntl.ioctl(target, _FICLONE, source)
    except (ImportError, OSError):
        return False
    return True


def hard_link(source: Path, target: Path, *, mode: int | None = None) -> bool:
    """Create a hard link to a regular file of the user; False if that is not possible or not safe.

    Args:
        source: the file.
        target: the path of the link, which must not exist.
        mode: the permissions that the file must have, because both names share them; None for any.
    """
    try:
        status = os.lstat(source)
        if not stat.S_ISREG(status.st_mode) or (mode is not None and stat.S_IMODE(status.st_mode) != mode):
            return False
        if hasattr(os, "geteuid") and status.st_uid != os.geteuid():  # its owner could change it at any time
            return False
        os.link(source, target)
    except (OSError, NotImplementedError, AttributeError):
        return False
    return True
