"""A reader of protobuf's text format, in which Caffe stores the layers of a network.

Source: https://protobuf.dev/reference/protobuf/textformat-spec/
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from posezoo.core.errors import ConversionError, sanitize
from posezoo.formats.layers_text import read_layers_text

#: The largest file that is read, in bytes; the layers of ResNet-152 take 0.1 MB.
MAX_BYTES = 2 << 20
#: How deep messages may be nested; Caffe's are at most 4 deep.
MAX_DEPTH = 16

_TOKEN = re.compile(
    r"""(?P<skipped>[\s,;]+|\#[^\n]*)
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<sign>[{}<>:\[\]])
    |(?P<word>[^\s{}<>\[\]:,;"'\#]+)""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}
ValueT = TypeVar("ValueT")


@dataclass(slots=True)
class Message:
    """The fields of a message: the values of each name in the order of the file.

    The values are messages, or words and texts as strings, which the getters convert.
    """

    line: int
    file: Path
    fields: dict[str, list[str | Message]] = field(default_factory=lambda: defaultdict(list))
    #: Where each name stands first.
    lines: dict[str, int] = field(default_factory=dict)

    def messages(self, name: str) -> list[Message]:
        """All messages of that name; a ConversionError if one is a plain value."""
        return self._values(name, Message, "has no fields in braces")

    def message(self, name: str) -> Message:
        """The last message of that name; an empty one if there is none."""
        messages = self.messages(name)
        return messages[-1] if messages else Message(self.line, self.file)

    def texts(self, name: str) -> list[str]:
        """All values of that name; a ConversionError if one is a message."""
        return self._values(name, str, "has fields in braces, and should be a value")

    def _values(self, name: str, kind: type[ValueT], problem: str) -> list[ValueT]:
        values = self.fields.get(name, [])
        selected: list[ValueT] = [value for value in values if isinstance(value, kind)]
        if len(selected) < len(values):
            raise self.make_error(f"{name} {problem}")
        return selected

    def text(self, name: str, default: str = "") -> str:
        """The last value of that name."""
        texts = self.texts(name)
        return texts[-1] if texts else default

    def numbers(self, name: str) -> list[float]:
        """All values of that name; a ConversionError if one is no finite number."""
        numbers = []
        for text in self.texts(name):
            try:
                number = float(text)
            except ValueError:
                number = float("nan")
            if not abs(number) < 1e18:
                raise self.make_error(f"{name}: expected a number, got {sanitize(text)}")
            numbers.append(number)
        return numbers

    def number(self, name: str, default: float) -> float:
        """The last value of that name, as a number."""
        numbers = self.numbers(name)
        return numbers[-1] if numbers else default

    def integers(self, name: str) -> list[int]:
        """All values of that name; a ConversionError if one is not a whole number."""
        numbers = self.numbers(name)
        if not all(number.is_integer() for number in numbers):
            raise self.make_error(f"{name} is not a whole number")
        return list(map(int, numbers))

    def integer(self, name: str, default: int) -> int:
        """The last value of that name, as a whole number."""
        integers = self.integers(name)
        return integers[-1] if integers else default

    def flag(self, name: str, default: bool) -> bool:
        """The last value of that name, ``true`` or ``false``."""
        text = self.text(name, str(default)).lower()
        if text not in ("true", "false", "1", "0"):
            raise self.make_error(f"{name}: expected true or false, got {sanitize(text)}")
        return text in ("true", "1")

    def make_error(self, problem: str, *names: str) -> ConversionError:
        """An error that names the line of the first of these fields, or of the message."""
        line = next((self.lines[name] for name in names if name in self.lines), self.line)
        return ConversionError(f"{self.file}:{line}: {problem}")


def read_prototxt(path: Path) -> Message:
    """The message that a file contains.

    Raises:
        ConversionError: the file does not exist, is not in protobuf's text format, too large or
            nested too deeply; the message names the line.
    """
    hint = "the .caffemodel and the .prototxt may be exchanged"
    return _PrototxtParser(path, read_layers_text(path, ".prototxt", MAX_BYTES, hint=hint)).read()


class _PrototxtParser:
    def __init__(self, path: Path, text: str) -> None:
        self._file = path
        self._line = 1
        self._tokens = self._split(text)[::-1]  # the next one is the last

    def read(self) -> Message:
        message = self._read_message("", depth=0)
        if self._tokens:
            raise self._make_error(f"{self._take()} closes nothing")
        return message

    def _split(self, text: str) -> list[tuple[str, int]]:
        tokens = []
        line = 1
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                self._line = line
                raise self._make_error(f"unexpected {sanitize(text[at])}")
            if match.lastgroup != "skipped":
                tokens.append((match[0], line))
            line += match[0].count("\n")
            at = match.end()
        return tokens

    def _read_message(self, closing: str, depth: int) -> Message:
        if depth > MAX_DEPTH:
            raise self._make_error("is nested too deeply")
        message = Message(self._line, self._file)
        while self._tokens and self._tokens[-1][0] not in ("}", ">"):
            name = self._take()
            message.lines.setdefault(name, self._line)
            self._read_value(message.fields[name], depth)
        if closing and self._take() != closing:
            raise self._make_error(f"expected {closing}")
        return message

    def _read_value(self, values: list[str | Message], depth: int) -> None:
        token = self._take()
        if token == ":":
            token = self._take()
        if token in _CLOSING:
            values.append(self._read_message(_CLOSING[token], depth + 1))
        elif token == "[":
            while (token := self._take()) != "]":
                values.append(self._to_value(token))
        else:
            values.append(self._to_value(token))

    def _to_value(self, token: str) -> str:
        if token in "{}<>:[]":
            raise self._make_error(f"unexpected {token}")
        return token[1:-1] if token[0] in "\"'" else token

    def _take(self) -> str:
        if not self._tokens:
            raise self._make_error("ends inside a message")
        token, self._line = self._tokens.pop()
        return token

    def _make_error(self, problem: str) -> ConversionError:
        return ConversionError(f"{self._file}:{self._line}: {problem}")
