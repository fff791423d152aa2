"""What torch.save has written since PyTorch 1.6: a zip of a pickle and, for each storage, its bytes.

The entries are stored, not compressed, so they are views of the file like any other. After
torch/serialization.py (``_save``, ``_load``) and caffe2/serialize/inline_container.cc of PyTorch 2.13.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable
from operator import itemgetter
from pathlib import PurePosixPath

from posezoo.checkpoints.mapped import LONGEST_HEADER, Array, Mapped, Unreadable, shortly
from posezoo.checkpoints.pickles import Pickles
from posezoo.checkpoints.torch_state import VOCABULARY, Storages, arrays, state_of

#: What any zip that is not empty opens with.
MAGIC = b"PK\x03\x04"

_PICKLE = "data.pkl"

# APPNOTE.TXT, 4.3.16, 4.3.14 and 4.3.7: the ends of the directory, and what precedes an entry.
_END = struct.Struct("<4s8xLL2x")
_END64 = struct.Struct("<4s36xQQ")
_LOCAL = struct.Struct("<4s22xHH")

#: Where each entry lies, by its name below the top folder: its first byte, and how many.
Places = dict[str, tuple[int, int]]


def read(file: Mapped) -> dict[str, Array]:
    """The tensors of a checkpoint by their keys, in its order.

    Raises:
        Unreadable: it is no such zip, its pickle asks for more than weights, or the numbers are not there.
    """
    places = _places(file)
    if _PICKLE not in places:
        raise Unreadable(
            "is a zip archive, but none that torch.save wrote", hint="if weights lie in it, unpack it"
        )
    if "byteorder" in places and file.bytes(*places["byteorder"], "byteorder") != b"little":
        raise Unreadable("was written on a machine with the other order of bytes")
    start, size = places[_PICKLE]
    if size > LONGEST_HEADER:
        raise Unreadable(
            f"its pickle has {size} bytes, where tensors have none",
            hint="save the weights as tensors, net.state_dict(), or as .safetensors",
        )
    storages = Storages()
    pickles = Pickles(file.bytes(start, size, _PICKLE), VOCABULARY, storages.refer)
    state = state_of(pickles.next())
    if pickles.at != size:
        raise Unreadable(f"{size - pickles.at} bytes follow its pickle")
    data = {name.removeprefix("data/"): place for name, place in places.items() if name.startswith("data/")}
    return arrays(state, data, file)


def _places(file: Mapped) -> Places:
    _check_directory(file)
    try:
        with zipfile.ZipFile(file.path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise Unreadable(f"is a damaged zip archive: {error}") from error
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise Unreadable(
            "is a TorchScript archive, a program",
            hint="save the weights alone: torch.save(net.state_dict(), FILE)",
        )
    places: Places = {}
    tops = set()
    for entry in entries:
        top, name = _parts(entry.filename)
        tops.add(top)
        if name in places:
            raise Unreadable(f"holds {shortly(entry.filename)} twice")
        places[name] = _start(file, entry), entry.file_size
    if len(tops) > 1:
        raise Unreadable("is a zip archive of several folders: torch.save makes one")
    _check_apart(places.values())
    return places


def _check_directory(file: Mapped) -> None:
    """The directory, at the end, is small; each of its entries takes 40 times its size in memory."""
    signature, size, _ = _END.unpack(_before(file, 0, _END.size))
    if signature != b"PK\x05\x06":
        raise Unreadable("is a zip archive without its end", hint="it was cut short; fetch it again")
    locator = _before(file, _END.size, 20)
    if locator.startswith(b"PK\x06\x07"):
        _, size, _ = _END64.unpack(_before(file, _END.size + 20, _END64.size))
    if size > LONGEST_HEADER:
        raise Unreadable(f"is a zip archive with a directory of {size} bytes")


def _before(file: Mapped, end: int, size: int) -> bytes:
    return file.bytes(file.size - end - size, size, "the end of the zip archive")


def _parts(name: str) -> tuple[str, str]:
    """The top folder, and the rest."""
    parts = PurePosixPath(name).parts
    if len(parts) < 2 or ".." in parts or "\\" in name or name.startswith("/"):
        raise Unreadable(
            f"is a zip archive with the entry {shortly(name)}, which torch.save does not write",
            hint="if weights lie in it, unpack it",
        )
    return parts[0], "/".join(parts[1:])


def _start(file: Mapped, entry: zipfile.ZipInfo) -> int:
    """Where an entry's bytes begin; the directory knows only where its own heading does."""
    what = f"entry {shortly(entry.filename)}"
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise Unreadable(f"{what} is compressed or encrypted: torch.save only stores")
    if entry.compress_size != entry.file_size:
        raise Unreadable(f"{what} has two sizes")
    heading = file.bytes(entry.header_offset, _LOCAL.size, what)
    signature, name, extra = _LOCAL.unpack(heading)
    start: int = entry.header_offset + _LOCAL.size + name + extra
    named = file.bytes(entry.header_offset + _LOCAL.size, name, what)
    if signature != MAGIC or named != entry.orig_filename.encode(
        "utf-8" if entry.flag_bits & 0x800 else "cp437"
    ):
        raise Unreadable(f"{what} is not where the directory says")
    return start


def _check_apart(places: Iterable[tuple[int, int]]) -> None:
    """Entries that share bytes would make a small file large."""
    at = 0
    for start, size in sorted(places, key=itemgetter(0)):
        if start < at:
            raise Unreadable("is a zip archive whose entries overlap")
        at = start + size
