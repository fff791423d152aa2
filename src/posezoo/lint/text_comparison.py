"""Texts that somebody else wrote, read within bounds."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from posezoo.cards.card_reader import MAX_CHARACTERS

_DIGITS = re.compile(r"[0-9]+")
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,20})?")


def read_text(path: Path) -> str | None:
    """A text, no more of it than is ever looked at; None where there is none that could be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(MAX_CHARACTERS + 1)
    except (OSError, ValueError):
        return None


def parse_numbers(text: str) -> list[tuple[float, int]]:
    """The numbers of a text, each with how many digits it has after the point."""
    found = [match[0] for match in _NUMBER.finditer(text[:1000])]
    return [(float(each), len(each.partition(".")[2])) for each in found]


def equals_rounded(one: tuple[float, int], other: tuple[float, int]) -> bool:
    """Whether two numbers are the same, but for the digits that one of them leaves out.

    Some round and some cut off: they may differ by one step of the coarser number.
    """
    step = 10.0 ** -min(one[1], other[1]) if one[1] != other[1] else 0.0
    return abs(one[0] - other[0]) <= step * (1 - 1e-9) + 1e-9


def _shared(one: str, other: str) -> int:
    """With how many letters two words begin alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def is_misspelling(word: str, meant: str) -> bool:
    """Whether one or two letters make a word out of another; digits are no letters."""
    if word == meant or abs(len(word) - len(meant)) > 2 or _DIGITS.findall(word) != _DIGITS.findall(meant):
        return False
    start = _shared(word, meant)
    end = _shared(word[start:][::-1], meant[start:][::-1])
    one, other = word[start : len(word) - end], meant[start : len(meant) - end]
    return len(one) <= 2 and len(other) <= 2 and len(meant) >= 4 and start + end >= 3


def words(text: str) -> Counter[str]:
    """The words of a text without Markdown, each with how often it is there."""
    text = re.sub(r"!?\[([^\[\]]{0,300})\]\(([^()\s]{0,300})\)", r"\1 \2", text)
    text = re.sub(r"[`\"\\*<>_]", "", text)
    return Counter(re.findall(r"[a-z0-9][a-z0-9./:_-]*[a-z0-9]|[a-z0-9]", text.lower()))
