"""Metrics from matches: by image, by keypoint, and of 3D poses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.measure.coco import CocoDataset, DatasetImage
from posezoo.measure.evaluation.coco_matching import ImageMatches
from posezoo.measure.evaluation.coco_metrics import keypoint_sigmas
from posezoo.measure.evaluation.image_predictions import Predictions

#: A keypoint counts as found at this similarity or more.
FOUND_AT = 0.5

#: Both skeletons are aligned at this keypoint, because the model's joints are relative to it.
ROOT = "neck"


@frozen_with_arrays
class ImageScore:
    """How well a model did on one image, at the matches' first threshold.

    Attributes:
        people: number of annotated people that count.
        found: how many of them were found.
        wrong: number of predictions that match no person.
        similarity: mean similarity between the people and their predictions, 0 for people who were
            not found; None if there are no people.
    """

    image: DatasetImage
    people: int
    found: int
    wrong: int
    similarity: float | None


@frozen
class KeypointScore:
    """How well a model finds one keypoint.

    Attributes:
        labelled: number of people that count and for whom the keypoint is labelled.
        found: the share of these people whose keypoint is found at a similarity of ``FOUND_AT`` or
            more.
        similarity: the mean similarity over all these people, 0 if the person was not found.
        error_px: the median distance in image pixels over people who were found; None if there are
            none.
    """

    name: str
    labelled: int
    found: float
    similarity: float
    error_px: float | None


def score_image(matches: ImageMatches) -> ImageScore:
    """The score of one image."""
    rows = matches.found()
    people = matches.num_people
    wrong = int((matches.persons[0] < 0).sum())
    similarity = sum(matches.similarities[row, person] for person, row in rows.items())
    mean = float(similarity / people) if people else None
    return ImageScore(matches.image, people, len(rows), wrong, similarity=mean)


def recall_of_several(scores: Sequence[ImageScore]) -> float | None:
    """The share, 0..1, of the people in images of two or more people that were found; None if there
    are no such images.

    This is AR50 of these images alone: 20 predictions of an image count, and the matches' first
    threshold.
    """
    several = [score for score in scores if score.people > 1]
    people = sum(score.people for score in several)
    return sum(score.found for score in several) / people if people else None


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
    for image_matches in matches:
        image = image_matches.image
        rows = image_matches.found()
        for index, person in enumerate(image.people):
            if image_matches.ignored[index]:
                continue
            is_labelled = person.keypoints[:, 2] > 0
            labelled += is_labelled
            if index not in rows:
                continue
            place = image_matches.order[rows[index]]
            points = predictions[image.id].keypoints[place]
            offsets = points[:, :2] - person.keypoints[:, :2]
            distances = np.hypot(*offsets.T)
            # The terms of COCO's object keypoint similarity.
            spread = 2 * sigmas**2 * (person.area + np.spacing(1))
            similarity = np.exp(-(distances**2) / spread) * is_labelled
            similarity_sum += similarity
            num_found += similarity >= FOUND_AT
            is_predicted = points[:, 2] > 0
            for keypoint in np.flatnonzero(is_labelled & is_predicted).tolist():
                errors[keypoint].append(float(distances[keypoint]))
    share = 1 / np.maximum(labelled, 1)
    scores = []
    for i, name in enumerate(dataset.keypoints):
        found_share = float(num_found[i] * share[i])
        mean_similarity = float(similarity_sum[i] * share[i])
        error = float(np.median(errors[i])) if errors[i] else None
        scores.append(
            KeypointScore(name, int(labelled[i]), found_share, mean_similarity, error_px=error)
        )
    return tuple(scores)


def compute_mpjpe(
    dataset: CocoDataset,
    predictions: Predictions,
    matches: Sequence[ImageMatches],
) -> float | None:
    """The mean distance of joints from the ground truth, in mm, with the necks aligned.

    The mean is over all labelled joints, except the neck, of the people who were found. This is
    MPJPE (C. Ionescu et al., Human3.6M, 2014) for several people, who are matched by their
    keypoints in the image. People who were not found do not count here; AR includes them. The
    matches' first threshold is used.

    Returns:
        None if the data set or the model has no 3D positions, or no person was found.
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
