"""Replace operations of a TFLite file that OpenVINO reads wrongly: it drops the fused activation of
a transposed convolution (schema.fbs), and before version 2026.1 also its bias, without a word. An
addition with both replaces them.

Fields have numbers, in the order of schema.fbs. Of a model: 0 version, 1 operator codes, 2 graphs,
4 buffers. Of a graph: 0 tensors, 1 inputs, 2 outputs, 3 operations, 4 name. Of a tensor: 0 shape, 1
type, 2 buffer, 3 name, 4 quantization, 7 shape with -1 for open sizes. Of an operation: 0 code, 1
inputs, 2 outputs, 3 type of its options, 4 options.

Of other activations than ``_COMPUTED``, LiteRT and OpenVINO differ, and no converter writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.errors import ConversionError, sanitize
from posezoo.formats.flatbuffers import (
    Fields,
    FlatBuffer,
    Kept,
    NewBytes,
    NewTable,
    NewVector,
    Part,
    keep_fields,
    replace_root,
)

if TYPE_CHECKING:
    from posezoo.core.arrays import Floats

#: The fused activations that LiteRT computes, and OpenVINO if it does not drop them.
_COMPUTED = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")
_ACTIVATIONS = (*_COMPUTED, "TANH", "SIGN_BIT")

_ADD = 0
_TRANSPOSE_CONV = 67

#: The operations that OpenVINO reads and that can have a fused activation, by their numbers: their
#: names, and the index of that field in their options.
FUSING = {
    _ADD: ("ADD", 0),
    1: ("AVERAGE_POOL_2D", 5),
    2: ("CONCATENATION", 1),
    3: ("CONV_2D", 3),
    4: ("DEPTHWISE_CONV_2D", 4),
    9: ("FULLY_CONNECTED", 0),
    11: ("L2_NORMALIZATION", 0),
    17: ("MAX_POOL_2D", 5),
    18: ("MUL", 0),
    41: ("SUB", 0),
    42: ("DIV", 0),
    _TRANSPOSE_CONV: ("TRANSPOSE_CONV", 3),
    132: ("CONV_3D", 4),
}
# LiteRT refuses each activation of these, and OpenVINO drops it.
_WITHOUT_ACTIVATION = ("CONCATENATION", "L2_NORMALIZATION")

# The types of options.
_ADD_OPTIONS = 11
_TRANSPOSE_CONV_OPTIONS = 49

_FLOAT32 = 0
_INT8 = 9


def rewrite_operations(path: Path, file: FlatBuffer) -> bytes | None:
    """The content of a TFLite file without operations that OpenVINO reads wrongly; None if it has
    none.

    Raises:
        ConversionError: LiteRT and OpenVINO differ in the fused activation of an operation.
    """
    graphs = []
    is_changed = False
    for graph in file.read_tables(file.root, 2):
        old = file.read_tables(graph, 0)
        tensors: list[Part] = [*map(Kept, old)]
        operations: list[Part] = []
        for operation in file.read_tables(graph, 3):
            replaced = _replace(path, file, operation, old, tensors)
            is_changed |= bool(replaced)
            operations += replaced or [Kept(operation)]
        fields: Fields = {0: NewVector(tensors), 3: NewVector(operations)}
        graphs.append(keep_fields(file, graph, (1, 2, 4), fields))
    if not is_changed:
        return None
    addition = NewTable({0: _ADD, 2: 1, 3: _ADD})
    zero = NewTable({0: NewBytes(bytes(4))})
    new: Fields = {
        1: NewVector([*map(Kept, file.read_tables(file.root, 1)), addition]),
        2: NewVector(graphs),
        4: NewVector([*map(Kept, file.read_tables(file.root, 4)), zero]),
    }
    return replace_parts(file, new)


def widen_weights(file: FlatBuffer) -> bytes | None:
    """The content of a TFLite file whose weights in 8 bits are floats, where an operation computes
    with floats (dynamic range quantization); None if it has none.

    LiteRT rounds the inputs of such an operation to 8 bits; OpenVINO, which does not, is more
    exact.
    """
    buffers: list[Part] = [*map(Kept, file.read_tables(file.root, 4))]
    count = len(buffers)
    graphs = []
    for graph in file.read_tables(file.root, 2):
        tensors = file.read_tables(graph, 0)
        parts: list[Part] = [*map(Kept, tensors)]
        for number in sorted(_find_hybrid_weights(file, graph, tensors)):
            values = _read_quantized(file, tensors[number])
            new: Fields = {1: _FLOAT32, 2: len(buffers)}
            # Without its quantization.
            parts[number] = keep_fields(file, tensors[number], (0, 3), new)
            buffers.append(NewTable({0: NewBytes(values.tobytes())}))
        graphs.append(keep_fields(file, graph, (1, 2, 3, 4), {0: NewVector(parts)}))
    if len(buffers) == count:
        return None
    return replace_parts(file, {2: NewVector(graphs), 4: NewVector(buffers)})


def replace_parts(file: FlatBuffer, new: Fields) -> bytes:
    """The content of a file with other parts, and without the weights in other files, which
    OpenVINO does not read.
    """
    version = file.read_field(file.root, 0, "I")
    return replace_root(
        file, keep_fields(file, file.root, (1, 2, 3, 4, 5, 6, 7), {0: version, **new})
    )


def _find_hybrid_weights(file: FlatBuffer, graph: int, tensors: Sequence[int]) -> set[int]:
    """The numbers of the constants in 8 bits that are multiplied by floats."""
    types = [file.read_field(tensor, 1, "b") for tensor in tensors]
    found = set()
    for operation in file.read_tables(graph, 3):
        first, *others = file.read_integers(operation, 1) or [-1]
        if first >= 0 and types[first] == _FLOAT32:
            found |= {number for number in others if number >= 0 and types[number] == _INT8}
    return found


def _read_quantized(file: FlatBuffer, tensor: int) -> Floats:
    import numpy as np

    buffer = file.read_tables(file.root, 4)[file.read_field(tensor, 2, "I")]
    shape = file.read_integers(tensor, 0)
    values = np.frombuffer(file.read_bytes(buffer, 0), np.int8).reshape(shape)
    quantization = file.follow(tensor, 4)
    at = file.read_vector(quantization, 2)
    scales = np.frombuffer(file.content, "<f4", len(at), at.start)
    if len(scales) > 1:
        sizes = [1] * len(shape)
        sizes[file.read_field(quantization, 6, "i")] = -1
        scales = scales.reshape(sizes)
    widened: Floats = (values * scales).astype("<f4")
    return widened


def _replace(
    path: Path, file: FlatBuffer, operation: int, old: Sequence[int], tensors: list[Part]
) -> list[NewTable]:
    """Empty if the operation is read right; new tensors are added to ``tensors``, which begin with
    those of the graph, ``old``.
    """
    codes = file.read_tables(file.root, 1)
    code = codes[file.read_field(operation, 0, "I")]
    # The first field cannot hold the numbers of newer operations.
    number = max(file.read_field(code, 0, "b"), file.read_field(code, 3, "i"))
    if number not in FUSING:
        return []
    name, field = FUSING[number]
    options = file.follow(operation, 4)
    fused = file.read_field(options, field, "b") if options else 0
    result = old[file.read_integers(operation, 2)[0]]
    title = file.read_bytes(result, 3).decode("utf-8", "replace")
    if fused:
        _require_computed(path, fused, name, title)
    if number != _TRANSPOSE_CONV:
        return []
    inputs = file.read_integers(operation, 1)
    has_bias = len(inputs) > 3 and inputs[3] >= 0
    if not has_bias and not fused:
        return []
    if has_bias:
        bias = inputs[3]
    else:
        bias = len(tensors)
        new_buffer = len(file.read_tables(file.root, 4))
        named = NewBytes(f"{title}/zero".encode())
        zero: Fields = {0: NewVector([1]), 1: _FLOAT32, 2: new_buffer, 3: named}
        tensors.append(NewTable(zero))
    maps: Fields = {1: _FLOAT32, 3: NewBytes(f"{title}/without_bias".encode())}
    between = len(tensors)
    tensors.append(keep_fields(file, result, (0, 7), maps))  # of the same shape
    # Its padding and strides.
    window = {index: file.read_field(options, index, kind) for index, kind in enumerate("bii")}
    convolution = NewTable(
        {
            0: file.read_field(operation, 0, "I"),
            1: NewVector(inputs[:3]),
            2: NewVector([between]),
            3: _TRANSPOSE_CONV_OPTIONS,
            4: NewTable(window),
        }
    )
    added: Fields = {
        0: len(codes),
        1: NewVector([between, bias]),
        3: _ADD_OPTIONS,
        4: NewTable({0: fused}),
    }
    return [convolution, keep_fields(file, operation, (2,), added)]


def _require_computed(path: Path, fused: int, name: str, title: str) -> None:
    activation = _ACTIVATIONS[fused] if 0 < fused < len(_ACTIVATIONS) else str(fused)
    if activation in _COMPUTED and name not in _WITHOUT_ACTIVATION:
        return
    raise ConversionError(
        f"{path}: the {name} {sanitize(title)} has the fused activation {activation},"
        " which LiteRT does not compute",
        hint="make the activation an operation of its own where the file is made",
    )
