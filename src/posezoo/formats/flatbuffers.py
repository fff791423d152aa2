"""Read and replace the tables of FlatBuffers, of which TFLite files consist.

https://flatbuffers.dev/internals: all numbers are little-endian, and offsets are relative.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from posezoo.core.errors import import_optional
from posezoo.core.values import frozen

# In bytes: schema.fbs aligns weights so.
_ALIGNMENT = 16


@frozen
class CustomOperation:
    """A custom operation of a TFLite file."""

    name: str
    version: int
    options: bytes


class FlatBuffer:
    """The content of a file of FlatBuffers; a table is named by its position."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.root = self.read("I", 0)

    def read(self, kind: str, at: int) -> int:
        """The number of a type of ``struct`` at a position."""
        return int(struct.unpack_from(f"<{kind}", self.content, at)[0])

    def find_field(self, table: int, index: int) -> int:
        """The position of a table's field; 0 if it has its default."""
        # A vtable has its own size, the size of the table, and the offset of each field, in 2 bytes
        # each. It ends early if the last fields have their defaults.
        vtable = table - self.read("i", table)
        place = 4 + 2 * index
        offset = 0
        if place < self.read("H", vtable):
            offset = self.read("H", vtable + place)
        return table + offset if offset else 0

    def read_field(self, table: int, index: int, kind: str, default: int = 0) -> int:
        """The number in a table's field."""
        field = self.find_field(table, index)
        return self.read(kind, field) if field else default

    def read_vector(self, table: int, index: int) -> range:
        """The positions of the elements of a vector, each of 4 bytes."""
        start = self.follow(table, index)
        return range(start + 4, start + 4 + 4 * self.read("I", start), 4) if start else range(0)

    def read_integers(self, table: int, index: int) -> list[int]:
        """The integers of a vector."""
        return [self.read("i", at) for at in self.read_vector(table, index)]

    def read_tables(self, table: int, index: int) -> list[int]:
        """The tables of a vector."""
        return [at + self.read("I", at) for at in self.read_vector(table, index)]

    def read_bytes(self, table: int, index: int) -> bytes:
        """The bytes of a vector, or the letters of a text."""
        start = self.follow(table, index)
        return self.content[start + 4 : start + 4 + self.read("I", start)] if start else b""

    def follow(self, table: int, index: int) -> int:
        """The position of the table, vector or text that a field refers to; 0 if it lacks one."""
        field = self.find_field(table, index)
        return field + self.read("I", field) if field else 0


@frozen
class Kept:
    """A table, vector or text at its position in the old file."""

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
    """The content of a file with another root, which may refer to parts of the old content.

    It is written from its end: offsets only lead to later positions.
    """
    builder = import_optional("flatbuffers", extra="run").Builder(2 * len(file.content))
    builder.Prep(_ALIGNMENT, len(file.content))
    old_start = builder.CreateByteVector(file.content) - 4  # after its length
    builder.Finish(_write(builder, old_start, root), file.content[4:8])  # the format's identifier
    return bytes(builder.Output())


def _write(builder: Any, old_start: int, part: Part) -> int:
    """What refers to a part; the parts that it refers to come first."""
    if isinstance(part, Kept):
        return old_start - part.position
    if isinstance(part, NewBytes):
        builder.Prep(_ALIGNMENT, len(part.content) + 1)
        return int(builder.CreateString(part.content))
    is_table = isinstance(part, NewTable)
    items = part.fields if isinstance(part, NewTable) else dict(enumerate(part.items))
    written = {
        index: _write(builder, old_start, item)
        for index, item in items.items()
        if not isinstance(item, int)
    }
    if is_table:
        builder.StartObject(1 + max(items))
    else:
        builder.StartVector(4, len(items), 4)
    for index in sorted(items, reverse=True):
        if index in written:
            builder.PrependUOffsetTRelative(written[index])
        else:
            builder.PrependInt32(items[index])
        if is_table:
            builder.Slot(index)
    return int(builder.EndObject() if is_table else builder.EndVector())
