"""A reader of Darknet's .cfg files, which name the layers of a network in their order.

A line is a layer (``[route]``), one of its values (``layers = -1, -7``), or a comment (#, ;).
"""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path

from posezoo.core.errors import ConversionError, sanitize
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
        text, *_ = value.split("#", 1)
        _add_value(sections[-1], key.strip(), text.strip(), number)
    if not sections:
        raise ConversionError(f"{path}: is empty")
    return sections


def _add_value(section: Section, key: str, value: str, line: int) -> None:
    if key in section.values:
        if section.kind == "net" and key not in _SIZES:
            return  # for the training
        raise ConversionError(f"{section.file}:{line}: {sanitize(key)} is given twice")
    section.values[key] = value
    section.lines[key] = line
