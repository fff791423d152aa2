"""Map a checkpoint file into memory; a read beyond the end of the file is an error.

It is mapped copy-on-write until the last array that refers to it is gone: only the accessed bytes
are read, and writing to an array does not change the file.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.regular_files import open_regular

#: The most tensors of a checkpoint. The zoo's largest network has 1 900, and 5 000 with the two
#: that Adam adds for each parameter.
MAX_TENSORS = 1 << 16

#: The largest size of a header or zip directory, in bytes. The objects that are parsed from
#: it take up to 40 times as much memory. HigherHRNet's pickle has 0.3 MB.
MAX_HEADER = 4 << 20

#: The largest size of a pickle in bytes. mmengine puts the losses of all iterations into it.
MAX_PICKLE = 32 << 20

#: The most dimensions of a tensor, which is the limit of NumPy 1. Weights of 3D convolutions have
#: 5.
MAX_DIMENSIONS = 32

BOOL = "bool"
BFLOAT16 = "bf16"

# For two types that NumPy cannot read directly: the types that are read instead of them.
_STORED = {BOOL: "u1", BFLOAT16: "<u2"}


class CheckpointFormatError(ValueError):
    """The bytes are not a valid checkpoint; the message is one line, without the file's name,
    ``hint`` what the user can do.
    """

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.hint = hint


class MappedFile:
    """The bytes of a file.

    Raises:
        OSError: it cannot be opened or mapped.
        CheckpointFormatError: it is empty, or a part that is read extends beyond its end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_regular(path) as stream:
            self.size = stream.seek(0, 2)
            if self.size == 0:
                raise CheckpointFormatError("is empty")
            self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)

    def first_bytes(self, max_count: int) -> bytes:
        """The first bytes, or all if there are fewer."""
        return self._bytes[:max_count]

    def read_bytes(self, start: int, size: int, what: str) -> bytes:
        """A copy of a part of the file; ``what`` names it in errors."""
        self.require_inside(start, size, what)
        return self._bytes[start : start + size]

    def read_array(self, start: int, count: int, kind: str, what: str) -> Array:
        """``count`` consecutive numbers, shape (count,).

        It is a view of the file, or a copy if the numbers are not aligned, or if NumPy lacks their
        type: bfloat16, the upper half of a float32, becomes float32, and a byte that is not 0
        becomes True.
        """
        stored_as = np.dtype(_STORED.get(kind, f"<{kind}"))
        self.require_inside(start, count * stored_as.itemsize, what)
        if count == 0:
            stored = np.zeros(0, stored_as)
        else:
            stored = np.frombuffer(self._bytes, stored_as, count, start)
        if kind == BOOL:
            booleans: Array = stored != 0
            return booleans
        if kind == BFLOAT16:
            wide = stored.astype(np.uint32)
            wide <<= 16
            return wide.view(np.float32)
        return np.require(stored, stored_as.newbyteorder("="), ["ALIGNED"])

    def require_inside(self, start: int, size: int, what: str) -> None:
        """Raise a CheckpointFormatError if a part extends beyond the file; ``what`` names it."""
        if start < 0 or size < 0 or start + size > self.size:
            raise CheckpointFormatError(
                f"{what}: {shorten(size)} bytes at byte {shorten(start)} extend beyond the file's "
                f"{self.size}",
                hint="the file is truncated, or its header is wrong; download it again",
            )


class FileCursor:
    """Reads a mapped file from its beginning; a CheckpointFormatError beyond the end."""

    def __init__(self, file: MappedFile, at: int = 0) -> None:
        self.file = file
        self.at = at

    def unpack(self, form: str, what: str) -> tuple[int, ...]:
        """The next integers, by a format of :mod:`struct` without padding."""
        size = struct.calcsize(form)
        values = struct.unpack(form, self.file.read_bytes(self.at, size, what))
        self.at += size
        return values

    def read_text(self, size: int, what: str) -> str:
        """The next ``size`` bytes as text; CheckpointFormatError if they are not UTF-8."""
        if size > MAX_HEADER:
            raise CheckpointFormatError(
                f"{what} declares a text of {size} bytes, more than {MAX_HEADER}"
            )
        content = self.file.read_bytes(self.at, size, what)
        self.at += size
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise CheckpointFormatError(f"{what} is not UTF-8: {content[:60]!r}") from None

    def read_array(self, count: int, kind: str, what: str) -> Array:
        """The next ``count`` numbers."""
        array = self.file.read_array(self.at, count, kind, what)
        self.at += count * dtype_size(kind)
        return array

    def require_end(self) -> None:
        """Raise CheckpointFormatError if this is not the end of the file."""
        if self.at != self.file.size:
            raise CheckpointFormatError(
                f"ends at byte {self.at}, and {self.file.size - self.at} more bytes follow"
            )


def dtype_size(kind: str) -> int:
    """The size of a number in the file, in bytes."""
    return np.dtype(_STORED.get(kind, kind)).itemsize


def element_count(shape: Sequence[object], what: str) -> int:
    """The number of elements of a tensor of this shape; CheckpointFormatError if it is not a
    shape.
    """
    if len(shape) > MAX_DIMENSIONS:
        raise CheckpointFormatError(
            f"{what} declares {len(shape)} dimensions, more than {MAX_DIMENSIONS}"
        )
    sizes = [require_size(size, f"a size of {what}") for size in shape]
    # NumPy multiplies the other sizes even if one is 0.
    if math.prod(filter(None, sizes)) >= 1 << 56:
        raise CheckpointFormatError(
            f"{what} declares the shape {truncate('x'.join(map(str, sizes)))}, which is too large"
        )
    return math.prod(sizes)


def require_size(value: object, what: str) -> int:
    """Return the value if it is an integer from 0 to 2^63 - 1; else raise a
    CheckpointFormatError.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise CheckpointFormatError(
            f"{what} is {shorten(value)}, expected an integer from 0 to 2^63 - 1"
        )
    return value


def shorten(value: object) -> str:
    """An untrusted value for a message: a short text without nested values."""
    if isinstance(value, int) and value.bit_length() < 80:
        return str(value)
    if isinstance(value, str):
        return repr(truncate(value))
    if isinstance(value, int):
        return f"a huge {type(value).__name__}"
    return f"of type {type(value).__name__}"


def truncate(text: str) -> str:
    """The text, shortened for a message."""
    return text if len(text) <= 80 else f"{text[:77]}..."
