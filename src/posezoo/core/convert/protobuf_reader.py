"""A small reader of Protocol Buffers, which recognises a file's format before a full parser reads
it, and a writer of fields. It skips values: the time does not depend on the size of the file.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from posezoo.core.operating_system import release_pages
from posezoo.core.regular_files import open_regular

#: Wire types of fields (protobuf's encoding guide, "Message Structure"); groups, 3 and 4, are not
#: used.
VARINT = 0
FIXED64 = 1
LENGTH = 2
FIXED32 = 5

# After a value of this size, the mapped pages are given back: Linux maps up to 2 MiB at a time.
_LARGE = 1 << 20

# How many bytes of a file are copied at a time.
_CHUNK = 1 << 20

_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}

Buffer = mmap.mmap | bytes


class ProtobufError(ValueError):
    """The bytes are not a valid message."""


class ProtobufField(NamedTuple):
    """One field of a message: its number, its wire type, and the start and end of its value in the
    buffer.
    """

    number: int
    kind: int
    start: int
    end: int


@contextmanager
def map_file(path: Path) -> Iterator[Buffer]:
    """Map a file into memory."""
    with open_regular(path) as stream:
        if stream.seek(0, 2) == 0:  # an empty file cannot be mapped
            yield b""
            return
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
            yield buffer


def read_fields(buffer: Buffer, message: ProtobufField | None = None) -> Iterator[ProtobufField]:
    """The fields of a message, by default of the whole buffer, in order; ProtobufError if it is not
    valid.
    """
    _, _, start, end = message or _whole(buffer)
    while start < end:
        tag, start = read_varint(buffer, start, end)
        number = tag >> 3
        kind = tag & 7
        if kind == VARINT:
            _, stop = read_varint(buffer, start, end)
        elif kind == LENGTH:
            size, start = read_varint(buffer, start, end)
            stop = start + size
        elif kind in _FIXED_SIZES:
            stop = start + _FIXED_SIZES[kind]
        else:
            raise ProtobufError
        # The format allows field numbers of up to 29 bits; parsers differ in how they handle larger
        # ones.
        if not 0 < number < 1 << 29 or stop > end:
            raise ProtobufError
        yield ProtobufField(number, kind, start, stop)
        if stop - start > _LARGE and not isinstance(buffer, bytes):
            release_pages(buffer)
        start = stop


def find_messages(
    buffer: Buffer, *path: int, within: ProtobufField | None = None
) -> list[ProtobufField]:
    """The messages inside a message at a path of field numbers, in order; ProtobufError as
    above.
    """
    messages = [within or _whole(buffer)]
    for number in path:
        fields = chain.from_iterable(read_fields(buffer, message) for message in messages)
        messages = [field for field in fields if (field.number, field.kind) == (number, LENGTH)]
    return messages


def _whole(buffer: Buffer) -> ProtobufField:
    return ProtobufField(0, LENGTH, 0, len(buffer))


def replace_fields(
    buffer: Buffer, outer: int, inner: int, replace: Callable[[ProtobufField], Iterable[bytes]]
) -> Iterator[bytes]:
    """The parts of a message in which the messages of one field have other fields.

    Args:
        buffer: the message; what stays as it is, is copied in small parts.
        outer: the number of the field with the messages.
        inner: the number of the fields in these that are replaced.
        replace: gives the values of the fields that replace one.
    """
    before = 0
    copied = 0
    for field in read_fields(buffer):
        if field.number == outer:
            edits = []
            begin = field.start
            for part in read_fields(buffer, field):
                if part.number == inner:
                    new = b"".join(encode_field(inner, value) for value in replace(part))
                    edits.append((begin, part.end, new))
                begin = part.end
            growth = sum(len(new) - (end - start) for start, end, new in edits)
            head = encode_head(outer, field.end - field.start + growth)
            for start, end, new in [(before, field.start, head), *edits]:
                yield from _read_chunks(buffer, copied, start)
                yield new
                copied = end
        before = field.end
    yield from _read_chunks(buffer, copied, len(buffer))


def _read_chunks(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _CHUNK):
        yield buffer[at : min(at + _CHUNK, end)]


def has_fields(path: Path, fields: Mapping[int, int], *, needed: int) -> bool:
    """Whether a file is a message with the needed field, and only fields of these numbers and wire
    types.
    """
    with map_file(path) as buffer:
        try:
            kinds = {field.number: field.kind for field in read_fields(buffer)}
        except ProtobufError:
            return False
    return needed in kinds and kinds.items() <= fields.items()


def read_texts(buffer: Buffer, message: ProtobufField, *numbers: int) -> list[list[str]]:
    """The texts of the fields of a message with each of these numbers."""
    texts: dict[int, list[str]] = {number: [] for number in numbers}
    for field in read_fields(buffer, message):
        if field.number in texts:
            text = buffer[field.start : field.end].decode("utf-8", "replace")
            texts[field.number].append(text)
    return list(texts.values())


def read_integers(buffer: Buffer, field: ProtobufField) -> list[int]:
    """The integers of a field, which has one, or several without gaps."""
    integers = []
    at = field.start
    while at < field.end:
        integer, at = read_varint(buffer, at, field.end)
        integers.append(integer)
    return integers


def read_varint(buffer: Buffer, at: int, end: int) -> tuple[int, int]:
    """An integer, stored in groups of seven bits, the lowest first, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = buffer[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ProtobufError


def encode_field(number: int, value: bytes | int | float) -> bytes:
    """A field of a protobuf message."""
    if isinstance(value, bytes):
        return encode_head(number, len(value)) + value
    if isinstance(value, float):
        return encode_varint(number << 3 | FIXED32) + struct.pack("<f", value)
    return encode_varint(number << 3 | VARINT) + encode_varint(value)


def encode_head(number: int, size: int) -> bytes:
    """What is before the bytes of a field of this size."""
    return encode_varint(number << 3 | LENGTH) + encode_varint(size)


def encode_varint(value: int) -> bytes:
    """An integer of up to 64 bits, as ``read_varint`` reads it."""
    value &= (1 << 64) - 1
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
