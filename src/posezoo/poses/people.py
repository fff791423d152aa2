"""Decides how the people are found that a top-down model processes one at a time."""

from __future__ import annotations

from dataclasses import replace

from posezoo.core.declarations.model import TRACKING, WHOLE_IMAGE, Model, People
from posezoo.core.settings import DEFAULT_DETECTOR
from posezoo.poses.decoder_type import DecoderType
from posezoo.poses.decoders import DECODERS

# Parts of people, with which the names of their skeletons begin.
_PARTS = ("hand", "palm", "face", "eye")

#: What tells the user of ``TRACKING`` how all people are found.
ONE_IS_FOLLOWED = f"one person is tracked; --detector {DEFAULT_DETECTOR} finds all"


def declared_people(model: Model) -> People | None:
    """How a model's people are found, unless the user names a detector; None if it finds them
    itself.

    Args:
        model: if its model.yml does not declare it, ``DEFAULT_DETECTOR`` finds the people in
            photos and in videos; a hand or a face is then expected to fill the image.
    """
    record = _find_decoder(model)
    if record is None or not record.takes_boxes:
        return None
    if model.people:
        return model.people
    detector = DEFAULT_DETECTOR if noun_of(model) == "person" else WHOLE_IMAGE
    return People(detector, detector)


def resolve_people(model: Model, named: str) -> People | None:
    """How a model's people are found with this value of the setting ``detector``.

    Args:
        model: as for ``declared_people``.
        named: ``usual`` for what the model declares, ``none`` for no detector, or a detector's
            name.
    """
    declared = declared_people(model)
    if declared is None or named == "usual":
        return declared
    if named != "none":
        return replace(declared, photo=named, video=named)
    record = _find_decoder(model)
    is_tracked = record is not None and record.next_crop is not None
    return People(WHOLE_IMAGE, TRACKING if is_tracked else WHOLE_IMAGE)


def noun_of(model: Model) -> str:
    """What a model finds, in a word: ``person``, ``hand``, ``palm``, ``face`` or ``eye``."""
    word, _, _ = model.skeleton.partition("-")
    return word if word in _PARTS else "person"


def plural_of(noun: str) -> str:
    """The plural of ``noun_of``."""
    return "people" if noun == "person" else f"{noun}s"


def _find_decoder(model: Model) -> DecoderType | None:
    return DECODERS.find(model.decoder.name) if model.decoder else None


def describe_people(people_from: str, detector_precision: str) -> str:
    """Where the people come from, with the precision of their detector's IR, if it is known."""
    return f"{people_from} ({detector_precision})" if detector_precision else people_from


def people_from(model: Model) -> str:
    """Where the people in photos come from, as measurements name it; empty if the model finds them
    itself.
    """
    people = declared_people(model)
    return "" if people is None else people.photo
