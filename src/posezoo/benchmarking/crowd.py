"""A picture of several people, out of photos of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from posezoo import images


def write_crowd(photos: Sequence[Path], path: Path) -> Path:
    """Two photos of one size, side by side and the other way round below: each twice, at four places.

    Args:
        photos: two of them.
        path: where the picture goes, a JPEG as cameras give it.

    Raises:
        ImageError: a photo cannot be read.
        OutputError: the picture cannot be written.
    """
    one, other = (images.read(photo) for photo in photos)
    images.write(path, np.vstack([np.hstack([one, other]), np.hstack([other, one])]))
    return path
