"""Small values that many keys of a model.yml share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from posezoo.spec.reader import Node, shown

Item = TypeVar("Item")

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


def listed(node: Node | None, parse: Callable[[Node], Item]) -> tuple[Item, ...]:
    """Each item of a list, parsed; nothing where there is no list."""
    return tuple(parse(item) for item in node.items()) if node is not None else ()


def line(node: Node) -> str:
    """A text as one line."""
    return " ".join(node.text().split())


def word(node: Node | None) -> str:
    """A name of few characters; empty where there is none."""
    return matching(node, WORD, "letters, digits, and . _ + - after the first") if node is not None else ""


def matching(node: Node, pattern: re.Pattern[str], what: str) -> str:
    """A text that the whole of a pattern matches; ``what`` is what errors call it."""
    text = node.text()
    if not pattern.fullmatch(text):
        raise node.error(f"expected {what}, got {shown(text)}")
    return text


def refuse_twins(node: Node | None, names: list[str]) -> None:
    """No name twice; ``names`` are those of the items of ``node``."""
    for index, name in enumerate(names):
        if node is not None and name in names[:index]:
            raise node.items()[index].error(f"{shown(name)} is there already")
