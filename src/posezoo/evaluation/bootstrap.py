"""Bootstrap confidence intervals of AP and AR, for data sets with few people.

B. Efron, Bootstrap Methods: Another Look at the Jackknife, 1979. Whole images are resampled, because people
in one image are not independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.evaluation.coco_matching import THRESHOLDS, ImageMatches

#: With this many people or more, the interval is narrow and is not computed.
ENOUGH_PEOPLE = 500

DRAWS = 1000
SEED = 20170917

NAMES = ("AP", "AP50", "AP75", "AR", "AR50", "AR75")

Interval = tuple[float, float]

_RECALLS = np.linspace(0, 1, 101)


def bootstrap_intervals(
    matches: Sequence[ImageMatches], *, draws: int = DRAWS, seed: int = SEED
) -> Mapping[str, Interval]:
    """The 95 % confidence intervals of ``NAMES``; the same matches give the same intervals.

    Args:
        matches: the matches of all images.
        draws: the number of resampled data sets.
        seed: the seed of the random numbers.
    """
    pooled = PooledMatches(matches)
    random = np.random.default_rng(seed)
    shares = np.full(len(matches), 1 / max(len(matches), 1))
    samples = [
        metrics
        for _ in range(draws)
        if (metrics := pooled.resampled_metrics(random.multinomial(len(matches), shares))) is not None
    ]
    if not samples:
        return {}
    low, high = np.percentile(np.array(samples), (2.5, 97.5), axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(NAMES)}


class PooledMatches:
    """The predictions of all images together, by descending score, each with the index of its image."""

    def __init__(self, matches: Sequence[ImageMatches]) -> None:
        self._people = np.array([image.num_people for image in matches])
        scores = np.concatenate([image.scores for image in matches])
        order = np.argsort(-scores, kind="stable")
        image_indices = np.repeat(np.arange(len(matches)), [len(image.scores) for image in matches])
        correct, counted = (
            np.concatenate(rows, axis=1)
            for rows in zip(*(image.true_positives() for image in matches), strict=True)
        )
        self._image_indices = image_indices[order]
        self._correct, self._counted = correct[:, order], counted[:, order]

    def resampled_metrics(self, repeats: NDArray[Any]) -> tuple[float, ...] | None:
        """The metrics of ``NAMES`` if each image occurs ``repeats`` times; None if no person counts."""
        people = int((self._people * repeats).sum())
        if not people:
            return None
        weights = repeats[self._image_indices]
        right = np.cumsum(weights * self._correct, axis=1, dtype=np.float64)
        wrong = np.cumsum(weights * (self._counted & ~self._correct), axis=1, dtype=np.float64)
        recall = right / people
        precision = np.zeros((len(THRESHOLDS), len(_RECALLS)))
        for row in range(len(THRESHOLDS)):
            # The best precision at each of COCO's recalls or above; 0 if the recall is not reached.
            so_far = right[row] / (right[row] + wrong[row] + np.spacing(1))
            best = np.append(np.maximum.accumulate(so_far[::-1])[::-1], 0.0)
            precision[row] = best[np.searchsorted(recall[row], _RECALLS, side="left")]
        ap = precision.mean(axis=1)
        ar = recall[:, -1] if recall.shape[1] else np.zeros(len(THRESHOLDS))
        # The sixth threshold is 0.75.
        return (ap.mean(), ap[0], ap[5], ar.mean(), ar[0], ar[5])
