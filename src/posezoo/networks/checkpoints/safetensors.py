"""Read safetensors files: a header in JSON, then the numbers, without gaps or overlaps.

The first eight bytes are the header's length. Each entry of the header has a ``dtype``, a ``shape``
and two ``data_offsets``, counted from the end of the header. Source: safetensors 0.8, README.md,
"Format". The safetensors package is not used: it would be another dependency, and it cannot read
BF16 without torch.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from operator import attrgetter

from posezoo.core.arrays import Array
from posezoo.core.values import frozen
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


@frozen
class _Extent:
    """Where the numbers of a tensor are, in bytes after the header."""

    what: str  # names the tensor in errors
    kind: str
    shape: list[int]
    count: int
    start: int
    end: int


def read_safetensors(file: MappedFile) -> dict[str, Array]:
    """The tensors of a file by their names, in order; a CheckpointFormatError if its header is not
    valid.
    """
    cursor = FileCursor(file)
    (length,) = cursor.unpack("<Q", "the header's length")
    entries = _entries(cursor.read_text(length, "the header"))
    extents = {name: _read_extent(name, entry) for name, entry in entries.items()}
    for extent in extents.values():
        file.require_inside(cursor.at + extent.start, extent.end - extent.start, extent.what)
    _require_adjacent(extents.values(), file.size - cursor.at)
    tensors: dict[str, Array] = {}
    for name, extent in extents.items():
        array = file.read_array(cursor.at + extent.start, extent.count, extent.kind, extent.what)
        tensors[name] = array.reshape(extent.shape)
    return tensors


def _read_extent(name: str, entry: object) -> _Extent:
    what = f"tensor {shorten(name)}"
    if not isinstance(entry, Mapping) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointFormatError(f"{what} is not described by dtype, shape and data_offsets")
    dtype = entry["dtype"]
    shape = entry["shape"]
    offsets = entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _KINDS:
        raise CheckpointFormatError(
            f"{what} has an unknown dtype: {shorten(dtype)}; the known ones are {', '.join(_KINDS)}"
        )
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        raise CheckpointFormatError(f"{what} has a shape or offsets that are not lists of integers")
    start, end = (require_size(offset, f"an offset of {what}") for offset in offsets)
    kind = _KINDS[dtype]
    count = element_count(shape, what)
    if end - start != count * dtype_size(kind):
        raise CheckpointFormatError(
            f"{what} needs {count * dtype_size(kind)} bytes, but its offsets span {end - start}"
        )
    return _Extent(what, kind, shape, count, start=start, end=end)


def _require_adjacent(extents: Iterable[_Extent], size: int) -> None:
    """Raise a CheckpointFormatError unless the tensors fill the bytes after the header.

    A gap could contain hidden data; with overlapping tensors, a small file could need much memory.
    """
    previous_end = 0
    for extent in sorted(extents, key=attrgetter("start", "end", "what")):
        if extent.start < previous_end:
            raise CheckpointFormatError(f"{extent.what} overlaps the one before")
        if extent.start > previous_end:
            gap = extent.start - previous_end
            raise CheckpointFormatError(f"{extent.what} leaves a gap of {gap} bytes")
        previous_end = extent.end
    if previous_end != size:
        raise CheckpointFormatError(
            f"its tensors have {previous_end} bytes, but {size} follow the header"
        )


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
