"""Compare texts and numbers from untrusted files; the compared length is limited."""

from __future__ import annotations

import re

#: A hash and a suffix at the end of a file's name.
_END = re.compile(r"(?:-[0-9a-f]{8})?(?:\.(?:tar\.gz|[a-z_0-9]+))?$")
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,20})?")


def parse_numbers(text: str) -> list[tuple[float, int]]:
    """The numbers in a text, each with its number of decimal places."""
    parsed = []
    for number in _NUMBER.findall(text[:1000]):
        _, _, decimals = number.partition(".")
        parsed.append((float(number), len(decimals)))
    return parsed


def equals_rounded(one: tuple[float, int], other: tuple[float, int]) -> bool:
    """Whether two numbers are equal up to the precision of the one with fewer decimal places, whose
    last one may differ by one unit: some authors truncate.
    """
    number, decimals = one
    other_number, other_decimals = other
    step = 0.0
    if decimals != other_decimals:
        step = 10.0 ** -min(decimals, other_decimals)
    return abs(number - other_number) <= step * (1 - 1e-9) + 1e-9


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
