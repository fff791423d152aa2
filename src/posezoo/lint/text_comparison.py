"""Compare texts and numbers from untrusted files; the compared length is limited."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches

_DIGITS = re.compile(r"[0-9]+")
#: A hash and a suffix at the end of a file's name.
_END = re.compile(r"(?:-[0-9a-f]{8})?(?:\.(?:tar\.gz|[a-z_0-9]+))?$")
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,20})?")


def parse_numbers(text: str) -> list[tuple[float, int]]:
    """The numbers in a text, each with its number of decimal places."""
    numbers = [match[0] for match in _NUMBER.finditer(text[:1000])]
    parsed = []
    for number in numbers:
        _, _, decimals = number.partition(".")
        parsed.append((float(number), len(decimals)))
    return parsed


def equals_rounded(one: tuple[float, int], other: tuple[float, int]) -> bool:
    """Whether two numbers are equal up to the precision of the one with fewer decimal places.

    Some authors round and others truncate, so the numbers may differ by one unit in the last
    decimal place of the shorter one.
    """
    number, decimals = one
    other_number, other_decimals = other
    step = 0.0
    if decimals != other_decimals:
        step = 10.0 ** -min(decimals, other_decimals)
    return abs(number - other_number) <= step * (1 - 1e-9) + 1e-9


def find_intended(word: str, candidates: Iterable[str]) -> str:
    """The known word of which another word is a misspelling, with the same numbers; else empty."""
    numbers = _DIGITS.findall(word)
    similar = [other for other in candidates if _DIGITS.findall(other) == numbers]
    matches = get_close_matches(word, similar, 1, cutoff=0.92)
    if word in matches:
        return ""
    return "".join(matches)


def select_words(text: str, selected: Counter[str]) -> list[str]:
    """The words of a text as they are written, of those that ``words`` returned."""
    return [word for word in text.split() if words(word).keys() & selected.keys()]


def words(text: str) -> Counter[str]:
    """The words of a text without its Markdown, with their counts."""
    text = re.sub(r"!?\[([^\[\]]{0,300})\]\(([^()\s]{0,300})\)", r"\1 \2", text)
    text = re.sub(r"[`\"\\*<>_]", "", text)
    return Counter(re.findall(r"[a-z0-9][a-z0-9./:_-]*[a-z0-9]|[a-z0-9]", text.lower()))


def simplify(text: str) -> str:
    """The letters, in lower case, and the digits of a text."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def file_name(address: str) -> str:
    """The name of the file in an address, a path, or the description of a member of a package."""
    path = re.split("[ ?]", address)[0]
    return path.rpartition("/")[2]


def read_names(address: str) -> set[str]:
    """The folders and the file of an address or a path, also without the hash and the suffix of the
    file.
    """
    steps = re.split("[/ ]", address)
    shortened = [_END.sub("", step) for step in steps]
    return {*steps, *shortened}
