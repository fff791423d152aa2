"""Options of decoders are checked, however the module of the decoder writes its annotations."""

# Without postponed annotations, as the module of a plug-in may be written.
from typing import Annotated

import pytest

from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import Count, DecoderOptions, Range, Share


@frozen
class Options(DecoderOptions):
    """Options of a plug-in."""

    n: Count = 3
    share: Share = 0.5
    even: Annotated[int, Range("an even number", lambda value: value % 2 == 0)] = 2


def test_values_in_their_ranges_are_taken():
    assert Options(n=1, share=1.0, even=4).n == 1


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [("n", -5, "1 or more"), ("share", 1.5, "0 to 1"), ("even", 3, "an even number")],
)
def test_a_value_out_of_its_range_is_refused(option, value, expected):
    with pytest.raises(InferenceError, match=f"option {option}: expected {expected}, got {value}"):
        Options(**{option: value})
