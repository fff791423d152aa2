"""YAML nodes that know their position, so that errors name file:line:column.

The tree, built from the parser's events without recursion, has only text, lists and mappings; the
code that reads a value states its type. Dangerous or ambiguous input is refused while it is read:
anchors and aliases (a few lines can expand to gigabytes), explicit tags, duplicate keys, deep
nesting, large files, and encodings other than UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from posezoo.core.declarations.model import Plain, UnknownKey
from posezoo.core.errors import SpecError, os_reason, sanitize, suggest
from posezoo.core.regular_files import (
    LFS_HINT,
    LFS_PROBLEM,
    MERGE_MARKS,
    MERGE_PROBLEM,
    is_lfs_pointer,
    open_regular,
)

#: The largest of the 294 + 276 files of Open Model Zoo has 21 kB, 1105 values and four levels. At
#: these limits the worst file takes 0.1 s and 20 MiB; a megabyte of brackets would take 1.1 s and
#: 110 MiB.
MAX_BYTES = 1 << 20
MAX_DEPTH = 16
MAX_EVENTS = 20_000
MAX_KEY_LENGTH = 200
#: The largest number of unknown keys of a file that are reported.
MAX_UNKNOWN_KEYS = 16
#: The largest number of allowed words that an error lists, if one of them is similar.
MAX_LISTED_WORDS = 16
#: How similar an unknown key is to the one that was meant; see ``suggest``.
SIMILAR_KEY = 0.75

_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}
#: YAML 1.1 reads these as booleans too, and Open Model Zoo writes `quantizable: yes`.
_OLDER_BOOLEANS = {**_BOOLEANS, "yes": True, "Yes": True, "no": False, "No": False}
#: Terminal controls (C0 except tab and newline, DEL, C1), bidirectional and invisible marks, line
#: separators, surrogates.
UNPRINTABLE = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_STARTS = frozenset(
    {yaml.AliasEvent, yaml.ScalarEvent, yaml.SequenceStartEvent, yaml.MappingStartEvent}
)
_ENDS = frozenset({yaml.SequenceEndEvent, yaml.MappingEndEvent})
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_NUMBER = re.compile(r"[-+]?([0-9]{1,18}(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")


@dataclass(slots=True, eq=False, repr=False)
class YamlNode:
    """One value of a YAML file and its position (lines and columns count from 1)."""

    file: str
    line: int
    column: int
    parent: YamlNode | None
    key: str
    key_node: YamlNode | None
    value: str | list[YamlNode] | dict[str, YamlNode] | None
    unknown_keys: list[UnknownKey] | None = None
    is_quoted: bool = False

    @property
    def field_path(self) -> str:
        """The path from the top of the file, such as ``files[0].size``."""
        if self.parent is None:
            return ""
        above = self.parent.field_path
        if self.key.startswith("[") or not above:
            return f"{above}{self.key}"
        return f"{above}.{self.key}"

    def make_error(self, problem: str, *, hint: str = "") -> SpecError:
        """An error at the position of this value."""
        return SpecError(
            self.file, self.line, self.column, self.field_path, problem=problem, hint=hint
        )

    def collect_unknown_keys(self) -> list[UnknownKey]:
        """The unknown keys below this node, which are no errors then; grows while values are
        read.
        """
        self.unknown_keys = []
        return self.unknown_keys

    def text(self) -> str:
        """This value as text, which is not empty and has no control or invisible characters."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self._unexpected("text")
        self.refuse_unprintable(self.value)
        return self.value

    def choice(self, allowed: Iterable[str]) -> str:
        """This value as one of the allowed words."""
        text = self.text()
        words = list(allowed)
        if text not in words:
            hint = suggest(text, words)
            # A report shortens a long text, and the nearest word comes last.
            is_long = hint and len(words) > MAX_LISTED_WORDS
            listed = f"{len(words)} words" if is_long else ", ".join(words)
            raise self.make_error(f"expected one of {listed}, got {sanitize(text)}", hint=hint)
        return text

    def integer(self, *, minimum: int, maximum: int = 1 << 50) -> int:
        """This value as a whole number within bounds."""
        if not isinstance(self.value, str) or not _INTEGER.fullmatch(self.value):
            raise self._unexpected("a whole number")
        number = int(self.value)
        if not minimum <= number <= maximum:
            raise self.make_error(
                f"expected a whole number from {minimum} to {maximum}, got {number}"
            )
        return number

    def number(self) -> float:
        """This value as a finite number."""
        if not isinstance(self.value, str) or not _NUMBER.fullmatch(self.value):
            raise self._unexpected("a number")
        return self._finite(self.value)

    def boolean(self, *, older: bool = False) -> bool:
        """This value as true or false; with ``older``, also yes or no, as in YAML 1.1."""
        words = _OLDER_BOOLEANS if older else _BOOLEANS
        if not isinstance(self.value, str) or self.value not in words:
            raise self._unexpected("yes or no" if older else "true or false")
        return words[self.value]

    def scalar(self) -> str | int | float | bool:
        """This value as a boolean, a whole number, a number or text, depending on its form."""
        text = self.text()
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        return self._finite(text) if _NUMBER.fullmatch(text) else text

    def to_plain(self) -> Plain:
        """This value with all nested values, each as ``scalar`` reads it."""
        if isinstance(self.value, list):
            return tuple(item.to_plain() for item in self.value)
        if isinstance(self.value, dict):
            return {key: node.to_plain() for key, node in self.value.items()}
        return self.scalar()

    def as_list(self, *, maximum: int = 10_000) -> list[YamlNode]:
        """This value as a list."""
        if not isinstance(self.value, list):
            raise self._unexpected("a list")
        if len(self.value) > maximum:
            raise self.make_error(f"expected at most {maximum} items, got {len(self.value)}")
        return self.value

    def as_mapping(self, allowed: Collection[str] | None = None) -> YamlMapping:
        """This value as a mapping whose keys are all allowed; any keys if ``allowed`` is None.

        Raises:
            SpecError: it is not a mapping, or has an unknown key and ``collect_unknown_keys`` was
                not called.
        """
        if not isinstance(self.value, dict):
            raise self._unexpected("a mapping")
        if allowed is not None:
            for key, node in self.value.items():
                if key not in allowed:
                    self._record_unknown_key(key, node.key_node or node, allowed)
        return YamlMapping(self, self.value, allowed)

    def is_text(self) -> bool:
        """Whether this is neither a list nor a mapping."""
        return isinstance(self.value, str)

    def _record_unknown_key(self, key: str, node: YamlNode, allowed: Collection[str]) -> None:
        hint = suggest(key, allowed, cutoff=SIMILAR_KEY)
        collector: YamlNode | None = self
        while collector and collector.unknown_keys is None:
            collector = collector.parent
        unknown_keys = collector.unknown_keys if collector else None
        if unknown_keys is None:
            raise node.make_error("unknown key", hint=hint or f"known: {', '.join(allowed)}")
        if len(unknown_keys) < MAX_UNKNOWN_KEYS:
            field = node.field_path
            unknown_keys.append(UnknownKey(node.file, node.line, node.column, field, hint))

    def refuse_unprintable(self, text: str, subject: str = "") -> None:
        """Raise a SpecError if a text at this position has control or invisible characters."""
        unprintable = UNPRINTABLE.search(text)
        if unprintable:
            raise self.make_error(
                f"{subject}contains control or invisible characters: {sanitize(unprintable[0])}"
            )

    def _finite(self, text: str) -> float:
        number = float(text)
        if not isfinite(number):
            raise self.make_error(f"expected a finite number, got {sanitize(text)}")
        return number

    def _unexpected(self, expected: str) -> SpecError:
        if self.value is None or self.value == "":
            actual = "nothing"
        elif isinstance(self.value, str):
            actual = sanitize(self.value)
        else:
            actual = "a list" if isinstance(self.value, list) else "a mapping"
        return self.make_error(f"expected {expected}, got {actual}")


