"""How much a metric drops between two evaluations of the same images, with its confidence
interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from posezoo.core.arrays import Ints
from posezoo.core.values import frozen
from posezoo.measure.coco import CocoDataset
from posezoo.measure.evaluation.coco_matching import (
    DRAWS,
    Interval,
    PooledMatches,
    draw_images,
    match_dataset,
)
from posezoo.measure.evaluation.image_predictions import ImagePredictions, Predictions
from posezoo.measure.evaluation.run_evaluation import EvaluationResult

#: The metric if each image occurs so often; nan if nothing counts then.
_Resample = Callable[[Ints], float]

#: The draws for a data set with many categories.
_FEWEST_DRAWS = 100

# If none of n images shows an event, its rate is below 3 / n with 95 % confidence (J. Hanley, A.
# Lippman-Hand: If nothing goes wrong, is everything all right?, JAMA 1983).
_RULE_OF_THREE = 3

# Closer to a limit than this, no number of images decides.
_RESOLUTION = 1e-3


@frozen
class MetricDrop:
    """The drop of a metric, 0..1.

    Attributes:
        before, after: the metric.
        interval: the 95 % confidence interval of the drop.
        images: the number of images.
    """

    before: float
    after: float
    interval: Interval
    images: int

    @property
    def drop(self) -> float:
        """How much less it is after; negative if it is more."""
        return self.before - self.after

    def images_to_decide(self, limit: float) -> int:
        """About how many images decide whether the drop is within a limit; 0 if these do."""
        low, high = self.interval
        if low > limit:
            return 0
        fewest = math.ceil(_RULE_OF_THREE / max(limit, _RESOLUTION))
        if high > limit:
            distance = max(abs(limit - self.drop), _RESOLUTION)
            return max(fewest, math.ceil(self.images * ((high - low) / 2 / distance) ** 2))
        return fewest if self.images < fewest else 0


def measure_drop(
    before: EvaluationResult, after: EvaluationResult, metric: str, *, of_boxes: bool
) -> MetricDrop:
    """The drop of a metric of two evaluations on the same images: ``AP`` or ``top1``.

    The interval is ``bootstrap_intervals``'; each draw takes the same images for both, so that what
    is difficult for both does not widen it.
    """
    dataset = before.dataset
    samplers = [
        tuple(_samplers(dataset, each.predictions, of_boxes=of_boxes)) for each in (before, after)
    ]
    count = len(dataset.images)
    drops = []
    draws = max(_FEWEST_DRAWS, DRAWS // max(len(samplers[0]), 1))
    for repeats in draw_images(count, draws):
        values = np.array([[sample(repeats) for sample in each] for each in samplers])
        counted = values[:, np.isfinite(values).all(axis=0)]
        if counted.size:
            drops.append(counted[0].mean() - counted[1].mean())
    low, high = np.percentile(drops, (2.5, 97.5)).tolist()
    was, is_now = (each.figures.get(metric, 0.0) for each in (before, after))
    return MetricDrop(was, is_now, (low, high), count)


def _samplers(
    dataset: CocoDataset, predictions: Predictions, *, of_boxes: bool
) -> Iterator[_Resample]:
    """The metric, or that of each category, whose mean it is."""
    if dataset.is_classified:
        right = [
            image.people[0].category in predictions[image.id].categories[:1]
            for image in dataset.images
        ]
        yield lambda repeats: float(np.average(right, weights=repeats))
        return
    for number in dataset.categories.values() or (None,):
        part = _select_category(dataset, number) if number is not None else dataset
        if part.person_count(keypoints=not of_boxes):
            chosen = predictions
            if number is not None:
                chosen = {image: _of_category(each, number) for image, each in chosen.items()}
            yield _resample_ap(PooledMatches(tuple(match_dataset(part, chosen, boxes=of_boxes))))


def _resample_ap(pooled: PooledMatches) -> _Resample:
    return lambda repeats: (pooled.resampled_metrics(repeats) or (math.nan,))[0]


def _select_category(dataset: CocoDataset, number: int) -> CocoDataset:
    images = []
    for image in dataset.images:
        people = tuple(each for each in image.people if each.category == number)
        images.append(replace(image, people=people))
    return replace(dataset, images=tuple(images), categories={})


def _of_category(predictions: ImagePredictions, number: int) -> ImagePredictions:
    rows = [row for row, category in enumerate(predictions.categories) if category == number]
    return ImagePredictions(
        predictions.keypoints[rows], predictions.scores[rows], predictions.boxes[rows]
    )
