"""Write sizes and checksums that a model.yml does not state into it, after a first download."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from posezoo.core.declarations.model import ModelSpec, SourceFile
from posezoo.core.declarations.yaml_nodes import YamlNode, parse_yaml, read_yaml_bytes
from posezoo.core.files.verified_files import write_atomically
from posezoo.lint.accuracy_check_yml import find_node, list_below


def write_missing_pins(spec: ModelSpec, origins: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Replace the line ``size: unknown`` of each file that was downloaded; return their names.

    Nothing else in the text changes, and a file that has not one line for each key is left alone.

    Args:
        origins: the ``size`` and the digest of each file by its name, as in provenance.json.

    Raises:
        OutputError: model.yml cannot be written.
    """
    content = read_yaml_bytes(spec.path)
    lines = content.decode("utf-8").split("\n")
    tree = parse_yaml(content, str(spec.path))
    nodes = list_below(find_node(tree, "variants", spec.tag), "files") or list_below(tree, "files")
    completed = []
    changed: dict[int, list[str]] = {}
    for file, node in zip(spec.files, nodes, strict=True):
        origin = origins.get(file.name)
        if file.size is not None or origin is None:
            continue
        changed_of_file = _with_pins(lines, node, file, origin)
        if changed_of_file:
            changed |= changed_of_file
            completed.append(file.name)
    if completed:
        # Nodes count lines from 1.
        text = [new for at, line in enumerate(lines, 1) for new in changed.get(at, [line])]
        write_atomically(spec.path, "\n".join(text).encode())
    return completed


def _with_pins(
    lines: Sequence[str], node: YamlNode, file: SourceFile, origin: Mapping[str, Any]
) -> dict[int, list[str]]:
    """The lines in place of some lines, by their numbers; none if the file is left alone."""
    size, max_size = find_node(node, "size"), find_node(node, "max_size")
    if not _has_own_line(size, lines) or not _has_own_line(max_size, lines):
        return {}
    changed = {size.line: [_replaced(lines, size, f"{origin['size']}")], max_size.line: []}
    if file.declared_checksum:
        return changed
    digest = origin.get("sha384") or f"{{$type: sha256, value: {origin['sha256']}}}"
    checksum = find_node(node, "checksum")
    if _has_own_line(checksum, lines):
        changed[checksum.line] = [_replaced(lines, checksum, digest)]
    elif checksum is None:
        changed[size.line].append(_with_key(lines, size, "checksum", digest))
    else:
        return {}
    return changed


def _has_own_line(node: YamlNode | None, lines: Sequence[str]) -> TypeGuard[YamlNode]:
    """Whether a line has only this value and its key."""
    if node is None:
        return False
    pair = rf"\s*{node.key}:\s+{node.value}\s*(#.*)?"
    return re.fullmatch(pair, lines[node.line - 1]) is not None


def _replaced(lines: Sequence[str], node: YamlNode, text: str) -> str:
    """The line of a node with another value."""
    line = lines[node.line - 1]
    start = node.column - 1
    return f"{line[:start]}{text}{line[start + len(str(node.value)) :]}"


def _with_key(lines: Sequence[str], node: YamlNode, key: str, text: str) -> str:
    """A line for a further key beside that of a node."""
    line = lines[node.line - 1]
    indent = line[: len(line) - len(line.lstrip())]
    line_end = "\r" if line.endswith("\r") else ""
    return f"{indent}{key}: {text}{line_end}"
