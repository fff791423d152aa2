"""A cache of compiled networks for the next start; one that is damaged is compiled again, without
an error.

OpenVINO's own cache runs a damaged file. Here a file is the SHA-256 of the exported network in 64
hexadecimal digits, and then the network, at an offset that is aligned for vector loads.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.errors import OutputError
from posezoo.files.verified_files import write_atomically
from posezoo.ir.openvino_import import import_openvino
from posezoo.runtime.graph import Graph
from posezoo.versions import package_version

_DIGITS = 64
# HigherHRNet-W32 takes 115 MB.
_MAX_BYTES = 1 << 30


def cache_path(graph: Graph, config: dict[str, Any], folder: Path) -> Path | None:
    """The cache file for a graph and a configuration on this CPU; None if the IR cannot be read."""
    try:
        states = [file.stat() for file in graph.files]
    except OSError:
        return None
    processor = graph.core.get_property("CPU", "FULL_DEVICE_NAME")
    versions = [(state.st_size, state.st_mtime_ns) for state in states]
    path = str(graph.path.resolve())
    openvino = package_version("openvino")
    facts = (openvino, processor, path, versions, graph.changes, sorted(config.items()))
    digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    return folder / f"{graph.path.stem}-{digest}.compiled"


def load_compiled(core: Any, path: Path, config: dict[str, Any]) -> Any:
    """The compiled network in a file; None if the file is missing, damaged, or from another
    OpenVINO.

    The file stays mapped into memory as long as the network exists.
    """
    try:
        # OpenVINO needs a writable buffer, but does not write to it.
        content = np.memmap(path, np.uint8, "c")
    except (OSError, ValueError):
        return None
    digest = hashlib.sha256(content[_DIGITS:].data).hexdigest()
    if digest.encode() != content[:_DIGITS].tobytes():
        return None
    tensor = import_openvino(extra="run").Tensor(content[_DIGITS:], shared_memory=True)
    try:
        compiled = core.import_model(tensor, "CPU", config)
    except RuntimeError:
        return None
    compiled.mapped = content
    return compiled


def store_compiled(compiled: Any, path: Path) -> None:
    """Write a compiled network to a file, and delete the oldest files if the cache is too large."""
    stream = io.BytesIO(b"0" * _DIGITS)
    stream.seek(_DIGITS)
    try:
        compiled.export_model(stream)
        content = stream.getbuffer()
        content[:_DIGITS] = hashlib.sha256(content[_DIGITS:]).hexdigest().encode()
        content.release()
        write_atomically(path, stream.getvalue(), lasting=False)
        total = 0
        files = path.parent.glob("*.compiled")
        for file in sorted(files, key=lambda file: -file.stat().st_mtime_ns):
            total += file.stat().st_size
            if total > _MAX_BYTES:
                file.unlink(missing_ok=True)
    # OpenVINO raises a ValueError where memory is short.
    except (RuntimeError, ValueError, MemoryError, OSError, OutputError):
        return
