"""A decoder is found by its name, and its options mean what they say."""

from __future__ import annotations

from dataclasses import fields

import pytest

from posezoo.errors import InferenceError
from posezoo.pose.decoders import DECODERS, needs_of, options_of
from posezoo.spec.model import Decoder


def test_what_the_model_declares_stands_over_the_defaults_and_the_caller_over_both():
    declared = Decoder("blazepose", {"min_presence": 0.7, "max_people": 3})
    assert options_of(Decoder("blazepose")).min_presence == 0.5
    assert options_of(declared).min_presence == 0.7
    assert options_of(declared, {"min_presence": 0.2}).min_presence == 0.2
    assert options_of(declared, {"min_presence": 0.2}).max_people == 3


def test_a_whole_number_is_a_number():
    assert options_of(Decoder("blazepose", {"min_presence": 1})).min_presence == 1


@pytest.mark.parametrize(
    ("options", "problem", "hint"),
    [
        ({"min_presense": 0.5}, "no option min_presense: it has min_detection_score", "min_presence"),
        ({"min_presence": "high"}, "min_presence: expected a number, got 'high'", ""),
        ({"min_presence": True}, "min_presence: expected a number, got True", ""),
        ({"max_people": 2.5}, "max_people: expected a whole number, got 2.5", ""),
        ({"weighted": 1}, "weighted: expected true or false, got 1", ""),
        ({"max_overlap": 7}, "max_overlap: expected 0 to 1, got 7", ""),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options, problem, hint):
    with pytest.raises(InferenceError, match=problem) as caught:
        options_of(Decoder("blazepose", options))
    assert hint in caught.value.hint


def test_an_unknown_decoder_names_the_nearest():
    with pytest.raises(InferenceError, match="no decoder blazpose: there is blazepose") as caught:
        needs_of(Decoder("blazpose"))
    assert caught.value.hint == "did you mean blazepose?"


@pytest.mark.parametrize("name", DECODERS)
def test_every_option_has_a_default_and_every_output_a_role(name):
    needs = DECODERS[name]
    assert options_of(Decoder(name)) == needs.options()
    assert all(type(field.default) in (bool, int, float, str) for field in fields(needs.options))
    assert all(output.role and output.shape for network in needs.networks for output in network)