class YamlMapping(dict[str, YamlNode]):
    """The values of a mapping by key; a SpecError if a key is read that is missing, at a key that
    is not ``allowed`` and similar.
    """

    def __init__(
        self,
        node: YamlNode,
        nodes: Mapping[str, YamlNode],
        allowed: Collection[str] | None = None,
    ) -> None:
        super().__init__(nodes)
        self.node = node
        self.allowed = allowed

    def __missing__(self, key: str) -> YamlNode:
        for other, node in self.items() if self.allowed else ():
            hint = suggest(other, [key], cutoff=SIMILAR_KEY)
            if hint and other not in (self.allowed or ()):
                raise (node.key_node or node).make_error("unknown key", hint=hint)
        raise self.node.make_error(f"the key {key} is missing")

    def merged_with(self, other: YamlMapping, item_by_item: Collection[str]) -> YamlMapping:
        """These keys and those of ``other``, whose values come first; the mappings in the lists at
        ``item_by_item``, of equal length, are merged one by one.
        """
        nodes = self | other
        for key in item_by_item:
            old_list = self.get(key)
            new_list = other.get(key)
            if old_list is None or new_list is None:
                continue
            old_items = old_list.as_list()
            new_items = new_list.as_list()
            if len(old_items) != len(new_items):
                raise new_list.make_error(f"expected {len(old_items)} items, got {len(new_items)}")
            items = [
                replace(new, value=old.as_mapping() | new.as_mapping())
                for old, new in zip(old_items, new_items, strict=True)
            ]
            nodes[key] = replace(new_list, value=items)
        return YamlMapping(other.node, nodes, self.allowed)


def read_yaml(path: Path) -> YamlNode:
    """The tree of a YAML file; a SpecError if it is missing, too large, not UTF-8, or not valid."""
    content = read_yaml_bytes(path)
    if is_lfs_pointer(content):
        raise _file_error(str(path), LFS_PROBLEM, hint=LFS_HINT)
    return parse_yaml(content, str(path))


