"""Safetensors files: a header in JSON, then the numbers, without gap or overlap.

Eight bytes give the header's length; each of its entries has a ``dtype``, a ``shape`` and the two
``data_offsets``, counted from the header's end. After the format's own description (safetensors 0.8,
README.md, "Format"); its library would add a dependency for what is twenty lines on our mapping.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from posezoo.checkpoints.mapped_file import (
    BFLOAT16,
    BOOL,
    MOST_TENSORS,
    Array,
    CheckpointFormatError,
    FileCursor,
    MappedFile,
    dtype_size,
    element_count,
    require_size,
    shorten,
)

_KINDS = {
    "F64": "f8",
    "F32": "f4",
    "F16": "f2",
    "BF16": BFLOAT16,
    "I64": "i8",
    "I32": "i4",
    "I16": "i2",
    "I8": "i1",
    "U64": "u8",
    "U32": "u4",
    "U16": "u2",
    "U8": "u1",
    "BOOL": BOOL,
}

_METADATA = "__metadata__"  # free text about the file


def is_safetensors(head: bytes) -> bool:
    """A length, then a brace. Text with a brace there would be a header of more than 2^61 bytes."""
    length = head[:8]
    return head[8:9] == b"{" and not (length.isascii() and length.decode().isprintable())


def read_safetensors(file: MappedFile) -> dict[str, Array]:
    """The tensors of a file by their names, in its header's order.

    Raises:
        Unreadable: the header cannot be meant, or does not describe the bytes behind it.
    """
    cursor = FileCursor(file)
    (length,) = cursor.unpack("<Q", "the header's length")
    entries = _entries(cursor.read_text(length, "the header"))
    pieces: list[tuple[int, int, str]] = []
    found: dict[str, Array] = {}
    for name, entry in entries.items():
        what = f"tensor {shorten(name)}"
        kind, shape, start, end = _parts(entry, what)
        count = element_count(shape, what)
        if end - start != count * dtype_size(kind):
            raise CheckpointFormatError(
                f"{what} needs {count * dtype_size(kind)} bytes, its offsets leave it {end - start}"
            )
        found[name] = file.read_array(cursor.at + start, count, kind, what).reshape(shape)
        pieces.append((start, end, what))
    _check_seamless(pieces, file.size - cursor.at)
    return found


def _entries(text: str) -> dict[str, object]:
    try:
        header = json.loads(text, object_pairs_hook=_without_doubles)
    except CheckpointFormatError:
        raise
    except json.JSONDecodeError as error:
        raise CheckpointFormatError(f"its header is not JSON: {error}") from None
    except RecursionError:
        raise CheckpointFormatError("its header is nested too deeply") from None
    except ValueError:  # Python reads no integers of more than 4300 digits
        raise CheckpointFormatError("its header has a number that is too long") from None
    if not isinstance(header, dict):
        raise CheckpointFormatError("its header is not a table")
    header.pop(_METADATA, None)
    if len(header) > MOST_TENSORS:
        raise CheckpointFormatError(f"is said to hold {len(header)} tensors")
    return header


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        double = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise CheckpointFormatError(f"its header holds {shorten(double)} twice")
    return table


def _parts(entry: object, what: str) -> tuple[str, tuple[int, ...], int, int]:
    """What an entry says: kind of number, shape, first byte and the one behind the last."""
    if not isinstance(entry, Mapping) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointFormatError(f"{what} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _KINDS:
        raise CheckpointFormatError(
            f"{what} has numbers of the kind {shorten(dtype)}: known are {', '.join(_KINDS)}"
        )
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        raise CheckpointFormatError(f"{what} has a shape or offsets that are no lists of integers")
    start, end = (require_size(offset, f"an offset of {what}") for offset in offsets)
    element_count(shape, what)
    return _KINDS[dtype], tuple(shape), start, end


def _check_seamless(pieces: list[tuple[int, int, str]], size: int) -> None:
    """Bytes that no tensor owns could be anything; bytes of two would make a small file large."""
    at = 0
    for start, end, what in sorted(pieces):
        if start != at:
            fault = "overlaps the one before" if start < at else f"leaves a gap of {start - at} bytes"
            raise CheckpointFormatError(f"{what} {fault}")
        at = end
    if at != size:
        raise CheckpointFormatError(f"its tensors have {at} bytes, and {size} follow the header")
