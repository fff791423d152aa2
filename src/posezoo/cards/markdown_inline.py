"""Markdown inside one line of a card: its plain text, and its links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from posezoo.errors import import_optional

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LINK = re.compile(
    r"!?\[(?P<text>(?:[^\[\]\\\n]|\\.){0,500})\]"
    r"\([ \t]*(?:<(?P<pointed>[^<>\n]{0,2000})>"
    r"|(?P<plain>[^()\s]{0,2000}(?:\([^()\s]{0,200}\)[^()\s]{0,200}){0,3}))"
    r"(?:[ \t]+(?:\"[^\"\n]{0,500}\"|'[^'\n]{0,500}'))?[ \t]*\)"
    r"|<(?P<auto>https?://[^<>\s]{1,2000})>"
    r"|(?:href|src)[ \t]*=[ \t]*[\"'](?P<html>[^\"'\n]{1,2000})[\"']"
    r"|(?<![\w(<\"'])(?P<bare>https?://[^\s<>()\[\]\"'`|]{1,2000})",
    re.IGNORECASE,
)
_DEFINITION = re.compile(
    r" {0,3}\[(?!\^)(?P<text>[^\[\]\n]{1,500})\]:[ \t]*<?(?P<target>[^\s<>]{1,2000})>?.*"
)


@dataclass(frozen=True, slots=True)
class MarkdownLink:
    """A link or an image; ``target`` is the text in the card."""

    line: int
    column: int  # from 1
    text: str
    target: str


@cache
def create_parser() -> MarkdownIt:
    """A parser of blocks: CommonMark with GitHub's tables. The text inside a block is not parsed.

    Indented text is not code, because Open Model Zoo's cards indent tables and fences too far in lists.

    Raises:
        MissingPackageError: markdown-it-py is not installed.
    """
    markdown_it = import_optional("markdown_it", extra="lint")
    parser: MarkdownIt = markdown_it.MarkdownIt("commonmark").enable("table").disable(["code", "inline"])
    return parser


def to_plain_text(text: str) -> str:
    """The text that a reader sees when Markdown is displayed.

    Raises:
        MissingPackageError: markdown-it-py is not installed.
    """
    if not set(text) & set("\\`*_[<&"):
        return text.strip()
    parser = create_parser()
    tokens: list[Token] = []
    parser.inline.parse(text, parser, {}, tokens)
    shown = (
        "\n" if token.type in ("softbreak", "hardbreak") else token.content
        for token in tokens
        if token.type != "html_inline"
    )
    return "".join(shown).strip()


def find_links(line: str, number: int) -> Iterator[MarkdownLink]:
    """The links and images of a line; ``number`` is its line number."""
    if not ("](" in line or "]:" in line or "://" in line or "=" in line):
        return
    if definition := _DEFINITION.fullmatch(line):
        yield MarkdownLink(number, 1, to_plain_text(definition["text"]), definition["target"])
        return
    for match in _LINK.finditer(line):
        bare = (match["bare"] or "").rstrip(".,;:!?*_")
        target = match["pointed"] or match["plain"] or match["auto"] or match["html"] or bare
        yield MarkdownLink(number, match.start() + 1, to_plain_text(match["text"] or ""), target)
