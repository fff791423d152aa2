"""Readers of Darknet's .cfg files, which name the layers of a network, and of its .weights files, a
header, then FP32 numbers in their order.

A line of a .cfg is a layer (``[route]``), one of its values (``layers = -1, -7``), or a comment (#,
;).
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import field
from pathlib import Path

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import ConversionError, sanitize
from posezoo.core.regular_files import open_regular
from posezoo.core.values import frozen
from posezoo.formats.layers_text import read_layers_text

#: The largest file that is read; YOLOv4 has 12 KB.
MAX_BYTES = 256 << 10
#: YOLOv4 has 162 layers; the longest of its lists has 4 numbers.
MAX_LAYERS = 2000
_MAX_NUMBERS = 100

#: The values of [net] that inference needs.
_SIZES = ("channels", "height", "width")

_HEADING = re.compile(r"\[(\w{1,40})\]")
_INTEGER = re.compile(r"[-+]?[0-9]{1,7}")
_NUMBER = re.compile(r"[-+]?[0-9]{0,7}\.?[0-9]{1,20}")


#: Larger parts of a version are those of another file.
_MAX_VERSION = 1000
_HINT = "the .cfg and the .weights may be of different networks, or the download is not complete"


@frozen
class Section:
    """A layer, or the first section, ``[net]``, with its values as text."""

    file: Path
    line: int
    kind: str
    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # where each value is

    def text(self, key: str, default: str = "") -> str:
        """A value; a ConversionError if there is none, and no default."""
        text = self.values.get(key, default)
        if not text:
            raise self.make_error(f"[{self.kind}] has no {key}")
        return text

    def integers(self, key: str, default: str = "") -> list[int]:
        """Whole numbers between commas; a ConversionError if the value has another form."""
        return list(map(int, self._split(key, default, _INTEGER, "whole numbers")))

    def numbers(self, key: str, default: str = "") -> list[float]:
        """Numbers between commas; a ConversionError if the value has another form."""
        return list(map(float, self._split(key, default, _NUMBER, "numbers")))

    def _split(self, key: str, default: str, form: re.Pattern[str], expected: str) -> list[str]:
        text = self.text(key, default)
        parts = [part.strip() for part in text.split(",")]
        if not all(map(form.fullmatch, parts)):
            raise self.make_error(f"{key}: expected {expected}, got {sanitize(text)}", key)
        if len(parts) > _MAX_NUMBERS:
            raise self.make_error(f"{key}: has {len(parts)} numbers, at most {_MAX_NUMBERS}", key)
        return parts

    def integer(self, key: str, default: str = "", *, least: int = 1) -> int:
        """One whole number; a ConversionError if it is smaller than the least."""
        numbers = self.integers(key, default)
        if len(numbers) > 1 or numbers[0] < least:
            raise self.make_error(f"{key}: expected one number, at least {least}", key)
        return numbers[0]

    def make_error(self, problem: str, key: str = "") -> ConversionError:
        """An error that names the line of a value, or of the section."""
        return ConversionError(f"{self.file}:{self.lines.get(key, self.line)}: {problem}")


def read_cfg(path: Path) -> list[Section]:
    """The sections of a file.

    Raises:
        ConversionError: the file does not exist, is too large or no .cfg; the message names the
            line.
    """
    sections: list[Section] = []
    text = read_layers_text(path, ".cfg", MAX_BYTES)
    for number, written in enumerate(text.split("\n"), 1):
        line = written.strip()
        if line[:1] in ("", "#", ";"):
            continue
        if heading := _HEADING.fullmatch(line):
            sections.append(Section(path, number, heading[1]))
            if len(sections) > MAX_LAYERS:
                raise sections[-1].make_error(f"more than {MAX_LAYERS} layers")
            continue
        key, sign, value = line.partition("=")
        if not sign or not sections:
            raise ConversionError(
                f"{path}:{number}: expected [layer] or key = value, got {sanitize(line)}"
            )
        key = key.strip()
        text, *_ = value.split("#", 1)
        section = sections[-1]
        if key not in section.values:
            section.values[key] = text.strip()
            section.lines[key] = number
        elif section.kind != "net" or key in _SIZES:  # others are for the training
            raise ConversionError(f"{path}:{number}: {sanitize(key)} is given twice")
    if not sections:
        raise ConversionError(f"{path}: is empty")
    return sections


def is_darknet(path: Path) -> bool:
    """Whether a file begins like a .weights file."""
    return _header_size(path) > 0


def _header_size(path: Path) -> int:
    """The bytes of the version and of the number of images in training; 0 if it is no header."""
    with open_regular(path) as stream:
        head = stream.read(12)
    if len(head) < 12:
        return 0
    major, minor, revision = struct.unpack("<3i", head)
    if not all(0 <= part < _MAX_VERSION for part in (major, minor, revision)):
        return 0
    # Since version 0.2, the number has 8 bytes.
    return 20 if major * 10 + minor >= 2 else 16


class WeightsReader:
    """Takes one array after the other from the bytes of the file; ``variances`` are those that were
    taken.
    """

    def __init__(self, path: Path) -> None:
        size = path.stat().st_size
        start = _header_size(path)
        if not 0 < start < size or size % 4:
            raise ConversionError(f"{path}: is damaged, or no .weights file", hint=_HINT)
        with open_regular(path) as stream:
            self.content: Array = np.memmap(stream, np.uint8, "c")
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
