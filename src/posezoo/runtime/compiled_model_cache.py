"""Compiled networks kept for the next start, by ourselves: OpenVINO runs a damaged one of its own unnoticed.

A file is the SHA-256 of a compiled network in 64 hexadecimal digits, and the network as OpenVINO exports it;
so the network begins where the processor's vectors can be loaded from. Whatever is wrong with the folder or
a file costs the time to compile, never an error or a wrong answer.
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
_MOST_BYTES = 1 << 30


def cache_path(graph: Graph, config: dict[str, Any], folder: Path) -> Path | None:
    """The file for a graph and a configuration on this CPU; None where the IR cannot be looked at."""
    try:
        told = [(part.stat().st_size, part.stat().st_mtime_ns) for part in graph.files]
    except OSError:
        return None
    facts = (
        *(package_version("openvino"), graph.core.get_property("CPU", "FULL_DEVICE_NAME")),
        *(str(graph.path.resolve()), told, graph.changes, sorted(config.items())),
    )
    return folder / f"{graph.path.stem}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.compiled"


def load_compiled(core: Any, path: Path, config: dict[str, Any]) -> Any:
    """The compiled network in a file; None where there is none that is whole and goes with this OpenVINO.

    The file stays mapped as long as the network lives.
    """
    try:
        content = np.memmap(path, np.uint8, "c")  # never written to, but OpenVINO wants to be allowed to
    except (OSError, ValueError):
        return None
    if hashlib.sha256(content[_DIGITS:].data).hexdigest().encode() != content[:_DIGITS].tobytes():
        return None
    tensor = import_openvino(extra="run").Tensor(content[_DIGITS:], shared_memory=True)
    try:
        compiled = core.import_model(tensor, "CPU", config)
    except RuntimeError:
        return None
    compiled.mapped = content
    return compiled


def store_compiled(compiled: Any, path: Path) -> None:
    """Write a compiled network to a file, and let the oldest ones go where they are too large together."""
    stream = io.BytesIO(b"0" * _DIGITS)
    stream.seek(_DIGITS)
    try:
        compiled.export_model(stream)
        content = stream.getbuffer()
        content[:_DIGITS] = hashlib.sha256(content[_DIGITS:]).hexdigest().encode()
        content.release()
        write_atomically(path, stream.getvalue(), lasting=False)
        _evict_oldest(path.parent)
    except (RuntimeError, OSError, OutputError):
        return


def _evict_oldest(folder: Path) -> None:
    sizes = [(file.stat().st_mtime_ns, file.stat().st_size, file) for file in folder.glob("*.compiled")]
    total = 0
    for _, size, file in sorted(sizes, reverse=True):
        total += size
        if total > _MOST_BYTES:
            file.unlink(missing_ok=True)
