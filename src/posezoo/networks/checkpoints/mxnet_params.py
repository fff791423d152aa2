"""Read MXNet's .params files, in which GluonCV published its networks.

In little endian: the magic number and a reserved number, 8 bytes each; the number of arrays, and
the arrays, each with the version of its format, one of four; the number of names, and the names.
Source: ``NDArray::Save``, ``NDArray::Load`` and ``LegacyLoad`` of MXNet 1.9.1,
src/ndarray/ndarray.cc.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.arrays import Array
from posezoo.networks.checkpoints.mapped_file import (
    BFLOAT16,
    BOOL,
    MAX_DIMENSIONS,
    MAX_TENSORS,
    CheckpointFormatError,
    FileCursor,
    MappedFile,
    element_count,
    shorten,
)

#: The first bytes of such a file: ``kMXAPINDArrayListMagic`` and the reserved number.
MAGIC = (0x112).to_bytes(8, "little") + bytes(8)

_V1 = 0xF993FAC8
_V2 = 0xF993FAC9
_V3 = 0xF993FACA

_STORAGES = {-1: "undefined", 1: "row_sparse", 2: "csr"}

# mshadow's TypeFlag.
_KINDS = {0: "f4", 1: "f8", 2: "f2", 3: "u1", 4: "i4", 5: "i1", 6: "i8", 7: BOOL, 12: BFLOAT16}

# Module.save_checkpoint adds these prefixes to the names of parameters and of statistics.
_PREFIXES = ("arg:", "aux:")


def read_mxnet_params(file: MappedFile) -> dict[str, Array]:
    """The arrays of a file by their names, in its order; a CheckpointFormatError if it is not
    valid.
    """
    cursor = FileCursor(file, len(MAGIC))
    (count,) = cursor.unpack("<Q", "the count of arrays")
    if count > MAX_TENSORS:
        raise CheckpointFormatError(f"declares {count} arrays, more than {MAX_TENSORS}")
    arrays = [_array(cursor, f"array {number} of {count}") for number in range(1, count + 1)]
    (named,) = cursor.unpack("<Q", "the count of names")
    if named != count:
        raise CheckpointFormatError(
            f"contains {count} arrays and {named} names", hint="a network's weights have names"
        )
    tensors: dict[str, Array] = {}
    for number, array in enumerate(arrays, 1):
        what = f"name {number} of {count}"
        (size,) = cursor.unpack("<Q", what)
        name = cursor.read_text(size, what)
        if name.startswith(_PREFIXES):
            name = name[4:]
        if name in tensors:
            raise CheckpointFormatError(f"contains {shorten(name)} twice")
        tensors[name] = array
    cursor.require_end()
    return tensors


def _array(cursor: FileCursor, what: str) -> Array:
    (magic,) = cursor.unpack("<I", what)
    if magic in (_V2, _V3):
        (storage,) = cursor.unpack("<i", what)
        if storage != 0:
            kind = _STORAGES.get(storage, str(storage))
            raise CheckpointFormatError(
                f"{what} is stored as {kind}: only dense arrays can be read"
            )
        (ndim,) = cursor.unpack("<i", what)
    elif magic == _V1:
        (ndim,) = cursor.unpack("<I", what)
    else:
        ndim = magic  # the oldest format has no version
    # The record of an array without values ends here. V3 distinguishes it from a scalar, without
    # dimensions.
    if ndim == (-1 if magic == _V3 else 0):
        return np.zeros(0, np.float32)
    if not 0 <= ndim <= MAX_DIMENSIONS:
        raise CheckpointFormatError(
            f"{what} declares {ndim} dimensions, which is not from 0 to {MAX_DIMENSIONS}"
        )
    shape = cursor.unpack(f"<{ndim}{'q' if magic in (_V1, _V2, _V3) else 'I'}", what)
    count = element_count(shape, what)
    _, _, flag = cursor.unpack("<iii", what)  # before it: type and number of the device
    if flag not in _KINDS:
        raise CheckpointFormatError(f"{what} has numbers of an unknown type: {flag}")
    return cursor.read_array(count, _KINDS[flag], what).reshape(shape)
