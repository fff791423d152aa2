"""Read the format of PyTorch before 1.6: five pickles, then the size and numbers of each storage.

The pickles contain a magic number, the format's version, properties of the machine, the checkpoint, and the
keys of the storages in their order. Source: torch/serialization.py (``_legacy_save``, ``_legacy_load``) of
PyTorch 2.13, which can still write this format.
"""

from __future__ import annotations

from posezoo.checkpoints.mapped_file import (
    MAX_HEADER,
    Array,
    CheckpointFormatError,
    FileCursor,
    MappedFile,
    shorten,
)
from posezoo.checkpoints.torch_state_dict import TorchPickles, extract_state_dict, map_tensors

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_VERSION = 1001

_OPENINGS = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


def is_legacy_torch(head: bytes) -> bool:
    """Whether the file begins like a pickle: with the opcode PROTO and an existing protocol."""
    return head[:2] in _OPENINGS


def read_legacy_torch(file: MappedFile) -> dict[str, Array]:
    """The tensors of a checkpoint by their keys, in its order.

    Raises:
        CheckpointFormatError: torch.save did not write the file, it contains objects other than tensors, or
            it is incomplete.
    """
    pickles = TorchPickles(file.first_bytes(MAX_HEADER))
    if pickles.load_next() != _MAGIC_NUMBER:
        raise CheckpointFormatError(
            "is a pickle, but was not written by torch.save",
            hint="save only the weights: torch.save(net.state_dict(), FILE)",
        )
    version, machine = pickles.load_next(), pickles.load_next()
    if version != _VERSION or type(machine) is not dict or machine.get("little_endian") is not True:
        raise CheckpointFormatError("was written in another version or byte order than torch.save uses")
    state = extract_state_dict(pickles.load_next())
    keys = pickles.load_next()
    if type(keys) is not list:
        raise CheckpointFormatError("does not contain the order of its storages")
    offsets: dict[str, tuple[int, int]] = {}  # position and size in bytes of each storage
    cursor = FileCursor(file, pickles.position)
    for key in keys:
        if type(key) is not str or key not in pickles.storages:
            raise CheckpointFormatError(f"contains storage {shorten(key)}, which its pickle does not name")
        if key in offsets:
            raise CheckpointFormatError(f"contains storage {shorten(key)} twice")
        storage = pickles.storages[key]
        what = f"storage {shorten(key)}"
        (count,) = cursor.unpack("<q", what)
        if count != storage.count:
            raise CheckpointFormatError(
                f"{what} has {count} numbers, but its pickle declares {storage.count}"
            )
        file.read_bytes(cursor.at + storage.size_bytes, 0, what)
        offsets[key] = cursor.at, storage.size_bytes
        cursor.at += storage.size_bytes
    cursor.require_end()
    return map_tensors(state, offsets, file)
