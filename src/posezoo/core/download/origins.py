"""Where the files of a model are on this machine, before any source is asked; imports little, for
lists of all models.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from pathlib import Path

from posezoo.core.declarations.model import IR_FOLDERS, Digest, ModelSpec, SourceFile
from posezoo.core.declarations.sources import STORES, parse_file_url

_STORE_SCHEMES = tuple(f"{store}://" for store in STORES)


class FileOrigin(Enum):
    """Where a planned file comes from."""

    HERE = "here"
    CACHE = "cache"
    MIRROR = "mirror"
    SOURCE = "source"


def select_files(spec: ModelSpec, precisions: Collection[str] | None) -> tuple[SourceFile, ...]:
    """Select files by Open Model Zoo's rule: the name of a file's top-level folder is its
    precision.
    """
    if precisions is None:
        return spec.files
    left_out = frozenset(IR_FOLDERS) - set(precisions)
    return tuple(
        file
        for file in spec.files
        if "/" not in file.name or file.name.split("/")[0] not in left_out
    )


def entry_path(digest: Digest) -> str:
    """The path of a file relative to a store's root, with / as the separator.

    Raises:
        ValueError: the digest is not a hexadecimal number, so it would name another place.
    """
    if not digest.value.isalnum():
        raise ValueError(f"{digest.value!r} is not a digest")
    return f"1/{digest.value[:2]}/{digest.value[2:]}"


def is_in_store(address: str) -> bool:
    """Whether a mirror is in a store (s3, gs, az, sftp)."""
    return address.startswith(_STORE_SCHEMES)


def mirror_folder(address: str) -> Path | None:
    """The folder that is a mirror; None if the mirror is in a store or at a URL."""
    if is_in_store(address) or address.lower().startswith(("http://", "https://")):
        return None
    return parse_file_url(address) if address.lower().startswith("file:") else Path(address)
