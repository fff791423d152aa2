"""Small values that many keys of a model.yml share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from posezoo.spec.yaml_nodes import YamlNode, sanitize

Item = TypeVar("Item")

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


def read_list(node: YamlNode | None, parse: Callable[[YamlNode], Item]) -> tuple[Item, ...]:
    """Each item of a list, parsed; nothing where there is no list."""
    return tuple(parse(item) for item in node.as_list()) if node is not None else ()


def read_line(node: YamlNode) -> str:
    """A text as one line."""
    return " ".join(node.text().split())


def read_word(node: YamlNode | None) -> str:
    """A name of few characters; empty where there is none."""
    return (
        read_matching(node, WORD, "letters, digits, and . _ + - after the first") if node is not None else ""
    )


def read_matching(node: YamlNode, pattern: re.Pattern[str], what: str) -> str:
    """A text that the whole of a pattern matches; ``what`` is what errors call it."""
    text = node.text()
    if not pattern.fullmatch(text):
        raise node.make_error(f"expected {what}, got {sanitize(text)}")
    return text


def refuse_duplicates(node: YamlNode | None, names: list[str]) -> None:
    """No name twice; ``names`` are those of the items of ``node``."""
    for index, name in enumerate(names):
        if node is not None and name in names[:index]:
            raise node.as_list()[index].make_error(f"{sanitize(name)} is there already")
