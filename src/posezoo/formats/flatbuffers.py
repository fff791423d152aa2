"""Read and replace the tables of FlatBuffers, of which TFLite files consist, and read the maps of
FlexBuffers, in which their custom operations have options.

New tables are written before the old content, because an offset only leads to later positions.

https://flatbuffers.dev/internals: all numbers are little-endian, and offsets are relative.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from posezoo.core.values import frozen

# FlexBuffers: the types of values, above the two bits of their width.
_KINDS = {1: "bhiq", 2: "BHIQ", 3: " efd", 11: "bhiq"}
_INTEGERS = 11  # a vector

# The alignment of the old content: schema.fbs aligns weights to 16 bytes.
_ALIGNMENT = 64


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
        offsets = table - self.read("i", table)
        place = 4 + 2 * index
        offset = 0
        if place < self.read("H", offsets):
            offset = self.read("H", offsets + place)
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


def read_options(content: bytes) -> Mapping[str, Any]:
    """The numbers, and vectors of integers, of a FlexBuffers map by their names.

    Raises:
        struct.error, KeyError, IndexError: it is not such a map.
    """

    def read(kind: str, width: int, at: int) -> int | float:
        letter = kind[width.bit_length() - 1]
        number: int | float = struct.unpack_from(f"<{letter}", content, at)[0]
        return number

    def follow(width: int, at: int) -> int:
        return at - int(read("BHIQ", width, at))

    root_width = content[-1]
    width = 1 << (content[-2] & 3)
    values = follow(root_width, len(content) - 2 - root_width)
    count = int(read("BHIQ", width, values - width))
    keys = follow(width, values - 3 * width)
    key_width = int(read("BHIQ", width, values - 2 * width))
    options: dict[str, Any] = {}
    for place in range(count):
        start = follow(key_width, keys + place * key_width)
        name = content[start : content.index(0, start)].decode()
        kind, own_width = divmod(content[values + count * width + place], 4)
        at = values + place * width
        if kind == _INTEGERS:
            first = follow(width, at)
            size = 1 << own_width
            length = int(read("BHIQ", size, first - size))
            ends = range(first, first + length * size, size)
            options[name] = [int(read(_KINDS[kind], size, end)) for end in ends]
        else:
            options[name] = read(_KINDS[kind], width, at)
    return options


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
        start = 0
        if isinstance(part, NewTable):
            indices = sorted(part.fields)
            # In the order of their indices, each in 4 bytes, after the offset of the list of
            # offsets.
            offsets = [0] * (indices[-1] + 1)
            for number, index in enumerate(indices):
                offsets[index] = 4 + 4 * number
            size = 4 + 2 * len(offsets)
            self._align(4, before=size)
            form = f"<{2 + len(offsets)}H"
            self.written += struct.pack(form, size, 4 + 4 * len(indices), *offsets)
            start = len(self.written)
            self._append(size)
            for index in indices:
                self._append(part.fields[index])
        elif isinstance(part, NewVector):
            self._align(4)
            start = len(self.written)
            self._append(len(part.items))
            for item in part.items:
                self._append(item)
        elif isinstance(part, NewBytes):
            self._align(16, before=4)
            start = len(self.written)
            self._append(len(part.content))
            self.written += part.content + b"\0"
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
