"""Where a model does well and where it does not: by picture and by keypoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from posezoo.coco import CocoDataset, DatasetImage
from posezoo.evaluation.coco_matching import ImageMatches, keypoint_similarities
from posezoo.evaluation.coco_metrics import keypoint_sigmas
from posezoo.evaluation.image_predictions import ImagePredictions

#: At this similarity somebody, or a keypoint, counts as found.
FOUND_AT = 0.5


@dataclass(frozen=True, eq=False, slots=True)
class ImageScore:
    """How well a model did on a picture.

    Attributes:
        picture: which.
        people: how many there are to find.
        found: how many of them were.
        wrong: how many were found who are nobody.
        similarity: mean of all people's similarity to who was found to be them, 0 for those whom nobody is;
            None where there is nobody to find.
    """

    picture: DatasetImage
    people: int
    found: int
    wrong: int
    similarity: float | None


@dataclass(frozen=True, slots=True)
class KeypointScore:
    """How well a model finds a keypoint.

    Attributes:
        name: of the keypoint.
        labelled: of how many people who count it is labelled.
        found: the share of these that is found at a similarity of ``FOUND_AT``.
        similarity: the mean over all these, 0 where the person was not found.
        error_px: the median distance in image pixels where the person was found; None where nobody was.
    """

    name: str
    labelled: int
    found: float
    similarity: float
    error_px: float | None


def score_images(matched: Sequence[ImageMatches]) -> tuple[ImageScore, ...]:
    """A row for each picture.

    Args:
        matched: with ``FOUND_AT`` as the first threshold.
    """
    return tuple(map(_picture, matched))


def _picture(each: ImageMatches) -> ImageScore:
    recipient = each.whom[0]
    people = int((~each.ignored).sum())
    rows = [(row, person) for row, person in enumerate(recipient.tolist()) if person >= 0]
    right = [each.similarities[row, person] for row, person in rows if not each.ignored[person]]
    mean = float(sum(right) / people) if people else None
    return ImageScore(each.picture, people, len(right), int((recipient < 0).sum()), mean)


def worst_images(tallies: Sequence[ImageScore], count: int) -> list[ImageScore]:
    """Those pictures with people on which a model did worst, the worst first; more wrong ones are worse."""
    with_people = [tally for tally in tallies if tally.similarity is not None]
    return sorted(with_people, key=lambda each: (each.similarity, -each.wrong, each.picture.id))[:count]


def score_keypoints(
    dataset: CocoDataset, found: Mapping[int, ImagePredictions], matched: Sequence[ImageMatches]
) -> tuple[KeypointScore, ...]:
    """A row for each keypoint of the set.

    Args:
        dataset: the truth.
        found: who was found, by the picture's number.
        matched: with ``FOUND_AT`` as the first threshold.
    """
    sigmas = 2 * np.array(keypoint_sigmas(dataset.keypoints))
    joints = len(dataset.keypoints)
    labelled, similar, right = np.zeros(joints), np.zeros(joints), np.zeros(joints)
    errors: list[list[float]] = [[] for _ in range(joints)]
    for each in matched:
        rows = {person: row for row, person in enumerate(each.whom[0].tolist())}
        for place, person in enumerate(each.picture.people):
            if each.ignored[place]:
                continue
            seen = person.keypoints[:, 2] > 0
            labelled += seen
            if place not in rows:
                continue
            points = found[each.picture.id].keypoints[each.order[rows[place]]]
            similarity = keypoint_similarities(points[None], person, sigmas)[0] * seen
            similar += similarity
            right += similarity >= FOUND_AT
            apart = np.hypot(*(points[:, :2] - person.keypoints[:, :2]).T)
            for joint in np.flatnonzero(seen & (points[:, 2] > 0)).tolist():
                errors[joint].append(float(apart[joint]))
    share = 1 / np.maximum(labelled, 1)
    return tuple(
        KeypointScore(
            name,
            int(labelled[joint]),
            float(right[joint] * share[joint]),
            float(similar[joint] * share[joint]),
            float(np.median(errors[joint])) if errors[joint] else None,
        )
        for joint, name in enumerate(dataset.keypoints)
    )
