"""All people in an image as one box with a mask."""

import numpy as np
import pytest

from posezoo.poses.segmentation import DECODER, SegmentationOptions

SIZE = (6, 4)


def decode(mask, **options):
    return DECODER.decode({"person_mask": mask[..., None]}, SIZE, SegmentationOptions(**options))


@pytest.fixture
def mask():
    """A person in six pixels; beside, a pixel that shows one as likely as not."""
    probabilities = np.zeros(SIZE[::-1], np.float32)
    probabilities[1:3, 2:5] = 0.9
    probabilities[0, 0] = 0.5
    return probabilities


def test_the_box_is_around_the_pixels_that_more_likely_than_not_show_a_person(mask):
    (pose,) = decode(mask)
    assert pose.box == (2, 1, 5, 3) and pose.score == pytest.approx(0.9)
    np.testing.assert_array_equal(pose.mask, mask)


def test_the_mask_can_be_left_out(mask):
    (pose,) = decode(mask, segmentation=False)
    assert pose.mask is None


def test_nobody_is_where_no_pixel_is_as_likely_as_the_threshold(mask):
    assert decode(mask, min_score=0.95) == []
    assert decode(np.full_like(mask, np.nan)) == []
