"""MediaPipe's tables: the names of landmarks, connections, and the fields of messages.

All are facts of MediaPipe 0.10.21, Copyright The MediaPipe Authors, under Apache-2.0.
"""

from __future__ import annotations

import json
from enum import IntEnum
from importlib.resources import files
from typing import Any

#: Connections are pairs of landmarks, or the names of the connections that they unite.
TABLES: dict[str, dict[str, Any]] = json.loads(
    files("posezoo.solutions").joinpath("tables.json").read_text("utf-8")
)


def landmark_names(name: str, module: str) -> type[IntEnum]:
    """An enumeration of landmarks, such as ``HandLandmark``, in the module of this name, where
    Pickle finds it.
    """
    numbers = {each: number for number, each in enumerate(TABLES["landmarks"][name])}
    return IntEnum(name, numbers, module=module)  # type: ignore[return-value]


def connections(module: str) -> dict[str, Any]:
    """The connections of a module such as ``hands_connections``, by name, in MediaPipe's order, in
    which they are drawn over each other.
    """
    # MediaPipe's kind, which decides the order of a union: tuples for fingers, else frozen sets.
    kind = tuple if module == "hands_connections" else frozenset
    united: dict[str, Any] = {}
    for name, entries in TABLES["connections"][module].items():
        if isinstance(entries[0], str):
            united[name] = frozenset().union(*(united[entry] for entry in entries))
        else:
            united[name] = kind(map(tuple, entries))
    return united
