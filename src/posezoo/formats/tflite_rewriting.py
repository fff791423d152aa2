"""Replace operations of a TFLite file that OpenVINO reads wrongly.

Many operations of TFLite (schema.fbs) have a fused activation. OpenVINO drops that of a transposed
convolution, and before version 2026.1 also its bias, without a word. So a transposed convolution
becomes one without both, and an addition with them, which all versions read right.

Of other activations than ``_COMPUTED``, LiteRT and OpenVINO differ, and no converter writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from posezoo.core.errors import ConversionError, sanitize
from posezoo.formats.flatbuffer_writer import (
    Kept,
    NewBytes,
    NewTable,
    NewVector,
    Part,
    keep_fields,
    replace_root,
)
from posezoo.formats.flatbuffers import FlatBuffer

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


def rewrite_operations(path: Path, file: FlatBuffer) -> bytes | None:
    """The content of a TFLite file without operations that OpenVINO reads wrongly; None if it has
    none.

    Raises:
        ConversionError: LiteRT and OpenVINO differ in the fused activation of an operation.
    """
    return _Rewriting(path, file).rewrite()


class _Rewriting:
    """A file, and the lists of its parts."""

    def __init__(self, path: Path, file: FlatBuffer) -> None:
        self.path = path
        self.file = file
        self.codes = file.read_tables(file.root, 1)
        self.buffers = file.read_tables(file.root, 4)
        self.is_changed = False

    def rewrite(self) -> bytes | None:
        file = self.file
        graphs = [self._rewrite_graph(graph) for graph in file.read_tables(file.root, 2)]
        if not self.is_changed:
            return None
        addition = NewTable({0: _ADD, 2: 1, 3: _ADD})
        zero = NewTable({0: NewBytes(bytes(4))})
        fields = keep_fields(file, file.root, 3, 5, 6, 7) | {
            0: file.read_field(file.root, 0, "I"),
            1: NewVector([*map(Kept, self.codes), addition]),
            2: NewVector(graphs),
            4: NewVector([*map(Kept, self.buffers), zero]),
        }
        return replace_root(file, NewTable(fields))

    def _rewrite_graph(self, graph: int) -> NewTable:
        tensors: list[int | Part] = [*map(Kept, self.file.read_tables(graph, 0))]
        operations: list[int | Part] = []
        for operation in self.file.read_tables(graph, 3):
            replaced = self._replace(operation, tensors)
            self.is_changed |= bool(replaced)
            operations += replaced or [Kept(operation)]
        fields = keep_fields(self.file, graph, 1, 2, 4)
        return NewTable(fields | {0: NewVector(tensors), 3: NewVector(operations)})

    def _replace(self, operation: int, tensors: list[int | Part]) -> list[int | Part]:
        """What replaces an operation; empty if it is read right."""
        file = self.file
        code = self.codes[file.read_field(operation, 0, "I")]
        # The first field cannot hold the numbers of newer operations.
        number = max(file.read_field(code, 0, "b"), file.read_field(code, 3, "i"))
        if number not in FUSING:
            return []
        name, field = FUSING[number]
        options = file.follow(operation, 4)
        fused = file.read_field(options, field, "b") if options else 0
        if fused:
            self._require_computed(name, fused, operation, tensors)
        if number == _TRANSPOSE_CONV:
            return self._split(operation, options, fused, tensors)
        return []

    def _require_computed(
        self, name: str, fused: int, operation: int, tensors: Sequence[int | Part]
    ) -> None:
        activation = _ACTIVATIONS[fused] if 0 < fused < len(_ACTIVATIONS) else str(fused)
        if activation in _COMPUTED and name not in _WITHOUT_ACTIVATION:
            return
        _, title = self._read_output(operation, tensors)
        raise ConversionError(
            f"{self.path}: the {name} {sanitize(title)} has the fused activation {activation},"
            " which LiteRT does not compute",
            hint="make the activation an operation of its own where the file is made",
        )

    def _read_output(self, operation: int, tensors: Sequence[int | Part]) -> tuple[int, str]:
        """The table of an operation's first output, and its name."""
        output = tensors[self._read_integers(operation, 2)[0]]
        assert isinstance(output, Kept)
        name = self.file.read_bytes(output.position, 3).decode("utf-8", "replace")
        return output.position, name

    def _read_integers(self, table: int, index: int) -> list[int]:
        return [self.file.read("i", at) for at in self.file.read_vector(table, index)]

    def _split(
        self, operation: int, options: int, activation: int, tensors: list[int | Part]
    ) -> list[int | Part]:
        """A transposed convolution, and the addition of its bias with its activation; empty if it
        has neither.
        """
        file = self.file
        inputs = self._read_integers(operation, 1)
        bias = inputs[3] if len(inputs) > 3 else -1
        if bias < 0 and not activation:
            return []
        output, name = self._read_output(operation, tensors)
        if bias < 0:
            bias = len(tensors)
            title = NewBytes(f"{name}/zero".encode())
            fields: dict[int, int | Part] = {0: NewVector([1]), 1: _FLOAT32, 3: title}
            tensors.append(NewTable(fields | {2: len(self.buffers)}))
        maps = len(tensors)
        title = NewBytes(f"{name}/without_bias".encode())
        shape = keep_fields(file, output, 0, 7)
        tensors.append(NewTable(shape | {1: _FLOAT32, 3: title}))
        # Its padding and strides.
        kept = {index: file.read_field(options, index, kind) for index, kind in enumerate("bii")}
        convolution: dict[int, int | Part] = {
            0: file.read_field(operation, 0, "I"),
            1: NewVector(inputs[:3]),
            2: NewVector([maps]),
            3: _TRANSPOSE_CONV_OPTIONS,
            4: NewTable(kept),
        }
        addition: dict[int, int | Part] = {
            0: len(self.codes),
            1: NewVector([maps, bias]),
            3: _ADD_OPTIONS,
            4: NewTable({0: activation}),
        }
        addition |= keep_fields(file, operation, 2)
        return [NewTable(convolution), NewTable(addition)]
