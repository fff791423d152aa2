"""Decoders of networks with a row for each person refuse outputs whose rows do not belong together."""

import numpy as np
import pytest

from posezoo import decode
from posezoo.core.errors import InferenceError


@pytest.mark.parametrize(
    ("decoder", "shapes"),
    [
        ("rtmo", {"dets": (1, 3, 5), "keypoints": (1, 2, 17, 3)}),
        ("rtmdet", {"dets": (1, 3, 5), "labels": (1, 2)}),
        ("rf_detr", {"dets": (1, 4, 4), "labels": (1, 3, 2), "keypoints": (1, 4, 17, 8)}),
        ("detrpose", {"scores": (1, 4), "labels": (1, 3), "keypoints": (1, 4, 17, 2)}),
    ],
)
def test_different_numbers_of_rows_are_refused(decoder, shapes):
    maps = {role: np.ones(shape, np.float32) for role, shape in shapes.items()}
    with pytest.raises(InferenceError, match=f"{decoder}: the outputs have different numbers"):
        decode(decoder, maps, (640, 640))
