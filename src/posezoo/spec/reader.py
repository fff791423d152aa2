"""YAML that remembers where everything stands, so that a mistake is answered with file:line:column.

A tree of nodes is built from the parser's events, without recursion, and only of what a model.yml
needs: text, lists and mappings. What attacks or confuses is refused while it is read: aliases and
anchors (an alias bomb is a few lines long), explicit tags, duplicate keys, deep nesting, huge files,
and encodings other than UTF-8. Values are typed when they are asked for, not guessed by YAML's rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from posezoo.errors import SpecError, nearest

#: Of the 283 + 11 files of Open Model Zoo 2021.4 the largest has 18 kB and the deepest four levels.
MAX_BYTES = 1 << 20
MAX_DEPTH = 16

_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_NUMBER = re.compile(r"[-+]?([0-9]{1,18}(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")


class Node:
    """One value of a YAML file and the place where it stands (lines and columns count from 1)."""

    __slots__ = ("column", "file", "key", "key_node", "line", "parent", "value")

    def __init__(
        self,
        file: str,
        line: int,
        column: int,
        parent: Node | None,
        key: str,
        key_node: Node | None,
        value: Any,
    ) -> None:
        self.file, self.line, self.column = file, line, column
        self.parent, self.key, self.key_node = parent, key, key_node
        self.value: str | list[Node] | dict[str, Node] | None = value

    @property
    def field(self) -> str:
        """The way from the top of the file, as ``files[0].size``."""
        if self.parent is None:
            return ""
        above = self.parent.field
        return f"{above}{self.key}" if self.key.startswith("[") or not above else f"{above}.{self.key}"

    def error(self, problem: str, *, hint: str = "") -> SpecError:
        """The error that something is wrong with this value."""
        return SpecError(self.file, self.line, self.column, self.field, problem, hint=hint)

    def text(self) -> str:
        """This value as text.

        Raises:
            SpecError: it is empty, a list or a mapping, or holds control characters.
        """
        if not isinstance(self.value, str) or not self.value.strip():
            raise self._unexpected("text")
        if any(ord(character) < 32 and character not in "\n\t" for character in self.value):
            raise self.error("holds control characters")
        return self.value

    def word(self, known: Iterable[str]) -> str:
        """This value as one of the known words."""
        text, words = self.text(), list(known)
        if text not in words:
            raise self.error(
                f"expected one of {', '.join(words)}, got {shown(text)}", hint=nearest(text, words)
            )
        return text

    def integer(self, *, minimum: int, maximum: int = 1 << 50) -> int:
        """This value as a whole number within bounds."""
        if not isinstance(self.value, str) or not _INTEGER.fullmatch(self.value):
            raise self._unexpected("a whole number")
        number = int(self.value)
        if not minimum <= number <= maximum:
            raise self.error(f"expected a whole number from {minimum} to {maximum}, got {number}")
        return number

    def number(self) -> float:
        """This value as a finite number."""
        if not isinstance(self.value, str) or not _NUMBER.fullmatch(self.value):
            raise self._unexpected("a number")
        return float(self.value)

    def boolean(self) -> bool:
        """This value as true or false."""
        if not isinstance(self.value, str) or self.value not in _BOOLEANS:
            raise self._unexpected("true or false")
        return _BOOLEANS[self.value]

    def scalar(self) -> str | int | float | bool:
        """This value as what it looks like: true or false, a whole number, a number, or text."""
        text = self.text()
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        return float(text) if _NUMBER.fullmatch(text) else text

    def items(self, *, maximum: int = 10_000) -> list[Node]:
        """This value as a list."""
        if not isinstance(self.value, list):
            raise self._unexpected("a list")
        if len(self.value) > maximum:
            raise self.error(f"expected at most {maximum} items, got {len(self.value)}")
        return self.value

    def fields(self, known: Iterable[str] | None = None) -> Fields:
        """This value as a mapping whose keys are all known; any keys where ``known`` is None."""
        if not isinstance(self.value, dict):
            raise self._unexpected("a mapping")
        if known is not None:
            words = list(known)
            for key, node in self.value.items():
                if key not in words:
                    hint = nearest(key, words) or f"known: {', '.join(words)}"
                    raise (node.key_node or node).error("unknown key", hint=hint)
        return Fields(self, self.value)

    def is_text(self) -> bool:
        """Whether this is neither a list nor a mapping."""
        return isinstance(self.value, str)

    def _unexpected(self, expected: str) -> SpecError:
        return self.error(f"expected {expected}, got {self._seen()}")

    def _seen(self) -> str:
        if self.value is None or self.value == "":
            return "nothing"
        if isinstance(self.value, str):
            return shown(self.value)
        return "a list" if isinstance(self.value, list) else "a mapping"


class Fields:
    """The keys of a mapping."""

    __slots__ = ("_nodes", "node")

    def __init__(self, node: Node, nodes: dict[str, Node]) -> None:
        self.node, self._nodes = node, nodes

    def __getitem__(self, key: str) -> Node:
        """The value of a key that must be there."""
        if key not in self._nodes:
            raise self.node.error(f"the key {key} is missing")
        return self._nodes[key]

    def __contains__(self, key: str) -> bool:
        return key in self._nodes

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        return iter(self._nodes.items())

    def get(self, key: str) -> Node | None:
        """The value of a key that may be there."""
        return self._nodes.get(key)


def shown(text: str) -> str:
    """A stranger's text, short and harmless on a terminal."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def read(path: Path) -> Node:
    """The tree of a YAML file.

    Raises:
        SpecError: it is not there, too large, not UTF-8, not YAML, or uses what is refused here.
    """
    name = str(path)
    try:
        with open(path, "rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(name, 1, 1, "", f"cannot be read: {error.strerror or error}") from error
    return parse(content, name)


def parse(content: bytes, file: str) -> Node:
    """The tree of a YAML text; ``file`` is what errors call it."""
    if len(content) > MAX_BYTES:
        raise SpecError(file, 1, 1, "", f"larger than {MAX_BYTES} bytes")
    text = _decode(content, file)
    try:
        node = _build(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise SpecError(file, line, column, "", f"not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise SpecError(file, 1, 1, "", f"not YAML: {shown(str(error))}") from error
    if node is None:
        raise SpecError(file, 1, 1, "", "is empty")
    return node


def _decode(content: bytes, file: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        raise SpecError(file, 1, 1, "", "starts with a byte order mark", hint="save it as UTF-8 without one")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise SpecError(file, line, column, "", "is not UTF-8", hint="save it as UTF-8") from error


def _build(events: Iterable[Any], file: str) -> Node | None:
    """The tree of the first and only document, from the parser's events."""
    root: Node | None = None
    open_nodes: list[Node] = []
    pending_key: list[Node | None] = []  # of each open mapping: the key that waits for its value
    for event in events:
        if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            open_nodes.pop()
            pending_key.pop()
            continue
        if isinstance(event, yaml.DocumentStartEvent) and root is not None:
            raise _refused(event, file, "holds a second document")
        if not isinstance(event, yaml.NodeEvent):
            continue
        _refuse_tricks(event, file, len(open_nodes))
        parent = open_nodes[-1] if open_nodes else None
        key = pending_key[-1] if pending_key else None
        node = _node(event, file, parent, key)
        if root is None:
            root = node
        elif parent is not None and isinstance(parent.value, list):
            parent.value.append(node)
        elif parent is not None and isinstance(parent.value, dict):
            if key is None:
                _refuse_bad_key(node, parent.value)
                pending_key[-1] = node
            else:
                parent.value[str(key.value)] = node
                pending_key[-1] = None
        if not isinstance(event, yaml.ScalarEvent):
            open_nodes.append(node)
            pending_key.append(None)
    return root


def _node(event: Any, file: str, parent: Node | None, key: Node | None) -> Node:
    value: Any
    if isinstance(event, yaml.ScalarEvent):
        value = None if event.implicit[0] and event.value in _NOTHING else event.value
    else:
        value = {} if isinstance(event, yaml.MappingStartEvent) else []
    if parent is not None and isinstance(parent.value, list):
        name = f"[{len(parent.value)}]"
    else:
        name = str(key.value) if key is not None else ""
    return Node(file, event.start_mark.line + 1, event.start_mark.column + 1, parent, name, key, value)


def _refused(event: Any, file: str, problem: str) -> SpecError:
    return SpecError(file, event.start_mark.line + 1, event.start_mark.column + 1, "", problem)


def _refuse_tricks(event: Any, file: str, depth: int) -> None:
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise _refused(event, file, "anchors and aliases are not used here")
    if event.tag is not None:
        raise _refused(event, file, f"tags are not used here, got {shown(event.tag)}")
    if depth >= MAX_DEPTH:
        raise _refused(event, file, f"is nested deeper than {MAX_DEPTH} levels")


def _refuse_bad_key(key: Node, siblings: dict[str, Node]) -> None:
    if not isinstance(key.value, str) or not key.value:
        raise key.error("a key must be text")
    key.key = key.value if len(key.value) <= 60 else key.value[:57] + "..."
    if key.value in siblings:
        raise key.error(f"is given twice, first in line {siblings[key.value].line}")
