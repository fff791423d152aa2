"""How well a model finds people of each size, and of each posture.

Sizes are COCO's; the posture is the angle, in the image, from the middle of the hips to the middle
of the shoulders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from posezoo.core.arrays import Doubles
from posezoo.core.values import frozen
from posezoo.measure.coco.coco_dataset import PersonAnnotation
from posezoo.measure.evaluation.coco_matching import (
    ImageMatches,
    PooledMatches,
    match_image,
)
from posezoo.measure.evaluation.image_predictions import ImagePredictions, Predictions

#: The areas, in square pixels, at which people of a size begin: as pycocotools' ``areaRng``.
SIZES = {"small": 0.0, "medium": 32.0**2, "large": 96.0**2}

#: The angles, in degrees from upright, at which the postures begin.
POSTURES = {"upright": 0.0, "leaning": 30.0, "lying": 60.0, "upside down": 120.0}

#: Of people without a shoulder and a hip of the same side.
UNKNOWN_POSTURE = "unknown"

#: With fewer people, a group has no AP: one person more or less would decide it.
ENOUGH_PEOPLE = 10

_TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


@frozen
class PersonGroup:
    """How well a model finds the people of a group.

    Attributes:
        title: small, medium, large; upright, leaning, lying, upside down, unknown.
        people: those that count.
        found: at the matches' first threshold.
        AP: COCO's, 0..1, without people of other groups, and other groups' predictions that match
            nobody, as in COCO's APm and APl. None if there are fewer than ``ENOUGH_PEOPLE``.
    """

    title: str
    people: int
    found: int
    AP: float | None


@frozen
class Grouping:
    """How people are divided into groups.

    Attributes:
        titles: in the order in which they are shown.
        of_person: the title of a person's group.
        of_predictions: that of the group of each prediction in an image.
    """

    titles: tuple[str, ...]
    of_person: Callable[[PersonAnnotation], str]
    of_predictions: Callable[[ImagePredictions], list[str]]


def _size_of_area(area: float) -> str:
    return [title for title, least in SIZES.items() if least <= area or not least][-1]


def _sizes_of_predictions(predictions: ImagePredictions) -> list[str]:
    # Of all keypoints, also missing ones at (0, 0), as pycocotools' loadRes.
    areas = np.ptp(predictions.keypoints[:, :, :2], axis=1).prod(axis=1)
    return list(map(_size_of_area, areas.tolist()))


#: By COCO's sizes.
BY_SIZE = Grouping(tuple(SIZES), lambda person: _size_of_area(person.area), _sizes_of_predictions)


def group_by_posture(names: tuple[str, ...]) -> Grouping | None:
    """The groups of people by posture; None if keypoints with these names have no torso."""
    if not set(_TORSO) <= set(names):
        return None
    columns = list(map(names.index, _TORSO))
    return Grouping(
        (*POSTURES, UNKNOWN_POSTURE),
        lambda person: _posture(person.keypoints[columns]),
        lambda predictions: list(map(_posture, predictions.keypoints[:, columns])),
    )


def _posture(torso: Doubles) -> str:
    angle = torso_angle(torso)
    if angle is None:
        return UNKNOWN_POSTURE
    return [title for title, least in POSTURES.items() if least <= angle][-1]


def torso_angle(torso: Doubles) -> float | None:
    """The angle between a torso and an upright one in the image, in degrees, 0..180; None if no
    side has a shoulder and a hip.

    Args:
        torso: (4, 3): x, y, and a number above 0 if it is there, of the left and right shoulder and
            the left and right hip. A side counts if both are there.
    """
    shoulders, hips = torso[:2], torso[2:]
    is_there = (shoulders[:, 2] > 0) & (hips[:, 2] > 0)
    if not is_there.any():
        return None
    across, down = (shoulders - hips)[is_there, :2].mean(axis=0).tolist()
    return math.degrees(math.atan2(abs(across), -down))


def score_person_groups(
    grouping: Grouping, matches: Sequence[ImageMatches], predictions: Predictions
) -> tuple[PersonGroup, ...]:
    """The scores of the groups that anybody is in."""
    of_people = [[grouping.of_person(person) for person in each.image.people] for each in matches]
    of_predictions = [_in_order(grouping, each, predictions) for each in matches]
    groups = []
    for title in grouping.titles:
        num_people = num_found = 0
        for image, titles in zip(matches, of_people, strict=True):
            num_people += sum(
                each == title and not ignored
                for each, ignored in zip(titles, image.ignored, strict=True)
            )
            num_found += sum(titles[person] == title for person in image.found())
        if num_people:
            ap = None
            if num_people >= ENOUGH_PEOPLE:
                ap = _compute_ap(title, matches, of_people, of_predictions)
            groups.append(PersonGroup(title, num_people, num_found, ap))
    return tuple(groups)


def _in_order(grouping: Grouping, matches: ImageMatches, predictions: Predictions) -> list[str]:
    if not len(matches.order):
        return []
    titles = grouping.of_predictions(predictions[matches.image.id])
    return [titles[index] for index in matches.order]


def _compute_ap(
    title: str,
    matches: Sequence[ImageMatches],
    of_people: Sequence[Sequence[str]],
    of_predictions: Sequence[Sequence[str]],
) -> float | None:
    of_group = []
    for image, people, predicted in zip(matches, of_people, of_predictions, strict=True):
        if title not in people and title not in predicted:
            continue  # nobody and nothing there counts
        is_other = np.array([each != title for each in people], bool)
        set_aside = np.array([each != title for each in predicted], bool)
        of_group.append(match_image(image, image.ignored | is_other, set_aside))
    metrics = PooledMatches(of_group).resampled_metrics(np.ones(len(of_group), int))
    return float(metrics[0]) if metrics else None
