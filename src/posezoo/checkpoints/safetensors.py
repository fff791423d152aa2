"""Read safetensors files: a header in JSON, then the numbers, without gaps or overlaps.

Eight bytes give the header's length; each of its entries has a ``dtype``, a ``shape`` and the two
``data_offsets``, counted from the header's end. Source: safetensors 0.8, README.md, "Format". Its library
would be one more dependency, and fails on BF16 without torch.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from posezoo.checkpoints.mapped_file import (
    BFLOAT16,
    BOOL,
    MAX_TENSORS,
    Array,
    CheckpointFormatError,
    FileCursor,
    MappedFile,
    dtype_size,
    element_count,
    require_size,
    shorten,
)

# NumPy's names: F64 is f8.
_KINDS = {
    dtype: f"{dtype[0].lower()}{int(dtype[1:]) // 8}"
    for dtype in ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8")
} | {"BF16": BFLOAT16, "BOOL": BOOL}


def is_safetensors(head: bytes) -> bool:
    """A length, then a brace. In a text file these bytes would mean a header of more than 2^61 bytes."""
    length = head[:8]
    return head[8:9] == b"{" and not (length.isascii() and length.decode().isprintable())


def read_safetensors(file: MappedFile) -> dict[str, Array]:
    """The tensors of a file by their names, in its header's order.

    Raises:
        CheckpointFormatError: the header is invalid, or does not describe the bytes after it.
    """
    cursor = FileCursor(file)
    (length,) = cursor.unpack("<Q", "the header's length")
    entries = _entries(cursor.read_text(length, "the header"))
    pieces: list[tuple[int, int, str]] = []
    tensors: dict[str, Array] = {}
    for name, entry in entries.items():
        what = f"tensor {shorten(name)}"
        kind, shape, start, end = _parts(entry, what)
        count = element_count(shape, what)
        if end - start != count * dtype_size(kind):
            raise CheckpointFormatError(
                f"{what} needs {count * dtype_size(kind)} bytes, its offsets leave it {end - start}"
            )
        tensors[name] = file.read_array(cursor.at + start, count, kind, what).reshape(shape)
        pieces.append((start, end, what))
    _check_seamless(pieces, file.size - cursor.at)
    return tensors


def _entries(text: str) -> dict[str, object]:
    try:
        header = json.loads(text, object_pairs_hook=_unique_names)
    except CheckpointFormatError:
        raise
    except json.JSONDecodeError as error:
        raise CheckpointFormatError(f"its header is not JSON: {error}") from None
    except RecursionError:
        raise CheckpointFormatError("its header is nested too deeply") from None
    except ValueError:  # Python reads no integers of more than 4300 digits
        raise CheckpointFormatError("its header has a number that is too long") from None
    if not isinstance(header, dict):
        raise CheckpointFormatError("its header is not a JSON object")
    header.pop("__metadata__", None)  # free text about the file
    if len(header) > MAX_TENSORS:
        raise CheckpointFormatError(f"declares {len(header)} tensors")
    return header


def _unique_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        (name, _), *_ = (Counter(name for name, _ in pairs)).most_common(1)
        raise CheckpointFormatError(f"its header holds {shorten(name)} twice")
    return table


def _parts(entry: object, what: str) -> tuple[str, tuple[int, ...], int, int]:
    """Type, shape, first byte and the byte after the last one."""
    if not isinstance(entry, Mapping) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointFormatError(f"{what} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _KINDS:
        raise CheckpointFormatError(
            f"{what} has numbers of an unknown dtype: {shorten(dtype)}; known are {', '.join(_KINDS)}"
        )
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        raise CheckpointFormatError(f"{what} has a shape or offsets that are not lists of integers")
    start, end = (require_size(offset, f"an offset of {what}") for offset in offsets)
    element_count(shape, what)
    return _KINDS[dtype], tuple(shape), start, end


def _check_seamless(pieces: list[tuple[int, int, str]], size: int) -> None:
    """Bytes of no tensor could be anything; bytes of two tensors would make a small file large in memory."""
    at = 0
    for start, end, what in sorted(pieces):
        if start != at:
            fault = "overlaps the one before" if start < at else f"leaves a gap of {start - at} bytes"
            raise CheckpointFormatError(f"{what} {fault}")
        at = end
    if at != size:
        raise CheckpointFormatError(f"its tensors have {at} bytes, and {size} follow the header")
