"""Changes of single values in the text of a YAML file, which is read again, so that nothing else
changes, comments, order and quotes included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from posezoo.core.declarations.yaml_nodes import YamlNode, parse_yaml
from posezoo.core.errors import SpecError
from posezoo.core.values import frozen

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_END_OF_LINE = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?=\r|\n|\Z)")


@frozen
class YamlEdit:
    """A new text for a value; or, if it has a key, a key with this text after the value. An empty
    text removes the line, which must have nothing else but a comment.
    """

    node: YamlNode  # neither a list nor a mapping
    text: str
    key: str = ""


def apply_edits(content: bytes, edits: Sequence[YamlEdit]) -> bytes:
    """The bytes of a file with these changes.

    Raises:
        SpecError: a value is written in a form that cannot be changed in place, such as several
            lines.
    """
    mark = _BYTE_ORDER_MARK if content.startswith(_BYTE_ORDER_MARK) else b""
    text = content.removeprefix(mark).decode("utf-8")
    starts = [0, *(match.end() for match in _LINE_BREAK.finditer(text))]
    file = edits[0].node.file
    expected = _plain(parse_yaml(content, file))
    # From the end to the beginning, so that the positions of the others stay right.
    ordered = sorted(
        edits, key=lambda edit: (edit.node.line, edit.node.column, bool(edit.key)), reverse=True
    )
    for edit in ordered:
        line = starts[edit.node.line - 1]
        start = line + edit.node.column - 1
        *above, last = _keys_of(edit.node)
        parent = expected
        for key in above:
            parent = parent[key]
        if edit.text:
            text = _write(text, start, edit)
            parent[edit.key or last] = edit.text
        else:
            pair = re.compile(
                rf"[ \t]*{edit.node.key}:[ \t]+{edit.node.value}{_END_OF_LINE.pattern}(\r\n|\n|\r|)"
            )
            match = pair.match(text, line)
            if match is None:
                raise _refusal(edit.node, f"{edit.node.key} has no line of its own")
            text = text[:line] + text[match.end() :]
            del parent[last]
    changed = mark + text.encode("utf-8")
    try:
        actual = _plain(parse_yaml(changed, file))
    except SpecError as error:
        raise _refusal(edits[0].node, error.problem) from error
    if actual != expected:
        raise _refusal(edits[0].node, "other values would change, too")
    return changed


def _refusal(node: YamlNode, reason: str) -> SpecError:
    return node.make_error(f"cannot be changed in place: {reason}", hint="change it by hand")


def _write(text: str, start: int, edit: YamlEdit) -> str:
    quote = text[start] if text[start : start + 1] in ("'", '"') else ""
    written = f"{quote}{edit.node.value}{quote}"
    if not text.startswith(written, start):
        raise _refusal(edit.node, "the value is written in several lines")
    end = start + len(written)
    if not edit.key:
        return f"{text[:start]}{quote}{edit.text}{quote}{text[end:]}"
    pair = f"{edit.key}: {edit.text}"
    of_line = _END_OF_LINE.match(text, end)
    if of_line is None:  # a mapping in braces
        return f"{text[:end]}, {pair}{text[end:]}"
    key = edit.node.key_node
    indent = " " * ((key.column if key else 1) - 1)
    line_break = _LINE_BREAK.search(text)
    first_break = line_break[0] if line_break else "\n"
    end = of_line.end()
    return f"{text[:end]}{first_break}{indent}{pair}{text[end:]}"


def _plain(node: YamlNode) -> Any:
    if isinstance(node.value, list):
        return [_plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {key: _plain(value) for key, value in node.value.items()}
    return node.value


def _keys_of(node: YamlNode) -> Iterable[str | int]:
    if node.parent is None:
        return []
    is_item = isinstance(node.parent.value, list)
    key = int(node.key.strip("[]")) if is_item else node.key
    return [*_keys_of(node.parent), key]
