"""Input images from files, folders and globs, and the names of annotated images."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from glob import glob
from pathlib import Path

from posezoo.errors import ImageError

_ANNOTATED = re.compile(r".*_poses(_\d+)?")


def expand_image_paths(names: Sequence[str], warn: Callable[[str], None]) -> list[Path]:
    """The images of files, folders and globs; those of a folder in alphabetical order.

    Annotated images of an earlier run are left out of folders and globs. A name without images causes a
    warning.

    Raises:
        ImageError: there is no image at all.
    """
    from posezoo.images import SUFFIXES

    images: list[Path] = []
    for name in names:
        path = Path(name)
        if os.path.isdir(path):
            candidates = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES]
        elif any(character in name for character in "*?[") and not os.path.exists(path):
            candidates = [Path(match) for match in glob(name, recursive=True)]
        else:
            images.append(path)
            continue
        found = sorted(
            file for file in candidates if os.path.isfile(file) and not _ANNOTATED.fullmatch(file.stem)
        )
        if not found:
            warn(f"{name}: no images there (looked for {' '.join(sorted(SUFFIXES))})")
        images += found
    if not any(os.path.exists(image) for image in images):
        missing = ", ".join(map(str, images)) or ", ".join(names)
        raise ImageError(f"no image to work on: {missing}", hint="name images, folders or quoted globs")
    return images


class OutputNames:
    """Names for annotated images: never that of an input, and all different.

    Args:
        folder: where they go.
        images: all inputs, none of which may be overwritten.
    """

    def __init__(self, folder: Path, images: Sequence[Path]) -> None:
        self._folder = folder
        self._taken = {image.resolve() for image in images}

    def output_path(self, image: Path) -> Path:
        """``me.jpg`` becomes ``me_poses.jpg``; other formats than JPEG become PNG."""
        suffix = image.suffix.lower() if image.suffix.lower() in (".jpg", ".jpeg") else ".png"
        target, count = self._folder / f"{image.stem}_poses{suffix}", 1
        while target.resolve() in self._taken:
            count += 1
            target = self._folder / f"{image.stem}_poses_{count}{suffix}"
        self._taken.add(target.resolve())
        return target
