"""Replace tables of a FlatBuffers file.

The new tables are written before the old content, because an offset only leads to later positions.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from posezoo.core.values import frozen
from posezoo.formats.flatbuffers import FlatBuffer

# The alignment of the old content: schema.fbs aligns weights to 16 bytes.
_ALIGNMENT = 64


@frozen
class Kept:
    """A table, vector or text of the old content.

    Attributes:
        position: where it is in the old file.
    """

    position: int


@frozen
class NewTable:
    """A table."""

    fields: Fields


@frozen
class NewVector:
    """A vector of integers of 4 bytes, or of tables."""

    items: Sequence[int | Part]


@frozen
class NewBytes:
    """A text, or a vector of bytes."""

    content: bytes


Part = Kept | NewTable | NewVector | NewBytes
#: By the indices of fields: integers of at most 4 bytes, and other parts.
Fields = Mapping[int, int | Part]


def keep_fields(file: FlatBuffer, table: int, indices: Sequence[int], new: Fields) -> NewTable:
    """A table with what fields of an old one refer to, if it has them, and with new fields."""
    positions = {index: file.follow(table, index) for index in indices}
    kept = {index: Kept(position) for index, position in positions.items() if position}
    return NewTable({**kept, **new})


def replace_root(file: FlatBuffer, root: NewTable) -> bytes:
    """The content of a file with another root, which may refer to parts of the old content."""
    return _Writer().write(file.content, root)


class _Writer:
    def __init__(self) -> None:
        self.written = bytearray()
        # The parts that are referred to, and the positions of the offsets that lead to them.
        self.links: list[tuple[int, Part]] = []

    def write(self, content: bytes, root: NewTable) -> bytes:
        self._append(root)
        self.written += content[4:8]  # the identifier of the format
        part_positions = {}
        for at, part in self.links:  # writing a part adds those that it refers to
            part_positions[at] = self._write_part(part)
        self._align(_ALIGNMENT)
        shift = len(self.written)
        for at, part in self.links:
            target = shift + part.position if isinstance(part, Kept) else part_positions[at]
            struct.pack_into("<I", self.written, at, target - at)
        return bytes(self.written) + content

    def _write_part(self, part: Part) -> int:
        """Write a part, and return its position."""
        if isinstance(part, NewTable):
            return self._write_table(part.fields)
        if isinstance(part, NewVector):
            return self._write_vector(part.items)
        if isinstance(part, NewBytes):
            return self._write_bytes(part.content)
        return 0

    def _write_table(self, fields: Fields) -> int:
        indices = sorted(fields)
        # In the order of their indices, each in 4 bytes, after the offset of the list of offsets.
        offsets = [0] * (indices[-1] + 1)
        for number, index in enumerate(indices):
            offsets[index] = 4 + 4 * number
        size = 4 + 2 * len(offsets)
        self._align(4, before=size)
        self.written += struct.pack(f"<{2 + len(offsets)}H", size, 4 + 4 * len(indices), *offsets)
        start = len(self.written)
        self._append(size)
        for index in indices:
            self._append(fields[index])
        return start

    def _write_vector(self, items: Sequence[int | Part]) -> int:
        self._align(4)
        start = len(self.written)
        self._append(len(items))
        for item in items:
            self._append(item)
        return start

    def _write_bytes(self, content: bytes) -> int:
        self._align(16, before=4)
        start = len(self.written)
        self._append(len(content))
        self.written += content + b"\0"
        return start

    def _append(self, item: int | Part) -> None:
        """An integer, or an offset that is known later."""
        if isinstance(item, int):
            self.written += struct.pack("<i", item)
            return
        self.links.append((len(self.written), item))
        self.written += bytes(4)

    def _align(self, alignment: int, before: int = 0) -> None:
        """Begin the bytes after ``before`` more at a multiple of an alignment."""
        self.written += bytes(-(len(self.written) + before) % alignment)
