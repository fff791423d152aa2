"""How far a figure of few people can be trusted: bootstrap intervals.

B. Efron, Bootstrap Methods: Another Look at the Jackknife, 1979: the set is drawn anew, picture by picture
(people in one picture are alike), and its figures are taken again; the middle 95 % of them are the interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.evaluation.coco_matching import THRESHOLDS, ImageMatches, true_positives
from posezoo.evaluation.image_predictions import Floats

#: From so many people on the interval is narrow enough to be left out.
ENOUGH_PEOPLE = 500

DRAWS = 1000
SEED = 20170917

Interval = tuple[float, float]

_RECALLS = np.linspace(0, 1, 101)


def bootstrap_intervals(
    matched: Iterable[ImageMatches], *, draws: int = DRAWS, seed: int = SEED
) -> Mapping[str, Interval]:
    """The 95 % intervals of AP, AP50, AP75 and AR, AR50, AR75; the same for the same matches.

    Args:
        matched: every picture, at COCO's ten thresholds.
        draws: how often the set is drawn anew.
        seed: of what is drawn.
    """
    every = _PooledMatches(list(matched))
    random = np.random.default_rng(seed)
    drawn = [every.resampled_metrics(random.multinomial(every.count, every.shares)) for _ in range(draws)]
    metrics = [each for each in drawn if each is not None]
    if not metrics:
        return {}
    low, high = np.percentile(np.array(metrics), (2.5, 97.5), axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(NAMES)}


NAMES = ("AP", "AP50", "AP75", "AR", "AR50", "AR75")


class _PooledMatches:
    """All pictures in one: who was found, the surest first, each with the picture that it is of."""

    def __init__(self, matched: list[ImageMatches]) -> None:
        self.count = len(matched)
        self.shares = np.full(self.count, 1 / max(self.count, 1))
        self._people = np.array([int((~each.ignored).sum()) for each in matched])
        scores = np.concatenate([each.scores for each in matched])
        order = np.argsort(-scores, kind="stable")
        of = np.repeat(np.arange(self.count), [len(each.scores) for each in matched])
        true, counting = (
            np.concatenate(rows, axis=1) for rows in zip(*map(true_positives, matched), strict=True)
        )
        self._of, self._true, self._counting = of[order], true[:, order], counting[:, order]

    def resampled_metrics(self, times: NDArray[Any]) -> tuple[float, ...] | None:
        """The figures of ``NAMES`` where each picture is there so often; None where nobody counts."""
        people = int((self._people * times).sum())
        if not people:
            return None
        often = times[self._of]
        right = np.cumsum(often * self._true, axis=1, dtype=np.float64)
        wrong = np.cumsum(often * (self._counting & ~self._true), axis=1, dtype=np.float64)
        recall = right / people
        precision = np.zeros((len(THRESHOLDS), len(_RECALLS)))
        for row in range(len(THRESHOLDS)):
            precision[row] = _at_recalls(right[row] / (right[row] + wrong[row] + np.spacing(1)), recall[row])
        ap = precision.mean(axis=1)
        ar = recall[:, -1] if recall.shape[1] else np.zeros(len(THRESHOLDS))
        # The sixth threshold is 0.75.
        return (ap.mean(), ap[0], ap[5], ar.mean(), ar[0], ar[5])


def _at_recalls(precision: Floats, recall: Floats) -> Floats:
    """(101,): the best precision from each of COCO's recalls on; 0 where that recall is not reached."""
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, _RECALLS, side="left")
    return np.append(best, 0.0)[places]
