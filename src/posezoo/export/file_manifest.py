"""The manifest of a folder: the SHA-256 of the files that posezoo wrote there; no other file is
changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.files.foreign_json import parse_json
from posezoo.core.files.verified_files import compute_digest, write_atomically
from posezoo.core.regular_files import open_regular

#: The limit in bytes; a manifest of 10,000 files has 1 MB.
MAX_MANIFEST = 16 << 20


def read_manifest(path: Path) -> dict[str, str] | None:
    """The SHA-256 of each file by its path below the folder; None if there is no valid manifest."""
    try:
        with open_regular(path) as stream:
            files = parse_json(stream.read(MAX_MANIFEST))["files"]
        return {
            name: digest
            for name, digest in files.items()
            if isinstance(digest, str) and not explain_unsafe_file_name(name)
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_manifest(path: Path, note: str, digests: Mapping[str, str]) -> None:
    """Write a manifest.

    Raises:
        OutputError: it cannot be written.
    """
    content = json.dumps({"note": note, "files": dict(sorted(digests.items()))}, indent=1)
    write_atomically(path, f"{content}\n".encode(), lasting=False)


def digest(content: bytes) -> str:
    """The SHA-256 of bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file, in hex; empty if the file cannot be read."""
    try:
        return compute_digest(path, "sha256").value
    except OSError:
        return ""
