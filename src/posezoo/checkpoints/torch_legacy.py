"""What torch.save wrote before PyTorch 1.6: five pickles, then each storage's count and numbers.

The pickles: a magic number, the format's version, the machine's habits, the checkpoint, and the keys of
the storages in their order. After torch/serialization.py (``_legacy_save``, ``_legacy_load``) of PyTorch
2.13, which still writes it when asked to.
"""

from __future__ import annotations

from posezoo.checkpoints.mapped import LONGEST_HEADER, Array, Cursor, Mapped, Unreadable, shortly
from posezoo.checkpoints.pickles import Pickles
from posezoo.checkpoints.torch_state import VOCABULARY, Storages, arrays, state_of

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_VERSION = 1001

_OPENINGS = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


def recognises(head: bytes) -> bool:
    """Pickle's PROTO and a protocol that there is."""
    return head[:2] in _OPENINGS


def read(file: Mapped) -> dict[str, Array]:
    """The tensors of a checkpoint by their keys, in its order.

    Raises:
        Unreadable: torch.save did not write it, it asks for more than weights, or is not whole.
    """
    storages = Storages()
    pickles = Pickles(file.head(LONGEST_HEADER), VOCABULARY, storages.refer)
    if pickles.next() != _MAGIC_NUMBER:
        raise Unreadable(
            "is a pickle, but none that torch.save wrote",
            hint="save the weights alone: torch.save(net.state_dict(), FILE)",
        )
    version, habits = pickles.next(), pickles.next()
    if version != _VERSION or type(habits) is not dict or habits.get("little_endian") is not True:
        raise Unreadable("was written in another version or order of bytes than torch.save does")
    state = state_of(pickles.next())
    keys = pickles.next()
    return arrays(state, _places(file, pickles.at, keys, storages), file)


def _places(file: Mapped, start: int, keys: object, storages: Storages) -> dict[str, tuple[int, int]]:
    """Where each storage lies: its first byte, and how many."""
    if type(keys) is not list:
        raise Unreadable("does not say in which order its storages follow")
    places: dict[str, tuple[int, int]] = {}
    cursor = Cursor(file, start)
    for key in keys:
        if type(key) is not str or key not in storages.by_key or key in places:
            raise Unreadable(f"holds storage {shortly(key)}, which its pickle does not name, or twice")
        storage = storages.by_key[key]
        what = f"storage {shortly(key)}"
        (count,) = cursor.unpack("<q", what)
        if count != storage.count:
            raise Unreadable(f"{what} has {count} numbers, and is said to have {storage.count}")
        file.bytes(cursor.at + storage.size, 0, what)
        places[key] = cursor.at, storage.size
        cursor.at += storage.size
    cursor.finish()
    return places
