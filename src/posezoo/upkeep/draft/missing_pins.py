"""Write sizes and checksums that a model.yml does not state into it, after a first download."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from posezoo.core.declarations.model import ModelSpec, SourceFile
from posezoo.core.download.source_check import find_line
from posezoo.core.files.verified_files import write_atomically

_START = "- name:"


def write_missing_pins(spec: ModelSpec, origins: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Replace the line ``size: unknown`` of each file that was downloaded; return their names.

    Nothing else in the text changes, and a file that is written in one line is left alone.

    Args:
        origins: the ``size`` and the digest of each file by its name, as in provenance.json.

    Raises:
        OutputError: model.yml cannot be written.
    """
    lines = spec.path.read_text("utf-8").split("\n")
    completed = []
    for file in spec.files:
        origin = origins.get(file.name)
        if file.size is not None or origin is None or not file.sources:
            continue
        start, end = _block(lines, find_line(spec.path, file.sources[0]))
        block = lines[start:end]
        changed = list(_with_pins(block, file, origin))
        if changed != block:
            lines[start:end] = changed
            completed.append(file.name)
    if completed:
        write_atomically(spec.path, "\n".join(lines).encode())
    return completed


def _block(lines: Sequence[str], source_line: int) -> tuple[int, int]:
    """The lines of the file that has its source in this line, which counts from 1."""
    start = source_line - 1
    while start > 0 and not lines[start].lstrip().startswith(_START):
        start -= 1
    return start, source_line


def _with_pins(block: Sequence[str], file: SourceFile, origin: Mapping[str, Any]) -> Iterator[str]:
    for line in block:
        key, _, value = line.strip().partition(": ")
        indent = line[: len(line) - len(line.lstrip())]
        if (key, value) == ("size", "unknown"):
            yield f"{indent}size: {origin['size']}"
            if file.declared_checksum is None:
                checksum = origin.get("sha384") or f"{{$type: sha256, value: {origin['sha256']}}}"
                yield f"{indent}checksum: {checksum}"
        elif key != "max_size" and (key, value) != ("checksum", "unknown"):
            yield line
