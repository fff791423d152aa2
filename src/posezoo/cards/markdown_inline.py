"""What stands inside a line of a card: its plain text, and its links; in linear time, whatever it is."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>(?:[^\[\]\\\n]|\\.){0,500})\]"
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
_MARKUP = re.compile(
    r"!?\[((?:[^\[\]\\]|\\.){0,500})\]\([^()\s]{0,2000}(?:[ \t][^()]{0,500})?\)"  # a link is its text
    r"|\\([!-/:-@\[-`{-~])"  # an escaped character is itself
    r"|</?[A-Za-z][^<>]{0,200}>"  # a tag is nothing
    r"|[`*]+|(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)"
)

#: Titles that mean one thing, by their ``key_of`` but for this step.
_ALIASES = {
    "inputs": "input",
    "outputs": "output",
    "original mode": "original model",
    "legal": "legal information",
    "use-case and high-level description": "use case and high-level description",
}


@dataclass(frozen=True, slots=True)
class MarkdownLink:
    """A link or an image; ``target`` is as it is written."""

    line: int
    column: int  # from 1
    text: str
    target: str
    is_image: bool = False


def to_plain_text(text: str) -> str:
    """What a reader sees of a line of Markdown."""
    if not set(text) & set("\\`*_[<&"):
        return text.strip()
    # A character reference may stand for what would be markup.
    return html.unescape(_MARKUP.sub(_shown, text)).strip()


def _shown(found: re.Match[str]) -> str:
    link, character = found.groups()
    return _MARKUP.sub(_shown, link) if link else character or ""


def title_key(title: str) -> str:
    """What titles are compared by: Open Model Zoo's cards spell one title in several ways."""
    key = " ".join(to_plain_text(title).casefold().split()).rstrip(":. ")
    return "download a model" if key.startswith("download a model") else _ALIASES.get(key, key)


def find_links(line: str, number: int) -> Iterator[MarkdownLink]:
    """The links and images of a line, whose number they are told with."""
    if not ("](" in line or "]:" in line or "://" in line or "=" in line):
        return
    if defined := _DEFINITION.fullmatch(line):
        yield MarkdownLink(number, 1, to_plain_text(defined["text"]), defined["target"])
        return
    for found in _LINK.finditer(line):
        bare = (found["bare"] or "").rstrip(".,;:!?*_")
        target = found["pointed"] or found["plain"] or found["auto"] or found["html"] or bare
        yield MarkdownLink(
            number, found.start() + 1, to_plain_text(found["text"] or ""), target, bool(found["image"])
        )
