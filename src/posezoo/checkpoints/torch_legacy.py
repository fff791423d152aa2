"""What torch.save wrote before PyTorch 1.6: five pickles, then each storage's count and numbers.

The pickles: a magic number, the format's version, the machine's habits, the checkpoint, and the keys of
the storages in their order. After torch/serialization.py (``_legacy_save``, ``_legacy_load``) of PyTorch
2.13, which still writes it when asked to.
"""

from __future__ import annotations

from posezoo.checkpoints.mapped_file import (
    LONGEST_HEADER,
    Array,
    CheckpointFormatError,
    FileCursor,
    MappedFile,
    shorten,
)
from posezoo.checkpoints.safe_pickle import PickleSequence
from posezoo.checkpoints.torch_state_dict import VOCABULARY, StorageTable, extract_state_dict, map_tensors

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_VERSION = 1001

_OPENINGS = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


def is_legacy_torch(head: bytes) -> bool:
    """Pickle's PROTO and a protocol that there is."""
    return head[:2] in _OPENINGS


def read_legacy_torch(file: MappedFile) -> dict[str, Array]:
    """The tensors of a checkpoint by their keys, in its order.

    Raises:
        Unreadable: torch.save did not write it, it asks for more than weights, or is not whole.
    """
    storages = StorageTable()
    pickles = PickleSequence(file.first_bytes(LONGEST_HEADER), VOCABULARY, storages.resolve)
    if pickles.load_next() != _MAGIC_NUMBER:
        raise CheckpointFormatError(
            "is a pickle, but none that torch.save wrote",
            hint="save the weights alone: torch.save(net.state_dict(), FILE)",
        )
    version, habits = pickles.load_next(), pickles.load_next()
    if version != _VERSION or type(habits) is not dict or habits.get("little_endian") is not True:
        raise CheckpointFormatError("was written in another version or order of bytes than torch.save does")
    state = extract_state_dict(pickles.load_next())
    keys = pickles.load_next()
    return map_tensors(state, _places(file, pickles.position, keys, storages), file)


def _places(file: MappedFile, start: int, keys: object, storages: StorageTable) -> dict[str, tuple[int, int]]:
    """Where each storage lies: its first byte, and how many."""
    if type(keys) is not list:
        raise CheckpointFormatError("does not say in which order its storages follow")
    places: dict[str, tuple[int, int]] = {}
    cursor = FileCursor(file, start)
    for key in keys:
        if type(key) is not str or key not in storages.by_key or key in places:
            raise CheckpointFormatError(
                f"holds storage {shorten(key)}, which its pickle does not name, or twice"
            )
        storage = storages.by_key[key]
        what = f"storage {shorten(key)}"
        (count,) = cursor.unpack("<q", what)
        if count != storage.count:
            raise CheckpointFormatError(f"{what} has {count} numbers, and is said to have {storage.count}")
        file.read_bytes(cursor.at + storage.size_bytes, 0, what)
        places[key] = cursor.at, storage.size_bytes
        cursor.at += storage.size_bytes
    cursor.require_end()
    return places
