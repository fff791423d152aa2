"""What the comparisons with publishers' programs share."""

import cv2
import pytest

from fakes.published_models import place_of
from judges.annotated import annotate_squares


@pytest.fixture(scope="module")
def pictures(shared):
    """Real photos, (H, W, 3) uint8 BGR."""
    files = sorted((shared / "data" / "photos").glob("*.jpg"))
    return [cv2.imread(str(file)) for file in files]


@pytest.fixture(scope="module")
def square_truth(shared):
    """The people in the squares of these photos, as COCO's annotators marked them."""
    return annotate_squares(shared / "data" / "photos")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A publisher's server, and a user's folder."""
    with place_of(tmp_path_factory.mktemp("place")) as place:
        yield place
