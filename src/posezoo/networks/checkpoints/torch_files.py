"""Read PyTorch's two formats: the zip archive of 1.6 and newer, and the pickles of older versions.

Source: torch/serialization.py (``_save``, ``_load``, ``_legacy_save``, ``_legacy_load``) and
caffe2/serialize/inline_container.cc of PyTorch 2.13, which can still write both.
"""

from __future__ import annotations

import struct
import zipfile
from itertools import pairwise
from pathlib import PurePosixPath

from posezoo.core.arrays import Array
from posezoo.core.regular_files import open_regular
from posezoo.networks.checkpoints.mapped_file import (
    MAX_HEADER,
    MAX_PICKLE,
    CheckpointFormatError,
    FileCursor,
    MappedFile,
    shorten,
)
from posezoo.networks.checkpoints.torch_state_dict import TorchPickles, map_tensors

#: The first bytes of a zip archive that is not empty.
ZIP_MAGIC = b"PK\x03\x04"

_PICKLE = "data.pkl"

# From APPNOTE.TXT, 4.3.16, 4.3.14 and 4.3.7: the two end-of-directory records, and the header of an
# entry.
_END = struct.Struct("<4s8xLL2x")
_END64 = struct.Struct("<4s36xQQ")
_LOCAL = struct.Struct("<4s22xHH")

# The first two pickles of the older format.
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def read_torch_zip(file: MappedFile) -> dict[str, Array]:
    """The tensors of a zip archive by their keys, in its order; a CheckpointFormatError if it is
    not valid.

    Its storages are not compressed, so that arrays can be views of it.
    """
    offsets = _read_offsets(file)
    if _PICKLE not in offsets:
        raise CheckpointFormatError(
            "is a zip archive, but was not written by torch.save",
            hint="if it contains weights, unpack it",
        )
    if "byteorder" in offsets and file.read_bytes(*offsets["byteorder"], "byteorder") != b"little":
        raise CheckpointFormatError("was written on a machine with the other byte order")
    start, size = offsets[_PICKLE]
    if size > MAX_PICKLE:
        raise CheckpointFormatError(
            f"its pickle has {size} bytes, more than a description of tensors needs",
            hint="save only the weights: torch.save(net.state_dict(), FILE)",
        )
    pickles = TorchPickles(file.read_bytes(start, size, _PICKLE))
    state = pickles.load_state_dict()
    if pickles.position != size:
        raise CheckpointFormatError(f"{size - pickles.position} bytes follow its pickle")
    data = {
        name.removeprefix("data/"): offset
        for name, offset in offsets.items()
        if name.startswith("data/")
    }
    return map_tensors(state, data, file)


def _read_offsets(file: MappedFile) -> dict[str, tuple[int, int]]:
    """Position of the first byte, and size in bytes, of each entry, by its name below the top
    folder.
    """
    _check_directory(file)
    try:
        with open_regular(file.path) as stream, zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise CheckpointFormatError(f"is a damaged zip archive: {error}") from error
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise CheckpointFormatError(
            "is a TorchScript archive, which contains a program",
            hint="save only the weights: torch.save(net.state_dict(), FILE)",
        )
    offsets: dict[str, tuple[int, int]] = {}
    tops = set()
    for entry in entries:
        top, *parts = PurePosixPath(entry.filename).parts or ("",)
        is_outside = ".." in (top, *parts) or entry.filename.startswith("/")
        if not parts or is_outside or "\\" in entry.filename:
            raise CheckpointFormatError(
                f"is a zip archive with the entry {shorten(entry.filename)}, which torch.save does"
                " not write",
                hint="if it contains weights, unpack it",
            )
        name = "/".join(parts)
        tops.add(top)
        if name in offsets:
            raise CheckpointFormatError(f"contains {shorten(entry.filename)} twice")
        offsets[name] = _start(file, entry), entry.file_size
    if len(tops) > 1:
        raise CheckpointFormatError(
            "is a zip archive with several top folders: torch.save writes one"
        )
    # If entries shared bytes, a small file could need much memory.
    for (start, size), (following, _) in pairwise(sorted(offsets.values())):
        if following < start + size:
            raise CheckpointFormatError("is a zip archive whose entries overlap")
    return offsets


def _check_directory(file: MappedFile) -> None:
    """Limit the size of the directory, because its parsed entries take 40 times as much memory."""
    signature, size, _ = _END.unpack(_entry_header(file, 0, _END.size))
    if signature != b"PK\x05\x06":
        raise CheckpointFormatError(
            "is a zip archive without its directory", hint="it is truncated; download it again"
        )
    locator = _entry_header(file, _END.size, 20)
    if locator.startswith(b"PK\x06\x07"):
        _, size, _ = _END64.unpack(_entry_header(file, _END.size + 20, _END64.size))
    if size > MAX_HEADER:
        raise CheckpointFormatError(
            f"is a zip archive with a directory of {size} bytes, more than {MAX_HEADER}"
        )


def _entry_header(file: MappedFile, end: int, size: int) -> bytes:
    return file.read_bytes(file.size - end - size, size, "the end of the zip archive")


def _start(file: MappedFile, entry: zipfile.ZipInfo) -> int:
    """The position of an entry's content; the directory only has the position of its header."""
    what = f"entry {shorten(entry.filename)}"
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise CheckpointFormatError(
            f"{what} is compressed or encrypted, which torch.save does not do"
        )
    if entry.compress_size != entry.file_size:
        raise CheckpointFormatError(f"{what} is not compressed, but has two different sizes")
    header = file.read_bytes(entry.header_offset, _LOCAL.size, what)
    signature, name, extra = _LOCAL.unpack(header)
    start: int = entry.header_offset + _LOCAL.size + name + extra
    named = file.read_bytes(entry.header_offset + _LOCAL.size, name, what)
    encoding = "utf-8" if entry.flag_bits & 0x800 else "cp437"
    if signature != ZIP_MAGIC or named != entry.orig_filename.encode(encoding):
        raise CheckpointFormatError(f"{what} is not at the position that the directory states")
    return start


def is_legacy_torch(head: bytes) -> bool:
    """Whether the file begins like a pickle: with the opcode PROTO and an existing protocol."""
    return head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def read_legacy_torch(file: MappedFile) -> dict[str, Array]:
    """The tensors of a file of PyTorch before 1.6, in order; a CheckpointFormatError if it is not
    valid.

    Its pickles are a magic number, the format's version, properties of the machine, the checkpoint,
    and the keys of the storages; the size and numbers of each storage follow.
    """
    pickles = TorchPickles(file.first_bytes(MAX_PICKLE))
    if pickles.load_next() != _MAGIC_NUMBER:
        raise CheckpointFormatError(
            "is a pickle, but was not written by torch.save",
            hint="save only the weights: torch.save(net.state_dict(), FILE)",
        )
    version = pickles.load_next()
    machine = pickles.load_next()
    if version != _VERSION or type(machine) is not dict or machine.get("little_endian") is not True:
        raise CheckpointFormatError(
            "was written in another version or byte order than torch.save uses"
        )
    state = pickles.load_state_dict()
    keys = pickles.load_next()
    if type(keys) is not list:
        raise CheckpointFormatError("does not contain the order of its storages")
    offsets: dict[str, tuple[int, int]] = {}  # position and size in bytes of each storage
    cursor = FileCursor(file, pickles.position)
    for key in keys:
        if type(key) is not str or key not in pickles.storages:
            raise CheckpointFormatError(
                f"contains storage {shorten(key)}, which its pickle does not name"
            )
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
