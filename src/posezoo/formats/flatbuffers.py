"""Read the tables of FlatBuffers, of which TFLite files consist, and the maps of FlexBuffers, in
which their custom operations have options.

https://flatbuffers.dev/internals: all numbers are little-endian, and offsets are relative.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from posezoo.core.values import frozen

# FlexBuffers: the types of values, above the two bits of their width.
_KINDS = {1: "bhiq", 2: "BHIQ", 3: " efd", 11: "bhiq"}
_INTEGERS = 11  # a vector


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
