"""The figures of tracks are those of TrackEval, and where motmetrics counts other switches."""

from itertools import count

import numpy as np
import pytest

from judges.packages import judge
from posezoo.measure.evaluation.track_metrics import (
    FOUND_AT,
    ComparedFrame,
    compute_hota,
    count_found,
)

FRAMES = 80
PEOPLE = 12
TRACKS = 15


def wandering(seed):
    """People who come and go, frames without people or poses, poses that are more or less alike, ghosts, numbers that
    change, and poses that have no number and so one of their own.
    """
    random = np.random.default_rng(seed)
    unnumbered = count(TRACKS)
    frames = []
    for index in range(FRAMES):
        people = random.choice(PEOPLE, random.integers(0, 8), replace=False).tolist()
        numbers = random.choice(TRACKS, random.integers(0, 9), replace=False).tolist()
        if random.random() < 0.1:
            people = []
        if random.random() < 0.1:
            numbers = []
        similarities = 0.4 * random.random((len(people), len(numbers)))
        for row, person in enumerate(people):
            for column, number in enumerate(numbers):
                if number == person or (index > FRAMES / 2 and number == person + 1):
                    similarities[row, column] = random.choice([0.5, 0.55, 0.9, random.random()])
        numbers = [next(unnumbered) if random.random() < 0.1 else each for each in numbers]
        frames.append(ComparedFrame(people, numbers, similarities))
    return frames


@pytest.mark.judge
@pytest.mark.parametrize("seed", range(50))
def test_hota_and_the_counts_are_those_of_trackeval(seed):
    metrics = judge("trackeval", "trackeval 1.3.0").metrics
    frames = wandering(seed)
    data = {
        "num_timesteps": FRAMES,
        "num_gt_ids": PEOPLE,
        "num_tracker_ids": 1 + max(number for frame in frames for number in frame.numbers),
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


def switches_of_motmetrics(frames):
    motmetrics = judge("motmetrics", "motmetrics 1.4.0")
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for frame in frames:
        similarities = np.reshape(frame.similarities, (len(frame.people), len(frame.numbers)))
        distances = np.where(similarities >= FOUND_AT, 1 - similarities, np.nan)
        accumulator.update(frame.people, frame.numbers, distances)
    summary = motmetrics.metrics.create().compute(accumulator, ["num_switches"])
    return int(summary["num_switches"].item())


@pytest.mark.judge
def test_motmetrics_keeps_the_number_of_a_person_after_a_gap():
    seen = ComparedFrame([0], [1], np.ones((1, 1)))
    gap = ComparedFrame([0], [3], np.zeros((1, 1)))
    both = ComparedFrame([0], [1, 2], np.array([[0.6, 0.9]]))
    other = ComparedFrame([0], [2], np.ones((1, 1)))
    for frames in ([seen, both], [seen, gap, other]):
        assert switches_of_motmetrics(frames) == count_found(frames).switches
    assert (switches_of_motmetrics([seen, gap, both]), count_found([seen, gap, both]).switches) == (
        0,
        1,
    )
