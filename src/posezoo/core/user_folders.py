"""The user's folders; that for the cache has the working copies of folders in stores."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from posezoo.core.operating_system import find_system_folder

#: The protocols of the stores that a folder can be in.
STORES = ("s3", "gs", "az", "sftp")


def find_user_folder(kind: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The user's folder for posezoo's ``config``, ``cache`` or ``data``, at the usual place of the
    operating system.

    Raises:
        RuntimeError: the user has no home folder.
    """
    named = Path(environ.get(f"XDG_{kind.upper()}_HOME", ""))
    if named.is_absolute():  # the XDG specification says: ignore a relative path
        return named / "posezoo"
    home = Path(environ.get("HOME") or Path.home())
    return find_system_folder(kind, home, environ)


@dataclass(frozen=True)
class StorePath:
    """A file or folder in a store.

    All code works with the working copy, a plain local path; only a ``FolderSync`` moves files
    between both.

    Attributes:
        address: such as ``s3://bucket/models``, without a slash at its end.
    """

    address: str

    @classmethod
    def of(cls, path: Path) -> StorePath | None:
        """What a local path is the working copy of; None if it is no working copy."""
        try:
            store, *names = path.relative_to(_working_copies()).parts
        except (ValueError, RuntimeError):  # it is elsewhere, or there is no home folder
            return None
        return cls(f"{store}://{'/'.join(names)}")

    @property
    def working_copy(self) -> Path:
        """Its path on this machine, in the user's cache folder."""
        return _working_copies() / self.address.replace("://", "/", 1)


def is_in_cache(path: Path) -> bool:
    """Whether a file is in the user's cache folder, where only posezoo writes."""
    with suppress(RuntimeError):  # there is no home folder
        return path.resolve().is_relative_to(find_user_folder("cache").resolve())
    return False


def in_store(path: Path | None) -> bool:
    """Whether a path is a working copy of something in a store."""
    return path is not None and StorePath.of(path) is not None


def show_addresses(text: str) -> str:
    """Write the paths of working copies in a text as the addresses that the user knows."""
    with suppress(RuntimeError):  # there is no home folder
        for store in STORES:
            inside = f"{os.sep}{store}{os.sep}"
            if inside in text:  # most lines have none
                text = text.replace(f"{_working_copies()}{inside}", f"{store}://")
    return text


def _working_copies() -> Path:
    return find_user_folder("cache") / "stores"
