"""Files and models as a model.yml would declare them, made of bytes in sight."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes.server import Server
from posezoo.core.declarations.model import (
    Digest,
    Family,
    Framework,
    License,
    ModelSpec,
    Source,
    SourceFile,
)
from posezoo.core.declarations.sources import HttpSource

WEIGHTS = bytes(range(256)) * 16


def declared(
    name: str, body: bytes, *sources: Source | str, algorithm: str = "sha384"
) -> SourceFile:
    """A file that promises these bytes; a source that is text is an address."""
    return SourceFile(
        name,
        len(body),
        Digest(algorithm, hashlib.new(algorithm, body).hexdigest()),
        tuple(HttpSource(source) if isinstance(source, str) else source for source in sources),
    )


def net_at(*sources: Source | str) -> SourceFile:
    """``net.tflite``, which promises WEIGHTS from these sources."""
    return declared("net.tflite", WEIGHTS, *sources)


def served(server: Server, sent: bytes = WEIGHTS, **answer: Any) -> SourceFile:
    """``net.tflite``, which promises WEIGHTS, from a server that sends them, or other bytes."""
    return net_at(server.serve("net.tflite", sent, **answer))


def model(*files: SourceFile, name: str = "pose", path: Path = Path("model.yml")) -> ModelSpec:
    """A model of these files."""
    return ModelSpec(
        name, Family.PUBLIC, path, "A pose.", "pose", Framework.TFLITE, License("Apache-2.0"), files
    )


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip archive of these members, stored."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def put(store: Path, body: bytes, file: SourceFile) -> Path:
    """Lay bytes into a cache or mirror under a file's digest, right or not."""
    path = store / "1" / file.checksum.value[:2] / file.checksum.value[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def give_away(path: Path) -> None:
    """Let a file or folder belong to another user."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(path, 12345, -1)
