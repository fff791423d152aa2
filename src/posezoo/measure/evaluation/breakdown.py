"""Metrics from matches: by image, by keypoint, and of 3D poses."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

import numpy as np

from posezoo.core.arrays import Doubles
from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.measure.coco import CocoDataset, DatasetImage
from posezoo.measure.coco.coco_dataset import PersonAnnotation
from posezoo.measure.evaluation.coco_matching import ImageMatches
from posezoo.measure.evaluation.coco_metrics import keypoint_sigmas
from posezoo.measure.evaluation.image_predictions import ImagePredictions, Predictions

#: A keypoint counts as found at this similarity or more.
FOUND_AT = 0.5

#: A ghost is a person who is found where there is none; with this score, programs usually show it.
SURE_AT = 0.3

#: Two poses are of one person if the similarity of the keypoints that both show is higher: this
#: is so for no two people of the photos in decision 0037.
SAME_PERSON = 0.7

#: Keypoints that a pose shows have a higher score; of fewer common ones, nothing is said.
SHOWN_ABOVE = 0.1
FEWEST_COMMON = 4

#: PCK@0.2: the distance of a correct keypoint, as a share of the longer side of the person's box
#: (Yang and Ramanan, Articulated Human Detection with Flexible Mixtures of Parts, 2013).
PCK_SHARE = 0.2

#: The groups of images in the table, by the least and the largest number of annotated people.
GROUPS: Mapping[str, tuple[float, float]] = {
    "0": (0, 0),
    "1": (1, 1),
    "2": (2, 2),
    "3 to 4": (3, 4),
    "5 to 9": (5, 9),
    "10 or more": (10, math.inf),
}

#: Both skeletons are aligned at this keypoint, because the model's joints are relative to it.
ROOT = "neck"


@frozen_with_arrays
class ImageScore:
    """How well a model did on one image, at the matches' first threshold.

    Attributes:
        people: annotated people that count.
        found: how many of them were found.
        wrong: predictions that match no person.
        sure: how many of these have a score of ``SURE_AT`` or more.
        similarity: between the people and their predictions on average, 0 for those not found; None
            without people.
    """

    image: DatasetImage
    people: int
    found: int
    wrong: int
    sure: int
    similarity: float | None

    @property
    def is_empty(self) -> bool:
        """Whether no person is annotated, not even a crowd or a person without keypoints."""
        return not self.image.people


@frozen
class KeypointScore:
    """How well a model finds one keypoint.

    Attributes:
        labelled: people that count and for whom it is labelled.
        found: the share of them at a similarity of ``FOUND_AT`` or more; None if there are none.
        similarity: the mean over them, 0 if not found; None if there are none.
        error_px: the median distance in image pixels over people who were found; or None.
    """

    name: str
    labelled: int
    found: float | None
    similarity: float | None
    error_px: float | None


def score_image(matches: ImageMatches) -> ImageScore:
    """The score of one image."""
    rows = matches.found()
    people = matches.num_people
    is_wrong = matches.persons[0] < 0
    similarity = sum(matches.similarities[row, person] for person, row in rows.items())
    mean = float(similarity / people) if people else None
    sure = int((is_wrong & (matches.scores >= SURE_AT)).sum())
    return ImageScore(
        matches.image, people, len(rows), int(is_wrong.sum()), sure=sure, similarity=mean
    )


@frozen
class GroupScore:
    """How many people a model finds in images with as many people.

    Attributes:
        title: the number of people in an image: 0, 1, 2, 3 to 4, ...
        people, found, wrong, sure: the sums over these images, as in ``ImageScore``.
    """

    title: str
    images: int
    people: int
    found: int
    wrong: int
    sure: int


def score_groups(scores: Sequence[ImageScore]) -> tuple[GroupScore, ...]:
    """The scores by the number of people in an image, without groups that no image has."""
    groups = []
    for title, (least, most) in GROUPS.items():
        members = [
            score
            for score in scores
            if least <= score.people <= most and (score.people or score.is_empty)
        ]
        if members:
            sums = {
                name: sum(getattr(score, name) for score in members)
                for name in ("people", "found", "wrong", "sure")
            }
            groups.append(GroupScore(title, len(members), **sums))
    return tuple(groups)


def recall_of_groups(scores: Sequence[ImageScore], least: int, most: float) -> float | None:
    """The share, 0..1, of the people that were found in images of ``least`` to ``most`` people;
    None if there are no such images.

    All predictions count, at the matches' first threshold: in images of many people, COCO's AR50,
    for which 20 of an image count, may be lower.
    """
    counted = [score for score in scores if least <= score.people <= most]
    people = sum(score.people for score in counted)
    return sum(score.found for score in counted) / people if people else None


def count_ghosts(scores: Sequence[ImageScore]) -> tuple[float, float] | None:
    """People found per image without people: all, and those with a score of ``SURE_AT`` or more;
    None if each image has people.
    """
    empty = [score for score in scores if score.is_empty]
    if not empty:
        return None
    return fmean(score.wrong for score in empty), fmean(score.sure for score in empty)


def share_of_duplicates(dataset: CocoDataset, predictions: Predictions) -> float:
    """The share of images, 0..1, in which a person has two poses."""
    sigmas = 2 * np.array(keypoint_sigmas(dataset))
    return fmean(has_duplicate(predictions[image.id], sigmas) for image in dataset.images)


def has_duplicate(people: ImagePredictions, sigmas: Doubles) -> bool:
    """Whether two poses of an image are of one person."""
    points = people.keypoints[np.argsort(-people.scores, kind="stable")]
    shown = points[:, :, 2] > SHOWN_ABOVE
    places = np.where(shown[:, :, None], points[:, :, :2], np.nan)
    for row in np.flatnonzero(shown[:-1].sum(axis=1) >= FEWEST_COMMON).tolist():
        x, y = places[row][shown[row]].T
        area = np.ptp(x) * np.ptp(y) + 1
        squared = ((places[row + 1 :] - places[row]) ** 2).sum(axis=2)
        similarity = np.exp(-squared / (2 * area * sigmas**2))
        is_common = np.isfinite(similarity)
        counts = is_common.sum(axis=1)
        means = np.where(is_common, similarity, 0).sum(axis=1) / np.maximum(counts, 1)
        if ((means > SAME_PERSON) & (counts >= FEWEST_COMMON)).any():
            return True
    return False


def compute_pck(predictions: Predictions, matches: Sequence[ImageMatches]) -> float | None:
    """PCK@0.2: the share, 0..1, of the labelled keypoints of all people that count that are at most
    ``PCK_SHARE`` of the longer side of the person's box away; those of people who were not found
    are not; None if no keypoint is labelled.
    """
    labelled = correct = 0
    for person, points in _counted_people(predictions, matches):
        is_labelled = person.keypoints[:, 2] > 0
        labelled += int(is_labelled.sum())
        if points is not None:
            is_near = _distances(person, points) <= PCK_SHARE * max(person.bbox[2:])
            correct += int((is_labelled & is_near & (points[:, 2] > 0)).sum())
    return correct / labelled if labelled else None


def _counted_people(
    predictions: Predictions, matches: Sequence[ImageMatches]
) -> Iterator[tuple[PersonAnnotation, Doubles | None]]:
    for image_matches in matches:
        image = image_matches.image
        rows = image_matches.found()
        for index, person in enumerate(image.people):
            if image_matches.ignored[index]:
                continue
            points = None
            if index in rows:
                points = predictions[image.id].keypoints[image_matches.order[rows[index]]]
            yield person, points


def _distances(person: PersonAnnotation, points: Doubles) -> Doubles:
    """From the annotated keypoints, (K,), in image pixels."""
    distances: Doubles = np.hypot(*(points[:, :2] - person.keypoints[:, :2]).T)
    return distances


def worst_images(scores: Sequence[ImageScore], count: int) -> list[ImageScore]:
    """The images with people that have the lowest similarity, then the most wrong predictions."""
    with_people = [score for score in scores if score.similarity is not None]
    return sorted(with_people, key=lambda score: (score.similarity, -score.wrong, score.image.id))[
        :count
    ]


def score_keypoints(
    dataset: CocoDataset,
    predictions: Predictions,
    matches: Sequence[ImageMatches],
) -> tuple[KeypointScore, ...]:
    """A score for each keypoint, from predictions by image id, at the first threshold of all
    matches.
    """
    sigmas = 2 * np.array(keypoint_sigmas(dataset))
    count = len(dataset.keypoints)
    labelled = np.zeros(count)
    similarity_sum = np.zeros(count)
    num_found = np.zeros(count)
    errors: dict[int, list[float]] = defaultdict(list)  # by keypoint
    for person, points in _counted_people(predictions, matches):
        is_labelled = person.keypoints[:, 2] > 0
        labelled += is_labelled
        if points is None:
            continue
        distances = _distances(person, points)
        # The terms of COCO's object keypoint similarity.
        spread = 2 * sigmas**2 * (person.area + np.spacing(1))
        similarity = np.exp(-(distances**2) / spread) * is_labelled
        similarity_sum += similarity
        num_found += similarity >= FOUND_AT
        is_predicted = points[:, 2] > 0
        for keypoint in np.flatnonzero(is_labelled & is_predicted).tolist():
            errors[keypoint].append(float(distances[keypoint]))
    scores = []
    for i, name in enumerate(dataset.keypoints):
        number = int(labelled[i])
        share = float(num_found[i]) / number if number else None
        similarity = float(similarity_sum[i]) / number if number else None
        error = float(np.median(errors[i])) if errors[i] else None
        scores.append(KeypointScore(name, number, share, similarity, error_px=error))
    return tuple(scores)


def compute_mpjpe(
    dataset: CocoDataset,
    predictions: Predictions,
    matches: Sequence[ImageMatches],
) -> float | None:
    """The mean distance of joints from the ground truth, in mm, with the necks aligned.

    Over all labelled joints, except the neck, of people found at the matches' first threshold; None
    without 3D positions or people. AR includes people not found. This is MPJPE (C. Ionescu et al.,
    Human3.6M, 2014) for several people, matched by their keypoints in the image.
    """
    if ROOT not in dataset.keypoints:
        return None
    root = dataset.keypoints.index(ROOT)
    errors = []
    for image_matches in matches:
        image = image_matches.image
        for index, row in image_matches.found().items():
            truth = image.people[index].space
            space = predictions[image.id].space
            if not len(truth) or not truth[root, 3] or not space.shape[1]:
                continue
            predicted = space[image_matches.order[row]]
            counted = truth[:, 3] > 0
            counted[root] = False
            offsets = (predicted - predicted[root]) - (truth[:, :3] - truth[root, :3])
            errors += np.linalg.norm(offsets[counted], axis=1).tolist()
    return float(np.mean(errors)) if errors else None
