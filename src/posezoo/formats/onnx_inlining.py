"""Replace the functions of an ONNX file with the operations that they consist of.

Functions are in the file, or in the standard, which defines many operations by others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.errors import MissingPackageError, import_optional

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# A small file can have functions that call each other ten times, ten levels deep.
_MAX_NODES = 1_000_000

# OpenVINO lists the operations that it lacks, such as local.Act or Bernoulli-15.
_OPERATION = re.compile(r"\b((?:[A-Za-z_][\w.]*\.)?[A-Za-z_]\w*)(?:-\d+)?")


def inline_functions(source: Path | bytes, problem: str) -> bytes | None:
    """The ONNX file without the functions that OpenVINO, in its message ``problem``, cannot read;
    None if there are none.
    """
    try:
        onnx = import_optional("onnx", extra="convert")
        inliner = import_optional("onnx.inliner", extra="convert")
    except MissingPackageError:
        return None
    is_path = isinstance(source, Path)
    model = onnx.load(source) if is_path else onnx.load_from_string(source)
    if not _is_bounded(model):
        return None
    names = {name.rpartition(".")[2] for name in _OPERATION.findall(problem)}
    before = _count_nodes(model)
    model = inliner.inline_local_functions(model)
    # An older package does not inline the functions of the standard.
    if "inline_schema_functions" in inliner.inline_selected_functions.__code__.co_varnames:
        chosen = [("", name) for name in sorted(names)]
        model = inliner.inline_selected_functions(model, chosen, inline_schema_functions=True)
    if _count_nodes(model) == before:
        return None
    content: bytes = onnx.shape_inference.infer_shapes(model).SerializeToString()
    return content


def _is_bounded(model: ModelProto) -> bool:
    """Whether the functions of a file are no more than ``_MAX_NODES`` if they are replaced, and
    none calls itself.
    """
    functions = {(each.domain, each.name): each for each in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def count(nodes: Iterable[NodeProto], callers: frozenset[tuple[str, str]]) -> int:
        total = 0
        for node in nodes:
            key = node.domain, node.op_type
            if key in callers:
                return _MAX_NODES + 1
            if key in functions and key not in sizes:
                sizes[key] = count(functions[key].node, callers | {key})
            total += sizes.get(key, 1)
            graphs = [each.g for each in node.attribute if each.HasField("g")]
            total += sum(count(graph.node, callers) for graph in graphs)
        return total

    return count(model.graph.node, frozenset()) <= _MAX_NODES


def _count_nodes(model: ModelProto) -> tuple[int, int]:
    return len(model.graph.node), len(model.functions)
