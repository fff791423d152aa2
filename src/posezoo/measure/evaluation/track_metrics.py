"""Figures of people who are followed through videos: HOTA, and how many were found and switched.

HOTA: J. Luiten et al., HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking, IJCV 2021.
People found, ghosts and switches are the true positives, the false positives and the identity
switches of CLEAR MOT: K. Bernardin and R. Stiefelhagen, Evaluating Multiple Object Tracking
Performance, 2008.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence

import numpy as np

from posezoo.core.arrays import Doubles
from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.poses.assignment import pair_up

#: HOTA is the mean over these thresholds of similarity.
HOTA_THRESHOLDS: tuple[float, ...] = tuple(np.arange(0.05, 0.99, 0.05).tolist())

#: A person is found at this similarity or more.
FOUND_AT = 0.5

# Similarities are rounded: one that is the threshold reaches it.
_ROUNDING = float(np.finfo(float).eps)

#: What tells a person from the others in all videos.
Identity = Hashable

#: A person, and the number that the tracker gave them.
_Pair = tuple[Identity, Identity]


@frozen_with_arrays
class ComparedFrame:
    """The people in a frame, and the poses that were found there.

    Attributes:
        numbers: the tracks of the N poses.
        similarities: (P, N), 0..1.
    """

    people: Sequence[Identity]
    numbers: Sequence[Identity]
    similarities: Doubles


@frozen
class FrameCounts:
    """How many people were found in frames.

    Attributes:
        people: number of annotated people in all frames.
        found: how many of them were found.
        ghosts: number of poses that are of none of them.
        switches: how often a person got another number than when last found.
    """

    people: int
    found: int
    ghosts: int
    switches: int


def count_found(frames: Sequence[ComparedFrame]) -> FrameCounts:
    """Count the people found, at a similarity of ``FOUND_AT``, and the switches of their numbers.

    As in CLEAR MOT, a person keeps their number of the frame before if that is similar enough; as
    in TrackEval, the last frame with both people and poses.
    """
    num_found = switches = num_poses = num_people = 0
    last: dict[Identity, Identity] = {}  # the last number of each person
    before: dict[Identity, Identity] = {}  # of those in the frame before
    for frame in frames:
        num_people += len(frame.people)
        num_poses += len(frame.numbers)
        if not frame.similarities.size:
            continue
        numbers = {}
        is_reached = frame.similarities >= FOUND_AT - _ROUNDING
        stays = np.array(
            [[before.get(person) == number for number in frame.numbers] for person in frame.people]
        )
        for row, column in pair_up((1000 * stays + frame.similarities) * is_reached):
            if not is_reached[row, column]:
                continue
            num_found += 1
            person, number = frame.people[row], frame.numbers[column]
            switches += last.get(person, number) != number
            numbers[person] = number
        last |= numbers
        before = numbers
    return FrameCounts(num_people, num_found, num_poses - num_found, switches)


def compute_hota(frames: Sequence[ComparedFrame]) -> dict[str, float]:
    """HOTA, DetA and AssA, 0..1; empty if no frame has people or poses."""
    people = Counter(person for frame in frames for person in frame.people)
    tracks = Counter(number for frame in frames for number in frame.numbers)
    if not people and not tracks:
        return {}
    alignment = _align(frames, people, tracks)
    pairs: list[Counter[_Pair]] = [Counter() for _ in HOTA_THRESHOLDS]
    for frame in frames:
        for pair, similarity in _match(frame, alignment):
            for matched, threshold in zip(pairs, HOTA_THRESHOLDS, strict=True):
                matched[pair] += similarity >= threshold - _ROUNDING
    rows = [_score(matched, people, tracks) for matched in pairs]
    means = np.mean(rows, axis=0).tolist()
    return dict(zip(("HOTA", "DetA", "AssA"), means, strict=True))


def _align(
    frames: Sequence[ComparedFrame],
    people: Mapping[Identity, int],
    tracks: Mapping[Identity, int],
) -> dict[_Pair, float]:
    """How well each person and track fit over all frames, 0..1: which of them are matched if
    several are similar in a frame.
    """
    potential: Counter[_Pair] = Counter()
    for frame in frames:
        similarities = frame.similarities
        sums = similarities.sum(axis=0) + similarities.sum(axis=1)[:, None] - similarities
        shares = np.divide(similarities, sums, out=np.zeros_like(sums), where=sums > _ROUNDING)
        for row, column in np.argwhere(shares > 0).tolist():
            pair = frame.people[row], frame.numbers[column]
            potential[pair] += shares[row, column]
    return {
        (person, track): both / (people[person] + tracks[track] - both)
        for (person, track), both in potential.items()
    }


def _match(frame: ComparedFrame, alignment: Mapping[_Pair, float]) -> Iterator[tuple[_Pair, float]]:
    fits = [
        [alignment.get((person, number), 0.0) for number in frame.numbers]
        for person in frame.people
    ]
    weights = np.reshape(np.array(fits), frame.similarities.shape) * frame.similarities
    for row, column in pair_up(weights):
        pair = frame.people[row], frame.numbers[column]
        yield pair, float(frame.similarities[row, column])


def _score(
    matched: Mapping[_Pair, int], people: Mapping[Identity, int], tracks: Mapping[Identity, int]
) -> tuple[float, float, float]:
    true_positives = sum(matched.values())
    found_or_missed = sum(people.values()) + sum(tracks.values()) - true_positives
    detection = true_positives / max(1, found_or_missed)
    association = sum(
        both * both / max(1, people[person] + tracks[track] - both)
        for (person, track), both in matched.items()
    ) / max(1, true_positives)
    return float(np.sqrt(detection * association)), detection, association
