"""An image of several people, made from photos of one person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from posezoo import images

# The columns that contain the person, in both sample photos.
_COLUMNS = 400


def write_crowd_image(photos: Sequence[Path], path: Path) -> Path:
    """The left parts of two photos of the same height, twice, in a row: 1600x512 for the sample photos.

    In a row people are as small as detectors expect them: person-detection-retail-0013 finds all four people,
    but only one of them if they are arranged in a square.

    Args:
        photos: two photos.
        path: the JPEG to write.

    Raises:
        ImageError: a photo cannot be read.
        OutputError: the image cannot be written.
    """
    left, right = (images.read_image(photo)[:, :_COLUMNS] for photo in photos)
    images.write_image(path, np.hstack([left, right, left, right]))
    return path
