"""Find the pictures of a data set, whose names annotation tools write in several ways."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What Label Studio writes before the name of an uploaded file.
_UPLOADED = re.compile(r"[0-9a-f]{8}-")

_ADDRESS = re.compile(r"[a-z]+://", re.IGNORECASE)


class ImageFolder:
    """The folder of the images, and the names that the annotations use.

    A name may also be one of another computer, an address, or Label Studio's
    ``/data/local-files/?d=photos/a.jpg``: then its last part is looked for, if no other name has
    it; and without the 8 digits that Label Studio writes before it, such as ``0a1b2c3d-a.jpg``.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        # With several annotators, Label Studio lists an image for each of them.
        self._last_parts = Counter(map(_last_part, {*names}))
        self._uploaded = Counter(map(_without_upload, self._last_parts))
        #: The names in folders by their composed form (NFC).
        self._listed: dict[Path, dict[str, str]] = {}

    def find(self, name: str) -> Path:
        """The path of an image; the folder and the name if there is no such file."""
        last = _last_part(name)
        is_only_one = bool(last) and self._last_parts[last] == 1
        candidates = [name, name.replace("\\", "/")]
        if is_only_one:
            candidates.append(last)
        if is_only_one and self._uploaded[_without_upload(last)] == 1:
            candidates.append(_without_upload(last))
        for candidate in candidates:
            path = self._locate(candidate)
            if path.is_file():
                return path
        return self._folder / name

    def _locate(self, name: str) -> Path:
        """The path of a name, also if its letters are composed in another way than in the
        folder: macOS writes é as two characters.
        """
        path = self._folder
        for part in Path(name).parts:
            if part.isascii() or (path / part).exists():
                path /= part
                continue
            if path not in self._listed:
                names = [each.name for each in path.iterdir()] if path.is_dir() else []
                self._listed[path] = {_compose(each): each for each in names}
            path /= self._listed[path].get(_compose(part), part)
        return path


_compose = partial(unicodedata.normalize, "NFC")


def _without_upload(name: str) -> str:
    return _UPLOADED.sub("", name, count=1) if _UPLOADED.match(name) else name


def _last_part(name: str) -> str:
    if _ADDRESS.match(name):
        parts = urlsplit(name)
        name = unquote(parts.path)
    return re.split(r"[\\/]|\?d=", name)[-1]
