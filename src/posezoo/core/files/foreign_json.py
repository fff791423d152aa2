"""Read JSON from strangers: servers, other programs and files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

# The largest known text, the npm document of a package with many versions, has about 30 MB.
_MAX_BYTES = 64 << 20

_MAX_DEPTH = 100

# Of this many lists and objects, each takes up to 232 bytes of memory; a larger text may have one
# for each 16 bytes.
_MANY = 1 << 18

# The most digits of a plausible integer.
_MAX_DIGITS = 30


def parse_json(content: bytes, *, finite: bool = True) -> dict[str, Any]:
    """The object in a text.

    Args:
        finite: whether its numbers must be finite.

    Raises:
        ValueError: the text is not a JSON object, or is too large; or it is nested too deep, or has
            a number that is too large.
    """
    if len(content) > _MAX_BYTES:
        raise ValueError(f"it has more than {_MAX_BYTES} bytes")
    if content.count(b"{") + content.count(b"[") > max(_MANY, len(content) // 16):
        raise ValueError("it has too many lists and objects for its size")
    try:
        to_float = _finite if finite else float
        value = json.loads(
            content, parse_int=_integer, parse_float=to_float, parse_constant=to_float
        )
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: line {error.lineno}, column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    level: list[object] = [value]
    for _ in range(_MAX_DEPTH):
        level = list(_members(level))
        if not level:
            return value
    raise ValueError("it is nested too deep")


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"it has a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("it has a number that is too large")
    return number


def _members(values: Iterable[object]) -> Iterator[object]:
    for value in values:
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list):
            yield from value
