"""Find the pictures of a data set, whose names annotation tools write in several ways."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

_ADDRESS = re.compile(r"[a-z]+://", re.IGNORECASE)


class ImageFolder:
    """The folder of the images, and the names that the annotations use.

    A name may also be one of another computer, an address, or one that Label Studio writes, such as
    ``/data/local-files/?d=photos/a.jpg``: then the last part is looked for, if it is the last part
    of only one name.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._last_parts = Counter(map(_last_part, names))

    def find(self, name: str) -> Path:
        """The path of an image; the folder and the name if there is no such file."""
        path = self._folder / name
        last = _last_part(name)
        if path.is_file() or last == name:
            return path
        with_slashes = self._folder / name.replace("\\", "/")
        if with_slashes.is_file():
            return with_slashes
        by_last_part = self._folder / last
        is_only_one = bool(last) and self._last_parts[last] == 1
        return by_last_part if is_only_one and by_last_part.is_file() else path


def _last_part(name: str) -> str:
    if _ADDRESS.match(name):
        parts = urlsplit(name)
        name = unquote(parts.path)
    return re.split(r"[\\/]|\?d=", name)[-1]
