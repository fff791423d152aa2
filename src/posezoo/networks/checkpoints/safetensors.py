"""Read safetensors files: a header in JSON, then the numbers, without gaps or overlaps.

The package safetensors checks the header, but would copy the numbers, and NumPy has no BF16.

The first eight bytes are the header's length. Each entry of the header has a ``dtype``, a ``shape``
and two ``data_offsets``, counted from the end of the header. Source: safetensors 0.8, README.md,
"Format".
"""

from __future__ import annotations

import json

from safetensors import SafetensorError, safe_open

from posezoo.core.arrays import Array
from posezoo.core.errors import escape_control_characters
from posezoo.networks.checkpoints.mapped_file import (
    BFLOAT16,
    BOOL,
    CheckpointFormatError,
    FileCursor,
    MappedFile,
    element_count,
    shorten,
    truncate,
)

# NumPy's name of each dtype; for example, f8 for F64.
_KINDS = {
    dtype: f"{dtype[0].lower()}{int(dtype[1:]) // 8}"
    for dtype in ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8")
} | {"BF16": BFLOAT16, "BOOL": BOOL}


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins with a length and an opening brace; eight printable characters would be
    a length of more than 2^61 bytes.
    """
    length = head[:8]
    return head[8:9] == b"{" and not (length.isascii() and length.decode().isprintable())


def read_safetensors(file: MappedFile) -> dict[str, Array]:
    """The tensors of a file by their names, in order.

    Raises:
        CheckpointFormatError: its header is not valid.
    """
    cursor = FileCursor(file)
    (length,) = cursor.unpack("<Q", "the header's length")
    text = cursor.read_text(length, "the header")
    try:
        with safe_open(file.path, framework="numpy"):
            header = json.loads(text)
    except SafetensorError as error:
        raise CheckpointFormatError(
            truncate(escape_control_characters(str(error))),
            hint="the file is truncated, or its header is wrong; download it again",
        ) from error
    header.pop("__metadata__", None)  # free text about the file
    tensors: dict[str, Array] = {}
    for name, entry in header.items():
        what = f"tensor {shorten(name)}"
        kind = _KINDS.get(entry["dtype"])
        if kind is None:
            raise CheckpointFormatError(
                f"{what} has an unknown dtype: {shorten(entry['dtype'])}; the known ones are"
                f" {', '.join(_KINDS)}"
            )
        count = element_count(entry["shape"], what)
        start, _ = entry["data_offsets"]
        array = file.read_array(cursor.at + start, count, kind, what)
        tensors[name] = array.reshape(entry["shape"])
    return tensors
