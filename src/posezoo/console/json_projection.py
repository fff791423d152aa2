"""Values as JSON: each document names the keys of its objects, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

#: An object in JSON's types.
Json = dict[str, Any]


def to_json(value: object) -> Any:
    """A nested value in JSON's types: a dataclass becomes an object, a tuple a list."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return list(map(to_json, value))
    return value


def distinct(values: Iterable[Json]) -> list[Json]:
    """The objects in order, without duplicates."""
    kept = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept


def project(value: object, keys: str) -> Json:
    """An object with some attributes of a value.

    Args:
        keys: names of attributes in order, separated by spaces; ``key=path.to.attribute`` reads
            another one, and with ``?`` at its end an empty value is null.

    >>> project(3 + 4j, "real of=imag.real other=imag.imag?")
    {'real': 3.0, 'of': 4.0, 'other': None}
    """
    projected = {}
    for word in keys.split():
        key, _, path = word.removesuffix("?").partition("=")
        item = attrgetter(path or key)(value)
        projected[key] = None if word.endswith("?") and not item else to_json(item)
    return projected
