"""A picture of several people, out of photos of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from posezoo import images

# All that shows a person, in both sample photos.
_COLUMNS = 400


def write_crowd_image(photos: Sequence[Path], path: Path) -> Path:
    """The left parts of two photos of one height, twice, in a row: 1600x512 of the sample photos.

    In a row people are as small as detectors expect them: person-detection-retail-0013 finds all four, and
    one of them where they stand in a square.

    Args:
        photos: two of them.
        path: where the picture goes, a JPEG as cameras give it.

    Raises:
        ImageError: a photo cannot be read.
        OutputError: the picture cannot be written.
    """
    one, other = (images.read_image(photo)[:, :_COLUMNS] for photo in photos)
    images.write_image(path, np.hstack([one, other, one, other]))
    return path
