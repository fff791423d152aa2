"""Read safetensors files: a header in JSON, then the numbers, without gaps or overlaps.

The first eight bytes are the header's length. Each entry of the header has a ``dtype``, a ``shape``
and two ``data_offsets``, counted from the end of the header. Source: safetensors 0.8, README.md,
"Format". The safetensors package is not used: it would be another dependency, and it cannot read
BF16 without torch.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from posezoo.core.arrays import Array
from posezoo.networks.checkpoints.mapped_file import (
    BFLOAT16,
    BOOL,
    MAX_TENSORS,
    CheckpointFormatError,
    FileCursor,
    MappedFile,
    dtype_size,
    element_count,
    require_size,
    shorten,
)

# NumPy's name of each dtype; for example, f8 for F64.
_KINDS = {
    dtype: f"{dtype[0].lower()}{int(dtype[1:]) // 8}"
    for dtype in ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8")
} | {"BF16": BFLOAT16, "BOOL": BOOL}


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins with a length and an opening brace.

    Eight printable characters, as in a text file, are not a length, which would be more than 2^61
    bytes.
    """
    length = head[:8]
    return head[8:9] == b"{" and not (length.isascii() and length.decode().isprintable())


def read_safetensors(file: MappedFile) -> dict[str, Array]:
    """The tensors of a file by their names, in order; a CheckpointFormatError if its header is not
    valid.
    """
    cursor = FileCursor(file)
    (length,) = cursor.unpack("<Q", "the header's length")
    entries = _entries(cursor.read_text(length, "the header"))
    extents: list[tuple[int, int, str]] = []
    tensors: dict[str, Array] = {}
    for name, entry in entries.items():
        what = f"tensor {shorten(name)}"
        if not isinstance(entry, Mapping) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise CheckpointFormatError(f"{what} is not described by dtype, shape and data_offsets")
        dtype = entry["dtype"]
        shape = entry["shape"]
        offsets = entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _KINDS:
            raise CheckpointFormatError(
                f"{what} has an unknown dtype: {shorten(dtype)}; the known ones are"
                f" {', '.join(_KINDS)}"
            )
        if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
            raise CheckpointFormatError(
                f"{what} has a shape or offsets that are not lists of integers"
            )
        start, end = (require_size(offset, f"an offset of {what}") for offset in offsets)
        kind = _KINDS[dtype]
        count = element_count(shape, what)
        if end - start != count * dtype_size(kind):
            raise CheckpointFormatError(
                f"{what} needs {count * dtype_size(kind)} bytes, but its offsets span {end - start}"
            )
        tensors[name] = file.read_array(cursor.at + start, count, kind, what).reshape(shape)
        extents.append((start, end, what))
    # A gap could contain hidden data; with overlapping tensors, a small file could need much
    # memory.
    size = file.size - cursor.at
    previous_end = 0
    for start, end, what in sorted(extents):
        if start < previous_end:
            raise CheckpointFormatError(f"{what} overlaps the one before")
        if start > previous_end:
            raise CheckpointFormatError(f"{what} leaves a gap of {start - previous_end} bytes")
        previous_end = end
    if previous_end != size:
        raise CheckpointFormatError(
            f"its tensors have {previous_end} bytes, but {size} follow the header"
        )
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
    except ValueError:  # Python refuses integers of more than 4300 digits
        raise CheckpointFormatError("its header has a number that is too long") from None
    if not isinstance(header, dict):
        raise CheckpointFormatError("its header is not a JSON object")
    header.pop("__metadata__", None)  # free text about the file
    if len(header) > MAX_TENSORS:
        raise CheckpointFormatError(f"declares {len(header)} tensors, more than {MAX_TENSORS}")
    return header


def _unique_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        (name, _), *_ = (Counter(name for name, _ in pairs)).most_common(1)
        raise CheckpointFormatError(f"its header contains {shorten(name)} twice")
    return table
