"""Match predictions with annotated people by COCO's rules, for tables and confidence intervals.

This reimplements pycocotools' ``evaluateImg`` for people of any size; the tests check that the AP
is that of ``coco_metrics``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from posezoo.core.arrays import Array, Bools, Doubles, Ints
from posezoo.core.values import frozen_with_arrays
from posezoo.measure.coco import CocoDataset, DatasetImage
from posezoo.measure.coco.coco_dataset import PERSON
from posezoo.measure.evaluation.coco_metrics import run_library
from posezoo.measure.evaluation.image_predictions import Predictions
from posezoo.poses.keypoints import sort_descending

#: The maximum number of predictions of an image that count in COCO's metrics: poses, and boxes
#: (pycocotools' ``maxDets``).
MAX_POSES = 20
MAX_BOXES = 100

#: COCO's ten thresholds of similarity or overlap.
THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())

#: With this many people or more, the interval is narrow and is not computed.
ENOUGH_PEOPLE = 500

DRAWS = 1000

_FEWEST_IMAGES = 2
SEED = 20170917

NAMES = ("AP", "AP50", "AP75", "AR", "AR50", "AR75")

Interval = tuple[float, float]

_RECALLS = np.linspace(0, 1, 101)


@frozen_with_arrays
class ImageSimilarities:
    """How similar the predictions for an image are to the people annotated in it.

    Attributes:
        order: (N,): indices of the predictions, by descending score.
        scores: (N,): their scores.
        similarities: (N, P): the similarity of each prediction to each person in the image.
        ignored: (P,): people who count neither as found nor as missed.
        limit: how many of the predictions count in COCO's metrics.
    """

    image: DatasetImage
    order: Ints
    scores: Doubles
    similarities: Doubles
    ignored: Bools
    limit: int


@frozen_with_arrays
class ImageMatches(ImageSimilarities):
    """Which prediction matches which annotated person in one image.

    Attributes:
        persons: (T, N): index of the matched person at each threshold; -1 if there is none.
        set_aside: (N,): predictions that do not count if they match nobody.
    """

    persons: Ints
    set_aside: Bools

    @property
    def num_people(self) -> int:
        """The number of people that count."""
        return int((~self.ignored).sum())

    def found(self) -> dict[int, int]:
        """The row of the prediction for each person that counts and was found, at the first
        threshold.
        """
        rows = enumerate(self.persons[0].tolist())
        return {person: row for row, person in rows if person >= 0 and not self.ignored[person]}

    def true_positives(self) -> tuple[Bools, Bools]:
        """(T, ``limit`` or fewer) twice: whether a prediction matches a person that counts, and
        whether it counts itself.
        """
        persons = self.persons[:, : self.limit]
        has_person = persons >= 0
        counted = has_person | ~self.set_aside[: self.limit]
        if not len(self.ignored):
            return has_person, counted
        is_ignored = self.ignored[persons] & has_person
        return has_person & ~is_ignored, counted & ~is_ignored


def compare_images(
    dataset: CocoDataset, predictions: Predictions, *, boxes: bool = False
) -> Iterator[ImageSimilarities]:
    """The similarities in every image of a data set, of all predictions.

    Raises:
        EvaluationError: COCO's sigma of a keypoint is unknown.
    """
    limit = MAX_BOXES if boxes else MAX_POSES
    most = max(map(len, predictions.values()), default=0)
    all_similarities = run_library(dataset, predictions, boxes=boxes, most=max(1, most)).ious
    for number, image in enumerate(dataset.images):
        predicted = predictions.get(image.id)
        scores = np.zeros(0) if predicted is None else predicted.scores
        order = sort_descending(scores)
        ignored = [
            person.is_crowd or not (boxes or person.num_keypoints) for person in image.people
        ]
        # The library has none at all if nobody is annotated in any image.
        of_image = all_similarities.get((number, PERSON), ())
        similarities = np.reshape(of_image, (len(order), len(image.people)))
        is_ignored = np.array(ignored, bool)
        yield ImageSimilarities(image, order, scores[order], similarities, is_ignored, limit)


def match_dataset(
    dataset: CocoDataset, predictions: Predictions, *, boxes: bool = False
) -> Iterator[ImageMatches]:
    """The matches of every image of a data set.

    Raises:
        EvaluationError: as for ``compare_images``.
    """
    for compared in compare_images(dataset, predictions, boxes=boxes):
        yield match_image(compared, compared.ignored)


def match_image(
    compared: ImageSimilarities, ignored: Bools, set_aside: Bools | None = None
) -> ImageMatches:
    """The matches of one image; ``ignored`` and ``set_aside`` as in ``ImageMatches``."""
    crowds = [person.is_crowd for person in compared.image.people]
    similarities = compared.similarities
    matches = [
        _match_greedily(similarities, ignored, crowds, threshold) for threshold in THRESHOLDS
    ]
    return ImageMatches(
        compared.image,
        compared.order,
        compared.scores,
        similarities,
        ignored,
        compared.limit,
        persons=np.array(matches, np.int64).reshape(len(THRESHOLDS), len(compared.order)),
        set_aside=np.zeros(len(compared.order), bool) if set_aside is None else set_aside,
    )


def _match_greedily(
    similarities: Doubles, ignored: Bools, crowds: Sequence[bool], threshold: float
) -> list[int]:
    """The person for each prediction, by descending score; people that count are matched before
    others.
    """
    taken: set[int] = set()
    people = np.argsort(ignored, kind="stable").tolist()
    matches = []
    for row in similarities.tolist():
        best = -1
        best_similarity = min(threshold, 1 - 1e-10)
        for person in people:
            if person in taken and not crowds[person]:
                continue
            if best >= 0 and not ignored[best] and ignored[person]:
                break
            if row[person] >= best_similarity:
                best = person
                best_similarity = row[person]
        if best >= 0:
            taken.add(best)
        matches.append(best)
    return matches


def draw_images(count: int, draws: int) -> Iterator[Ints]:
    """How often each of ``count`` images occurs in each of some draws of as many images, with
    replacement; always the same ones.
    """
    random = np.random.default_rng(SEED)
    for _ in range(draws):
        yield random.multinomial(count, np.full(count, 1 / count))


def bootstrap_intervals(matches: Sequence[ImageMatches]) -> Mapping[str, Interval]:
    """The 95 % confidence intervals of ``NAMES``, by the percentile bootstrap.

    Images are drawn as by ``draw_images``; the bounds are the 2.5th and the 97.5th percentile of
    the metrics (B. Efron, R. Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13). Whole
    images are drawn, because people in one image are not independent. Empty if fewer than two
    images have people.
    """
    if sum(image.num_people > 0 for image in matches) < _FEWEST_IMAGES:
        return {}
    pooled = PooledMatches(matches)
    samples = filter(None, map(pooled.resampled_metrics, draw_images(len(matches), DRAWS)))
    low, high = np.percentile(np.array([*samples]), (2.5, 97.5), axis=0).tolist()
    return dict(zip(NAMES, zip(low, high, strict=True), strict=True))


class PooledMatches:
    """The predictions of all images that count in COCO's metrics, by descending score, each with
    the index of its image.
    """

    def __init__(self, matches: Sequence[ImageMatches]) -> None:
        self._people = np.array([image.num_people for image in matches])
        of_images = [image.scores[: image.limit] for image in matches]
        scores = np.concatenate(of_images)
        order = sort_descending(scores)
        counts = list(map(len, of_images))
        image_indices = np.repeat(np.arange(len(matches)), counts)
        positives = [image.true_positives() for image in matches]
        correct, counted = (np.concatenate(rows, axis=1) for rows in zip(*positives, strict=True))
        self._image_indices = image_indices[order]
        self._correct = correct[:, order].astype(np.float64)
        self._wrong = (counted & ~correct)[:, order].astype(np.float64)

    def resampled_metrics(self, repeats: Array) -> tuple[float, ...] | None:
        """The metrics of ``NAMES`` if each image occurs ``repeats`` times; None if no person
        counts.
        """
        people = int((self._people * repeats).sum())
        if not people:
            return None
        weights = repeats[self._image_indices]
        right = np.cumsum(weights * self._correct, axis=1)
        wrong = np.cumsum(weights * self._wrong, axis=1)
        recall = right / people
        # The best precision at each of COCO's recalls or above; 0 if the recall is not reached.
        so_far = right / (right + wrong + np.spacing(1))
        best = np.zeros((len(THRESHOLDS), recall.shape[1] + 1))
        best[:, :-1] = np.maximum.accumulate(so_far[:, ::-1], axis=1)[:, ::-1]
        precision = np.array(
            [
                row[np.searchsorted(reached, _RECALLS)]
                for row, reached in zip(best, recall, strict=True)
            ]
        )
        ap = precision.mean(axis=1)
        ar = recall[:, -1] if recall.shape[1] else np.zeros(len(THRESHOLDS))
        # The sixth threshold is 0.75.
        return ap.mean(), ap[0], ap[5], ar.mean(), ar[0], ar[5]
