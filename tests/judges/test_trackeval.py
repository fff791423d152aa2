"""The figures of tracks are those of TrackEval."""

from __future__ import annotations

import numpy as np
import pytest

from judges.packages import judge
from posezoo.measure.evaluation.track_metrics import ComparedFrame, compute_hota, count_found

FRAMES = 80


def wandering(seed: int) -> list[ComparedFrame]:
    """People who come and go, poses that are more or less alike, ghosts, and numbers that change."""
    random = np.random.default_rng(seed)
    frames = []
    for index in range(FRAMES):
        people = random.choice(12, random.integers(0, 8), replace=False).tolist()
        numbers = random.choice(15, random.integers(0, 9), replace=False).tolist()
        similarities = 0.4 * random.random((len(people), len(numbers)))
        for row, person in enumerate(people):
            for column, number in enumerate(numbers):
                if number == person or (index > FRAMES / 2 and number == person + 1):
                    similarities[row, column] = random.choice([0.5, 0.55, 0.9, random.random()])
        frames.append(ComparedFrame(people, numbers, similarities))
    return frames


@pytest.mark.judge
@pytest.mark.parametrize("seed", range(6))
def test_hota_and_the_counts_are_those_of_trackeval(seed):
    metrics = judge("trackeval", "trackeval 1.3.0").metrics
    frames = wandering(seed)
    data = {
        "num_timesteps": FRAMES,
        "num_gt_ids": 12,
        "num_tracker_ids": 15,
        "num_gt_dets": sum(len(frame.people) for frame in frames),
        "num_tracker_dets": sum(len(frame.numbers) for frame in frames),
        "gt_ids": [np.array(frame.people, int) for frame in frames],
        "tracker_ids": [np.array(frame.numbers, int) for frame in frames],
        "similarity_scores": [frame.similarities for frame in frames],
    }
    hota = metrics.HOTA().eval_sequence(data)
    expected = {name: hota[name].mean() for name in ("HOTA", "DetA", "AssA")}
    assert 0 < expected["AssA"] < 1
    assert compute_hota(frames) == pytest.approx(expected, rel=1e-9)

    clear = metrics.CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    counts = count_found(frames)
    assert counts.switches > 0
    assert (counts.found, counts.ghosts, counts.switches) == (
        clear["CLR_TP"],
        clear["CLR_FP"],
        clear["IDSW"],
    )
    assert counts.people == clear["CLR_TP"] + clear["CLR_FN"]
