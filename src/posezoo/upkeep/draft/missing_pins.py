"""Write sizes and checksums that a model.yml does not state into it, after a first download."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from posezoo.core.declarations.model import ModelSpec, SourceFile
from posezoo.core.declarations.yaml_nodes import YamlNode, parse_yaml, read_yaml_bytes
from posezoo.core.files.verified_files import write_atomically
from posezoo.lint.accuracy_check_yml import find_node, list_below
from posezoo.lint.yaml_edits import EditError, YamlEdit, apply_edits


def write_missing_pins(spec: ModelSpec, origins: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Replace the line ``size: unknown`` of each file that was downloaded; return their names.

    Nothing else in the text changes, and a file that has not one line for each key is left alone.

    Args:
        origins: the ``size`` and the ``sha384`` of each file by its name, as in provenance.json.

    Raises:
        OutputError: model.yml cannot be written.
    """
    content = read_yaml_bytes(spec.path)
    completed = []
    for index, file in enumerate(spec.files):
        origin = origins.get(file.name)
        if file.size is not None or origin is None:
            continue
        tree = parse_yaml(content, str(spec.path))
        own_nodes = list_below(find_node(tree, "variants", spec.tag), "files")
        node = (own_nodes or list_below(tree, "files"))[index]
        with suppress(EditError):
            content = apply_edits(content, list(_edit_file(node, file, origin)))
            completed.append(file.name)
    if completed:
        write_atomically(spec.path, content)
    return completed


def _edit_file(node: YamlNode, file: SourceFile, origin: Mapping[str, Any]) -> Iterator[YamlEdit]:
    size = find_node(node, "size")
    max_size = find_node(node, "max_size")
    checksum = find_node(node, "checksum")
    if size is None or max_size is None:
        raise EditError("there is no line for the size")
    yield YamlEdit(size, f"{origin['size']}")
    yield YamlEdit(max_size, "")
    if file.declared_checksum:
        return
    if checksum:
        yield YamlEdit(checksum, origin["sha384"])
    else:
        yield YamlEdit(size, origin["sha384"], key="checksum")