def read_yaml_bytes(path: Path) -> bytes:
    """The bytes of a file for ``parse_yaml``, no more than it needs to see that the file is too
    large.

    Raises:
        SpecError: the file cannot be read.
    """
    try:
        with open_regular(path) as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        problem = f"cannot be read: {os_reason(error)}"
        raise _file_error(str(path), problem) from error


def _file_error(file: str, problem: str, mark: Any = None, *, hint: str = "") -> SpecError:
    line = mark.line + 1 if mark else 1
    column = mark.column + 1 if mark else 1
    return SpecError(file, line, column, "", problem=problem, hint=hint)


def parse_yaml(content: bytes, file: str) -> YamlNode:
    """The tree of a YAML text; ``file`` is its name in errors."""
    if len(content) > MAX_BYTES:
        raise _file_error(file, f"larger than {MAX_BYTES} bytes")
    parser = _Parser(_decode(content, file))
    try:
        node = _build(iter(parser.get_event, None), file)  # twice as fast as yaml.parse
    except yaml.MarkedYAMLError as error:
        for number, line in enumerate(content.splitlines(), 1):
            if line.startswith(MERGE_MARKS[0].encode()):
                hint = "keep the lines of one side, without the marks, then: posezoo lint"
                raise SpecError(file, number, 1, "", problem=MERGE_PROBLEM, hint=hint) from error
        problem = f"not YAML: {error.problem or error.context}"
        raise _file_error(file, problem, error.problem_mark or error.context_mark) from error
    except yaml.YAMLError as error:
        raise _file_error(file, f"not YAML: {sanitize(str(error))}") from error
    if node is None:
        raise _file_error(file, "is empty")
    return node


def _decode(content: bytes, file: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _file_error(file, "is UTF-16, not UTF-8", hint="save it as UTF-8")
    # The byte order mark that editors on Windows write.
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - before.rfind(b"\n")
        raise SpecError(
            file, line, column, "", problem="is not UTF-8", hint="save it as UTF-8"
        ) from error


def _build(events: Iterable[Any], file: str) -> YamlNode | None:
    root: YamlNode | None = None
    parent: YamlNode | None = None
    key: YamlNode | None = None  # of the open mapping, if its value comes next
    depth = 0
    for count, event in enumerate(events):
        kind = type(event)
        if count == MAX_EVENTS:
            problem = f"contains more than {MAX_EVENTS} values"
            raise _file_error(file, problem, event.start_mark)
        if kind in _ENDS:
            parent = parent.parent if parent else None
            depth -= 1
            continue
        if kind is yaml.DocumentStartEvent and root:
            raise _file_error(file, "contains a second document", event.start_mark)
        if kind not in _STARTS:
            continue
        if kind is yaml.AliasEvent or event.anchor is not None or event.tag is not None:
            problem = "anchors and aliases, and tags, are not used here"
            raise _file_error(file, problem, event.start_mark)
        node = _node(event, file, parent, key)
        if parent is None:
            root = node
        else:
            key = _add_child(parent, key, node)
        if kind is yaml.ScalarEvent:
            continue
        if depth == MAX_DEPTH:
            problem = f"is nested deeper than {MAX_DEPTH} levels"
            raise _file_error(file, problem, event.start_mark)
        parent = node
        depth += 1
    return root


def _add_child(parent: YamlNode, key: YamlNode | None, node: YamlNode) -> YamlNode | None:
    siblings = parent.value
    if type(siblings) is list:
        siblings.append(node)
    elif type(siblings) is dict:
        if key is not None:
            siblings[key.value] = node  # type: ignore[index]  # a key is text
            return None
        if not isinstance(node.value, str) or not node.value:
            raise node.make_error("a key must be text")
        node.refuse_unprintable(node.value, "a key ")
        if len(node.value) > MAX_KEY_LENGTH:
            raise node.make_error(f"a key is longer than {MAX_KEY_LENGTH} characters")
        node.key = node.value if len(node.value) <= 60 else f"{node.value[:57]}..."
        if node.value in siblings:
            raise node.make_error(f"is given twice, first in line {siblings[node.value].line}")
        return node
    return None


def _node(event: Any, file: str, parent: YamlNode | None, key: YamlNode | None) -> YamlNode:
    value: Any = None
    is_quoted = False
    kind = type(event)
    if kind is yaml.ScalarEvent:
        is_quoted = not event.implicit[0]
        if is_quoted or event.value not in _NOTHING:
            value = event.value
    else:
        value = {} if kind is yaml.MappingStartEvent else []
    name = ""
    if key:
        name = str(key.value)
    elif parent and type(parent.value) is list:
        name = f"[{len(parent.value)}]"
    mark = event.start_mark
    return YamlNode(
        file,
        mark.line + 1,
        mark.column + 1,
        parent,
        key=name,
        key_node=key,
        value=value,
        is_quoted=is_quoted,
    )
