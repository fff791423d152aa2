"""A reader of .weights files: a header, then FP32 numbers in the order of the layers."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import ConversionError
from posezoo.formats.darknet.cfg import Section

#: Larger parts of a version are those of another file.
_MAX_VERSION = 1000
_HINT = "the .cfg and the .weights may be of different networks, or the download is not complete"


def is_darknet(path: Path) -> bool:
    """Whether a file begins like a .weights file."""
    return _header_size(path) > 0


def _header_size(path: Path) -> int:
    """The bytes of the version and of the number of images in training; 0 if it is no header."""
    with open(path, "rb") as stream:
        head = stream.read(12)
    if len(head) < 12:
        return 0
    major, minor, revision = struct.unpack("<3i", head)
    if not all(0 <= part < _MAX_VERSION for part in (major, minor, revision)):
        return 0
    # Since version 0.2, the number has 8 bytes.
    return 20 if major * 10 + minor >= 2 else 16


class WeightsReader:
    """Takes one array after the other.

    Attributes:
        content: the bytes of the file; a change is not written to the file.
        variances: those that were taken; each is a part of the content.
    """

    def __init__(self, path: Path) -> None:
        size = path.stat().st_size
        start = _header_size(path)
        if not 0 < start < size or size % 4:
            raise ConversionError(f"{path}: is damaged, or no .weights file", hint=_HINT)
        self.content: Array = np.memmap(path, np.uint8, "c")
        self.variances: list[Array] = []
        self._values = self.content[start:].view("<f4")
        self._path = path
        self._taken = 0

    def take(self, section: Section, *shape: int) -> Array:
        """The next weights; a ConversionError if the file ends before them."""
        end = self._taken + math.prod(shape)
        if end > self._values.size:
            error = section.make_error(
                f"needs weights up to number {end}; {self._path} has {self._values.size}"
            )
            error.hint = _HINT
            raise error
        values = self._values[self._taken : end].reshape(shape)
        self._taken = end
        return values

    def require_end(self) -> None:
        """A ConversionError if there are weights that no layer has taken."""
        if rest := self._values.size - self._taken:
            raise ConversionError(
                f"{self._path}: has {rest} more weights than the layers of its .cfg", hint=_HINT
            )
