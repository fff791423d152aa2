"""Which images the user means, and where their annotated pictures go."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from glob import glob
from pathlib import Path

from posezoo.errors import ImageError

_MADE_BY_US = re.compile(r".*_poses(_\d+)?")


def expand_image_paths(named: Sequence[str], warn: Callable[[str], None]) -> list[Path]:
    """The images that files, folders and globs stand for; those of a folder in alphabetical order.

    Pictures that an earlier run made are left out of folders and globs. What holds no image is warned of.

    Raises:
        ImageError: there is no image at all.
    """
    from posezoo.images import SUFFIXES

    images: list[Path] = []
    for text in named:
        found = _images_of(text)
        if not found:
            warn(f"{text}: no images there (looked for {' '.join(sorted(SUFFIXES))})")
        images += found
    if not any(os.path.exists(image) for image in images):
        missing = ", ".join(map(str, images)) or ", ".join(named)
        raise ImageError(f"no image to work on: {missing}", hint="name images, folders or quoted globs")
    return images


def _images_of(text: str) -> list[Path]:
    from posezoo.images import SUFFIXES

    path = Path(text)
    if os.path.isdir(path):
        return _wanted([each for each in path.iterdir() if each.suffix.lower() in SUFFIXES])
    if any(character in text for character in "*?[") and not os.path.exists(path):
        return _wanted([Path(match) for match in glob(text, recursive=True)])
    return [path]


def _wanted(paths: list[Path]) -> list[Path]:
    return sorted(path for path in paths if os.path.isfile(path) and not _MADE_BY_US.fullmatch(path.stem))


class OutputNames:
    """Names for annotated pictures: never that of an input, never the same twice.

    Args:
        folder: where they go.
        images: all inputs, none of which may be overwritten.
    """

    def __init__(self, folder: Path, images: Sequence[Path]) -> None:
        self._folder = folder
        self._taken = {image.resolve() for image in images}

    def output_path(self, image: Path) -> Path:
        """``me.jpg`` becomes ``me_poses.jpg``; what is not JPEG becomes PNG."""
        suffix = image.suffix.lower() if image.suffix.lower() in (".jpg", ".jpeg") else ".png"
        target, count = self._folder / f"{image.stem}_poses{suffix}", 1
        while target.resolve() in self._taken:
            count += 1
            target = self._folder / f"{image.stem}_poses_{count}{suffix}"
        self._taken.add(target.resolve())
        return target
