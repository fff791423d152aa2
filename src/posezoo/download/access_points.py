"""Points in npm tarballs at which decompression can start, from a registry's access_points.json.

    {"sha512:<digest of a tarball>": {
        "windows": {"<start>": "<base64 of 32 KiB of contents, compressed by zlib>"},
        "members": {"package/net.bin": {"start": 104846826, "stop": 109236000, "skip": 39928}}}}

``tools/access_points.py`` writes the file. This module imports little: lists of all models state
what a download transfers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from posezoo.spec.model import Digest

NAME = "access_points.json"


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """How to read a member of a tarball without what is before it."""

    part: range  # positions of compressed bytes in the tarball, from a block to the member's end
    skip: int  # bytes of contents between the start of the block and the member
    window: str  # the contents before the block, in base64


def find_access_point(registry: Path, tarball: Digest | None, member: str) -> AccessPoint | None:
    """The point for a member of the tarball with this digest, if the file of the registry has one.

    A file that cannot be read counts as none: it only saves bytes.
    """
    if tarball is None:
        return None
    try:
        path = registry / NAME
        points = _read(path, path.stat().st_mtime_ns)[f"{tarball.algorithm}:{tarball.value}"]
        described = points["members"][member]
        start, stop, skip = (int(described[key]) for key in ("start", "stop", "skip"))
        return AccessPoint(range(start, stop), skip, str(points["windows"][str(start)]))
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        return None


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> Mapping[str, Any]:
    return dict(json.loads(path.read_bytes()))
