"""Decode OpenPose's maps against Open Model Zoo's own decoder, in CPU time, on drawn crowds.

Both get the maps of a network with an input of 456x256. Of the peaks of the heatmaps, Open Model
Zoo's graph computes the largest values around each cell, which is not measured; ours finds peaks
itself, in the time that is measured. Both decode in turns, and the least time of the rounds counts.
The exit code is 1 if a bar is missed. ``make judges`` brings the peer.

    python benchmarks/bench_decode.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness import amount, exit_code, machine, record

from posezoo import decode

sys.path.append(str(Path(__file__).parents[1] / "tests"))

crowds, packages = (import_module(name) for name in ("fakes.crowds", "judges.packages"))

ROUNDS, CALLS = amount(9), amount(30)
#: How many times as fast as Open Model Zoo's, by the number of people.
BARS = {1: 10.0, 5: 11.0, 20: 18.0}
#: The window in which Open Model Zoo's graph looks for peaks.
WINDOW = np.ones((3, 3), np.uint8)


@contextmanager
def peer() -> Iterator[Callable[..., Any]]:
    """Open Model Zoo's decoder."""
    with packages.open_model_zoo():
        yield import_module("model_zoo_api.models.open_pose").OpenPoseDecoder()


def cpu_ms(decode_maps: Callable[[], object]) -> float:
    """The CPU time of a call, in milliseconds."""
    start_time = time.thread_time()
    for _ in range(CALLS):
        decode_maps()
    return 1e3 * (time.thread_time() - start_time) / CALLS


def measure(people: int, decode_theirs: Callable[..., Any]) -> dict[str, float]:
    """The least CPU time of both, and how often ours fits into theirs."""
    group = crowds.group("plain", 1, crowds.OPENPOSE_SIZE, people)
    heatmaps, pafs = crowds.openpose_maps(group, 1)
    maps = {"heatmaps": heatmaps, "pafs": pafs}
    largest = np.stack([cv2.dilate(each, WINDOW) for each in heatmaps[0]])[None]
    pairs = [
        (
            cpu_ms(lambda: decode("openpose", maps, crowds.OPENPOSE_SIZE)),
            cpu_ms(lambda: decode_theirs(heatmaps, heatmaps * (heatmaps == largest), pafs)),
        )
        for _ in range(ROUNDS)
    ]
    ours, theirs = map(min, zip(*pairs, strict=True))
    return {"posezoo_ms": ours, "open_model_zoo_ms": theirs, "times": theirs / ours}


def main() -> int:
    """Measure, print, record."""
    print(machine())
    with peer() as decode_theirs:
        rows = {people: measure(people, decode_theirs) for people in BARS}
    for people, row in rows.items():
        print(
            f"{people:2} people: posezoo {row['posezoo_ms']:.2f} ms,"
            f" {packages.OPEN_MODEL_ZOO} {row['open_model_zoo_ms']:.2f} ms:"
            f" {row['times']:.1f} times as fast (bar {BARS[people]:g})"
        )
    record("bench_decode", {"people": {str(people): row for people, row in rows.items()}})
    return exit_code(any(row["times"] < BARS[people] for people, row in rows.items()))


if __name__ == "__main__":
    sys.exit(main())
