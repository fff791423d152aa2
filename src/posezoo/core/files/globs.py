"""The paths that a glob of a user matches."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from glob import escape, glob
from pathlib import Path


def expand_glob(pattern: Path) -> set[Path]:
    """The files and folders that a glob matches, with ``**`` for any number of folders, also behind
    links.

    Each folder counts once: two links to a folder above would lead to paths without end.
    """
    parts = pattern.parts
    if "**" not in parts:
        return set(map(Path, glob(str(pattern))))
    place = parts.index("**")
    rest = parts[place + 1 :] or ("*",)
    matches = set[Path]()
    for folder in _folders_below(glob(str(Path(*parts[:place])))):
        matches |= expand_glob(Path(escape(folder), *rest))
    return matches


def _folders_below(tops: Iterable[str]) -> Iterator[str]:
    """Folders and those below them, except hidden ones; each by the path with the fewest parts."""
    waiting = deque(tops)
    visited = set[str]()
    while waiting:
        folder = waiting.popleft()
        place = os.path.realpath(folder)
        if place not in visited:
            visited.add(place)
            waiting.extend(sorted(glob(f"{escape(folder)}/*/")))
            yield folder
