"""Compare the time of PoseNet's decoder with that of the decoder published for TensorFlow.js, run
by node.

Both decode the same maps of drawn crowds, from the network's outputs to poses, of several people or
of one. On the other side, TensorFlow.js' cpu backend computes the scores. The time of a frame is
the median of its turns, after others that warm up; a ratio is the median over frames. The poses of
both sides must be equal. The exit code is 1 if a bar is missed.

    make posenet-env && python benchmarks/bench_posenet.py
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from harness import machine, record

import posezoo

ROOT = Path(__file__).resolve().parents[1]
TURNS, WARM_UP = 40, 10
SEEDS = range(6)
SIZE = (513, 385)

#: For a number of people, the least ratio to the other side.
BARS = {1: 1.0, 5: 1.0, 10: 1.0}


def milliseconds(maps: dict[str, Any], **options: Any) -> float:
    """The median time of posezoo."""
    times = []
    for _ in range(TURNS):
        start_time = time.perf_counter()
        posezoo.decode("posenet", maps, SIZE, **options)
        times.append(1000 * (time.perf_counter() - start_time))
    return median(times[WARM_UP:])


def equal(poses: list[posezoo.Pose], published: list[dict[str, Any]]) -> bool:
    """Whether both sides found the same people."""
    published = sorted(published, key=lambda pose: -pose["score"])
    return len(poses) == len(published) and all(
        pose.score == other["score"]
        and np.array_equal(pose.keypoints, np.float32(other["keypoints"]))
        for pose, other in zip(poses, published, strict=True)
    )


def main() -> int:
    """Draw the maps, decode them on both sides, and compare the ratios with the bars."""
    sys.path.insert(0, str(ROOT / "tests"))
    crowds, fakes = import_module("fakes.crowds"), import_module("fakes.posenet")
    if not fakes.PEER.is_dir():
        print(f"{fakes.PEER} is not there: make posenet-env", file=sys.stderr)
        return 2
    cv2.setNumThreads(1)
    print(machine())
    options = {"max_people": 20}
    same, frames, missed = 0, 0, []
    ratios: dict[str, float] = {}
    for people, least_ratio in BARS.items():
        groups = (crowds.group("crowd", seed, SIZE, people) for seed in SEEDS)
        cases = [(fakes.people_maps(group.joints, SIZE), options) for group in groups]
        several, single = [], []
        for (maps, _), answer in zip(cases, fakes.published_poses(cases, TURNS), strict=True):
            same += equal(posezoo.decode("posenet", maps, SIZE, **options), answer["poses"])
            same += equal(posezoo.decode("posenet", maps, SIZE, single=True), [answer["single"]])
            frames += 2
            several.append(median(answer["ms"][WARM_UP:]) / milliseconds(maps, **options))
            single.append(median(answer["singleMs"][WARM_UP:]) / milliseconds(maps, single=True))
        for kind, values in (("several", several), ("single", single)):
            ratio = ratios[f"{kind}/{people}"] = median(values)
            print(
                f"{kind:8} {people:3} people: {ratio:.1f} times"
                f" ({min(values):.1f}-{max(values):.1f})"
            )
            if ratio < least_ratio:
                missed.append(f"{kind}, {people} people: {ratio:.2f} of {least_ratio:g} times")
    if same != frames:
        missed.append(f"equal poses in {same} of {frames} cases")
    print(f"equal poses in {same} of {frames} cases")
    record(
        "bench_posenet",
        {"turns": TURNS, "ratios": ratios, "equal": same, "frames": frames, "missed": missed},
    )
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
