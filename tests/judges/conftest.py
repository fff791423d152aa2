"""What the comparisons with publishers' programs share."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fakes.published_models import Place, place_of


@pytest.fixture(scope="module")
def pictures(shared: Path) -> list[np.ndarray]:
    """Real photos, (H, W, 3) uint8 BGR."""
    files = sorted((shared / "data" / "photos").glob("*.jpg"))
    return [cv2.imread(str(file)) for file in files]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    """A publisher's server, and a user's folder."""
    with place_of(tmp_path_factory.mktemp("place")) as place:
        yield place
