"""A file's bytes, mapped into memory and looked at only within its bounds.

Mapped copy-on-write: what is never looked at is never read, arrays may be written to, and the file
stays as it is. Whoever holds an array holds the mapping.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: The largest network of the zoo has 1 900 tensors; with Adam's two for each parameter 5 000.
MOST_TENSORS = 1 << 16

#: What precedes the numbers (a header, a pickle, a directory) as text costs up to 40 times as much in
#: objects. HigherHRNet's is 0.3 MB.
LONGEST_HEADER = 4 << 20

#: NumPy 1 knows no more; convolutions over volumes have 5.
MOST_DIMENSIONS = 32

BOOL, BFLOAT16 = "bool", "bf16"

# Two kinds lie in the file as NumPy has no name for them.
_STORED = {BOOL: "u1", BFLOAT16: "<u2"}


class CheckpointFormatError(ValueError):
    """The bytes are no checkpoint; says what is wrong in one line, and what to do next."""

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.hint = hint


class MappedFile:
    """The bytes of a file that is not empty.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be opened or mapped.
        Unreadable: it is empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open(path, "rb") as stream:
            self.size = stream.seek(0, 2)
            if self.size == 0:
                raise CheckpointFormatError("is empty")
            self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)

    def first_bytes(self, max_count: int) -> bytes:
        """The first bytes, as many as there are."""
        return self._bytes[:max_count]

    def read_bytes(self, start: int, size: int, what: str) -> bytes:
        """A piece of the file, copied; ``what`` it is stands in the complaint.

        Raises:
            Unreadable: it reaches beyond the file.
        """
        self._check(start, size, what)
        return self._bytes[start : start + size]

    def read_array(self, start: int, count: int, kind: str, what: str) -> Array:
        """``count`` numbers in a row, shape (count,).

        A view of the file; a copy where they do not lie aligned, and where they are of a kind that NumPy
        lacks: bfloat16, the upper half of a float32, becomes float32, and a byte that is not 0 True.

        Raises:
            Unreadable: they reach beyond the file.
        """
        stored_as = np.dtype(_STORED.get(kind, f"<{kind}"))
        self._check(start, count * stored_as.itemsize, what)
        if count == 0:
            stored = np.zeros(0, stored_as)
        else:
            stored = np.frombuffer(self._bytes, stored_as, count, start)
        if kind == BOOL:
            truths: Array = stored != 0
            return truths
        if kind == BFLOAT16:
            wide = stored.astype(np.uint32)
            wide <<= 16
            floats: Array = wide.view(np.float32)
            return floats
        native: Array = np.require(stored, stored_as.newbyteorder("="), ["ALIGNED"])
        return native

    def _check(self, start: int, size: int, what: str) -> None:
        if start < 0 or size < 0 or start + size > self.size:
            raise CheckpointFormatError(
                f"{what}: {shorten(size)} bytes at byte {shorten(start)} reach beyond the file's {self.size}",
                hint="the file was cut short, or its header lies; fetch it again",
            )


class FileCursor:
    """Reads a mapped file from front to back."""

    def __init__(self, file: MappedFile, at: int = 0) -> None:
        self.file, self.at = file, at

    def unpack(self, form: str, what: str) -> tuple[int, ...]:
        """The next integers, written as :mod:`struct` says, without gaps.

        Raises:
            Unreadable: the file ends before.
        """
        size = struct.calcsize(form)
        values = struct.unpack(form, self.file.read_bytes(self.at, size, what))
        self.at += size
        return values

    def read_text(self, size: int, what: str) -> str:
        """The next ``size`` bytes as UTF-8.

        Raises:
            Unreadable: the file ends before, or they are not UTF-8.
        """
        if size > LONGEST_HEADER:
            raise CheckpointFormatError(f"{what} is said to have {size} bytes")
        content = self.file.read_bytes(self.at, size, what)
        self.at += size
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise CheckpointFormatError(f"{what} is not UTF-8: {content[:60]!r}") from None

    def read_array(self, count: int, kind: str, what: str) -> Array:
        """The next ``count`` numbers."""
        found = self.file.read_array(self.at, count, kind, what)
        self.at += count * dtype_size(kind)
        return found

    def require_end(self) -> None:
        """Nothing may follow.

        Raises:
            Unreadable: something does.
        """
        if self.at != self.file.size:
            raise CheckpointFormatError(
                f"ends at byte {self.at}, and {self.file.size - self.at} more bytes follow"
            )


def dtype_size(kind: str) -> int:
    """How many bytes a number takes in the file."""
    return np.dtype(_STORED.get(kind, kind)).itemsize


def element_count(shape: Sequence[object], what: str) -> int:
    """How many numbers a tensor of this shape has.

    Raises:
        Unreadable: it is no shape.
    """
    if len(shape) > MOST_DIMENSIONS:
        raise CheckpointFormatError(f"{what} is said to have {len(shape)} dimensions")
    sizes = [require_size(size, f"a size of {what}") for size in shape]
    # NumPy multiplies the others even where one is 0.
    if math.prod(filter(None, sizes)) >= 1 << 56:
        raise CheckpointFormatError(f"{what} is said to have the shape {truncate('x'.join(map(str, sizes)))}")
    return math.prod(sizes)


def require_size(value: object, what: str) -> int:
    """A count or size as files can have it: an integer from 0 to 2^63 - 1.

    Raises:
        Unreadable: it is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise CheckpointFormatError(f"{what} is {shorten(value)}")
    return value


def shorten(value: object) -> str:
    """A stranger's value in a message: never long, never deep."""
    if isinstance(value, int) and value.bit_length() < 80:
        return str(value)
    if isinstance(value, str):
        return repr(truncate(value))
    return f"a huge {type(value).__name__}" if isinstance(value, int) else f"of type {type(value).__name__}"


def truncate(text: str) -> str:
    """As much of it as a message needs."""
    return text if len(text) <= 80 else f"{text[:77]}..."
