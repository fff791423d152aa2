"""Find where an IR begins to differ from its original, as OpenVINO reads the original.

This takes seconds, because both networks are compiled with many outputs: it runs only after a
failed check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from posezoo.arrays import Array
from posezoo.convert.reference_outputs import EXACT, ReferenceSample, read_original, run_compiled
from posezoo.ir.openvino_import import openvino_core
from posezoo.spec.model import ModelSpec

#: The tensors that are compared at a time; all those of a large network take gigabytes.
BATCH = 64

#: Whether values differ, from those of the original, of the IR, and of the original with its input
#: moved.
Differs = Callable[[Array, Array, Array], bool]


def find_first_difference(
    spec: ModelSpec, source: Path, xml: Path, sample: ReferenceSample, differs: Differs
) -> str:
    """The name and type of the first operation of an IR whose values differ; empty if none does.

    Only operations with a tensor whose name is from the original, at ``source``, are compared.
    """
    core = openvino_core()
    original, _ = read_original(
        spec, source, {name: values.shape for name, values in sample.prepared.items()}
    )
    ir = core.read_model(xml)
    nodes = _find_common_nodes(original, ir)
    for start in range(0, len(nodes), BATCH):
        names = list(nodes)[start : start + BATCH]
        (actual,) = _run(core, ir, names, [sample.feed])
        expected, moved = _run(
            core, original, names, [sample.prepared, sample.moved or sample.prepared]
        )
        for name in names:
            values = expected[name], actual[name], moved[name]
            if values[0].shape != values[1].shape or differs(*values):
                return f"{nodes[name].get_friendly_name()} ({nodes[name].get_type_name()})"
    return ""


def _find_common_nodes(original: Any, ir: Any) -> dict[str, Any]:
    """The operations of an IR by the name of a tensor that the original has, too, in order."""
    common: set[str] = set()
    for node in original.get_ordered_ops():
        common |= set().union(*(port.names for port in node.outputs()))
    nodes = {}
    for node in ir.get_ordered_ops():
        if node.get_type_name() in ("Parameter", "Constant", "Result"):
            continue
        for port in node.outputs():
            names = port.names & common
            if names and port.get_element_type().is_real():
                nodes[min(names)] = node
    return nodes


def _run(
    core: Any, network: Any, names: Sequence[str], feeds: Sequence[Mapping[str, Array]]
) -> list[dict[str, Array]]:
    """The values of some tensors of an ``openvino.Model`` by name, for each feed."""
    part = network.clone()
    part.add_outputs(
        [name for name in names if not any(name in port.names for port in part.outputs)]
    )
    compiled = core.compile_model(part, "CPU", EXACT)
    return [run_compiled(compiled, feed) for feed in feeds]
