"""How the people of a top-down model are found: as model.yml declares it, or as the user names it."""

from dataclasses import replace

import pytest

from fakes.zoo import model_yml, write_model
from posezoo.core.declarations.model import TRACKING, WHOLE_IMAGE, PairLimits, People
from posezoo.core.errors import SpecError
from posezoo.core.registry import open_registry
from posezoo.core.settings import DEFAULT_DETECTOR
from posezoo.poses.people import declared_people, people_from, resolve_people


@pytest.fixture
def declare(tmp_path):
    """declare(people, decoder): the model with these in its model.yml."""

    def model(people=None, decoder="movenet"):
        changes = {"decoder": {"name": decoder}, **({"people": people} if people else {})}
        write_model(tmp_path, "net", model_yml(**changes))
        return open_registry([tmp_path]).find("net")

    return model


def test_a_model_declares_how_people_are_found(declare):
    model = declare({"photo": "my-detector", "video": "tracking"})
    assert declared_people(model) == People("my-detector", TRACKING)
    assert resolve_people(model, "usual") == People("my-detector", TRACKING)
    assert people_from(model) == "my-detector"


def test_limits_belong_to_a_detector_and_its_variants(declare):
    limits = {"min_score": 0.35, "min_pose_score": 0.15}
    people = declare({"photo": "mine", "detectors": {"mine": {}, "other": limits}}).people
    assert people.detectors == {"mine": PairLimits(), "other": PairLimits(0.35, 0.15)}
    other = replace(declare(), name="other")
    assert people.limits_with(other) == people.limits_with(replace(other, tag="paddle"))
    assert people.limits_with(other) == PairLimits(0.35, 0.15)
    assert people.limits_with(replace(other, name="third")) == PairLimits()


@pytest.mark.parametrize("word", ["the whole image", "whole_image", "none"])
def test_the_whole_image_has_several_words_and_a_video_is_as_a_photo(declare, word):
    assert declared_people(declare({"photo": word})) == People(WHOLE_IMAGE, WHOLE_IMAGE)


def test_a_model_that_declares_nothing_gets_the_default_detector(declare):
    assert declared_people(declare()) == People(DEFAULT_DETECTOR, DEFAULT_DETECTOR)
    assert declared_people(declare(decoder="heatmap")) == People(DEFAULT_DETECTOR, DEFAULT_DETECTOR)


def test_no_detector_of_people_looks_for_hands(declare):
    hand = replace(declare(decoder="heatmap"), skeleton="hand-21")
    assert declared_people(hand) == People(WHOLE_IMAGE, WHOLE_IMAGE)


def test_a_model_that_finds_people_itself_needs_no_detector(declare):
    model = declare(decoder="openpose")
    assert declared_people(model) is None
    assert resolve_people(model, "my-detector") is None
    assert people_from(model) == ""


def test_a_detector_that_the_user_names_finds_people_in_photos_and_videos(declare):
    assert resolve_people(declare(), "my-detector") == People("my-detector", "my-detector")


def test_without_a_detector_the_whole_image_is_one_person_and_movenet_still_tracks(declare):
    assert resolve_people(declare(), "none") == People(WHOLE_IMAGE, TRACKING)
    assert resolve_people(declare(decoder="heatmap"), "none") == People(WHOLE_IMAGE, WHOLE_IMAGE)


def test_a_model_without_a_decoder_finds_no_people(declare):
    assert declared_people(replace(declare(), decoder=None)) is None


@pytest.mark.parametrize(
    ("people", "problem"),
    [
        ({"photo": "tracking", "video": "tracking"}, "a person can be tracked only in a video"),
        (
            {"photo": "one", "video": "other"},
            "is other, and photo is one: one of both, or tracking",
        ),
        ({"photo": "one", "detectors": {"one": {"min_score": 1.5}}}, "expected a score, 0 to 1"),
    ],
)
def test_a_contradiction_is_refused_with_its_place(declare, people, problem):
    with pytest.raises(SpecError, match=problem) as caught:
        declare(people)
    assert "model.yml:" in str(caught.value)
