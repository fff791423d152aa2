"""MXNet's .params files, as GluonCV published its networks in.

From front to back, little endian: the magic number and a reserved one, both 8 bytes; the count of arrays
and the arrays; the count of names and the names. An array opens with a number that tells which of four
MXNets wrote it. After ``NDArray::Save``, ``NDArray::Load`` and ``LegacyLoad`` of MXNet 1.9.1,
src/ndarray/ndarray.cc.
"""

from __future__ import annotations

import numpy as np

from posezoo.checkpoints.mapped_file import (
    BFLOAT16,
    BOOL,
    MOST_DIMENSIONS,
    MOST_TENSORS,
    Array,
    CheckpointFormatError,
    FileCursor,
    MappedFile,
    element_count,
    shorten,
)

#: ``kMXAPINDArrayListMagic`` and the reserved number behind it: what such a file opens with.
MAGIC = (0x112).to_bytes(8, "little") + bytes(8)

_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA

_STORAGES = {-1: "undefined", 1: "row_sparse", 2: "csr"}

# mshadow's TypeFlag.
_KINDS = {
    0: "f4",
    1: "f8",
    2: "f2",
    3: "u1",
    4: "i4",
    5: "i1",
    6: "i8",
    7: BOOL,
    12: BFLOAT16,
}

# What Module.save_checkpoint puts before the names of parameters and of statistics.
_PREFIXES = ("arg:", "aux:")


def read_mxnet_params(file: MappedFile) -> dict[str, Array]:
    """The arrays of a file by their names, in its order.

    Raises:
        Unreadable: it is none of the four forms, or not whole.
    """
    cursor = FileCursor(file, len(MAGIC))
    (count,) = cursor.unpack("<Q", "the count of arrays")
    if count > MOST_TENSORS:
        raise CheckpointFormatError(f"is said to hold {count} arrays")
    arrays = [_array(cursor, f"array {number} of {count}") for number in range(1, count + 1)]
    (named,) = cursor.unpack("<Q", "the count of names")
    if named != count:
        raise CheckpointFormatError(
            f"holds {count} arrays and {named} names", hint="a network's weights have names"
        )
    found: dict[str, Array] = {}
    for number, array in enumerate(arrays, 1):
        name = _name(cursor, f"name {number} of {count}")
        if name in found:
            raise CheckpointFormatError(f"holds {shorten(name)} twice")
        found[name] = array
    cursor.require_end()
    return found


def _name(cursor: FileCursor, what: str) -> str:
    (size,) = cursor.unpack("<Q", what)
    name = cursor.read_text(size, what)
    return name[4:] if name.startswith(_PREFIXES) else name


def _array(cursor: FileCursor, what: str) -> Array:
    (magic,) = cursor.unpack("<I", what)
    if magic in (_V2, _V3):
        (storage,) = cursor.unpack("<i", what)
        if storage != 0:
            kind = _STORAGES.get(storage, str(storage))
            raise CheckpointFormatError(f"{what} is stored as {kind}: only dense arrays can be read")
    shape = _shape(cursor, magic, what)
    if shape is None:
        return np.zeros(0, np.float32)
    count = element_count(shape, what)
    _, _, flag = cursor.unpack("<iii", what)  # where it once lay: kind of device and its number
    if flag not in _KINDS:
        raise CheckpointFormatError(f"{what} has numbers of the unknown kind {flag}")
    return cursor.read_array(count, _KINDS[flag], what).reshape(shape)


def _shape(cursor: FileCursor, magic: int, what: str) -> tuple[int, ...] | None:
    """None stands for an array that was never filled: nothing follows it."""
    if magic in (_V2, _V3):
        (ndim,) = cursor.unpack("<i", what)
    elif magic == _V1:
        (ndim,) = cursor.unpack("<I", what)
    else:
        ndim = magic  # the oldest form has no number of its own
    # V3 can tell a scalar, of no dimensions, from nothing.
    if ndim == (-1 if magic == _V3 else 0):
        return None
    if not 0 <= ndim <= MOST_DIMENSIONS:
        raise CheckpointFormatError(f"{what} is said to have {ndim} dimensions")
    size = "q" if magic in (_V1, _V2, _V3) else "I"
    return cursor.unpack(f"<{ndim}{size}", what)
