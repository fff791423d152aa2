"""Read the operations of a TFLite file, and let it begin at tensors inside of it; the numbers of
fields are in ``tflite_rewriting``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from posezoo.core.convert.formats import OriginalGraph, OriginalNode, Step
from posezoo.formats.flatbuffers import (
    Fields,
    FlatBuffer,
    Kept,
    NewBytes,
    NewVector,
    Part,
    keep_fields,
)
from posezoo.formats.tflite_rewriting import replace_parts

_STEPS = {
    **dict.fromkeys((
        "ARG_MAX", "ARG_MIN", "CAST", "CEIL", "EQUAL", "FLOOR", "GREATER", "GREATER_EQUAL", "LESS",
        "LESS_EQUAL", "NOT_EQUAL", "ROUND", "SIGN", "TOPK_V2", "UNIQUE", "WHERE",
    ), Step.EXACT),
    **dict.fromkeys(("FLOOR_DIV", "FLOOR_MOD", "QUANTIZE"), Step.EDGED),
    **dict.fromkeys((
        "CUSTOM", "IF", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "WHILE",
    ), Step.CLOSED),
}  # fmt: skip

#: Operations whose results are values of what they take.
_ARRANGING = ("EXPAND_DIMS", "PAD", "RESHAPE", "SLICE", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE")

#: The types of values that stand for floats.
LEVELS = ("int8", "uint8", "int16")

#: Behind the name of a tensor, which the file takes, that of the same tensor as it computes it.
COMPUTED = ":computed"


def read_graph(interpreter: Any) -> OriginalGraph | None:
    """The operations of a file that depend on the values of its inputs; None if several of its
    tensors have one name.
    """
    details = {port["index"]: port for port in interpreter.get_tensor_details()}
    names = {number: port["name"] for number, port in details.items()}
    dtypes = {port["name"]: port["dtype"].__name__ for port in details.values()}
    nodes = []
    computed = {port["index"] for port in interpreter.get_input_details()}
    made: list[str] = []
    for operation in interpreter._get_ops_details():
        taken = [number for number in operation["inputs"] if number in computed]
        kind = operation["op_name"]
        if not taken or kind == "SHAPE":
            continue
        computed.update(operation["outputs"])
        inputs = tuple(names[number] for number in taken)
        outputs = tuple(names[number] for number in operation["outputs"])
        step = _find_step(kind, outputs, dtypes)
        nodes.append(OriginalNode(f"{outputs[0]} ({kind})", inputs, outputs, step))
        made += outputs
    if len(set(made)) < len(made):
        return None
    return OriginalGraph(nodes, {name for name, kind in dtypes.items() if kind in _FLOATS})


_FLOATS = ("float16", "float32", "float64")


def _find_step(kind: str, outputs: Sequence[str], dtypes: Mapping[str, str]) -> Step | None:
    makes_floats = all(dtypes[name] in _FLOATS for name in outputs)
    if kind == "CAST" and makes_floats:
        return None
    has_levels = any(dtypes[name] in LEVELS for name in outputs)
    if has_levels and kind not in _STEPS and kind not in _ARRANGING:
        return Step.CLOSED
    return _STEPS.get(kind)


def begin_at(file: FlatBuffer, names: Collection[str]) -> bytes:
    """The content of a file that takes these tensors, too, in place of what it computes there; that
    has ``COMPUTED`` behind its name.
    """
    first, *others = file.read_tables(file.root, 2)
    old = file.read_tables(first, 0)
    tensors: list[Part] = [*map(Kept, old)]
    moved = {}
    for number, tensor in enumerate(old):
        name = file.read_bytes(tensor, 3)
        if name.decode("utf-8", "replace") in names:
            moved[number] = len(tensors)
            fields: Fields = {
                1: file.read_field(tensor, 1, "b"),
                2: file.read_field(tensor, 2, "I"),
                3: NewBytes(name + COMPUTED.encode()),
            }
            tensors.append(keep_fields(file, tensor, (0, 4, 7), fields))
    operations: list[Part] = []
    for operation in file.read_tables(first, 3):
        made = file.read_integers(operation, 2)
        if moved.keys().isdisjoint(made):
            operations.append(Kept(operation))
            continue
        fields = {
            0: file.read_field(operation, 0, "I"),
            2: NewVector([moved.get(number, number) for number in made]),
            3: file.read_field(operation, 3, "B"),
        }
        operations.append(keep_fields(file, operation, (1, 4, 5), fields))
    inputs = NewVector([*file.read_integers(first, 1), *moved])
    new: Fields = {0: NewVector(tensors), 1: inputs, 3: NewVector(operations)}
    graphs: list[Part] = [keep_fields(file, first, (2, 4), new), *map(Kept, others)]
    return replace_parts(file, {2: NewVector(graphs)})
