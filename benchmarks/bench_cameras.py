"""Measure the CPU time of each processed frame of four cameras that one program reads.

The cameras send Motion JPEG of 640x480 with one person, 10 frames a second, from another process.
``stream_all`` with ``track=True`` processes them. Counted is the CPU time of this process, with the
reading of all frames, divided by the number of processed ones.

    python benchmarks/bench_cameras.py
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from importlib import import_module
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness import amount, machine, record
from work_done import require_found

import posezoo
from posezoo.measure.benchmark_cases import write_people
from posezoo.media.images import read_image
from posezoo.run.runtime.estimator import Estimator

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

CAMERAS = 4
SECONDS = amount(20)
#: Of a frame's time, what is left to the rest of the machine.
LEFT = 0.1
#: Each model and its arguments.
CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("movenet-singlepose-lightning-int8", {"detector": None}),
    ("posenet-mobilenet-v1", {}),
    ("movenet-singlepose-lightning-int8", {"detector": "nanodet-g"}),
)


def serve(pipe: Connection) -> None:
    """Send the address of the cameras, and serve them until this process is ended."""
    cameras = import_module("fakes.live_cameras")
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "person.jpg")
        write_people(photo, 1)
        person = cv2.resize(read_image(photo), cameras.SIZE)
    steps = count()
    with cameras.MjpegCameras(lambda: np.roll(person, next(steps) % 10, axis=1)) as served:
        pipe.send(served.address)
        time.sleep(1e6)


def measure(model: Estimator, address: str) -> dict[str, float]:
    """The CPU milliseconds of a frame, and how many frames a second were processed."""
    places = [f"{address}/{number}" for number in range(CAMERAS)]
    with model.stream_all(places, track=True) as results:
        for _ in range(2 * CAMERAS):  # until all are open
            next(results)
        started, cpu = time.perf_counter(), time.process_time()
        frames = people = 0
        while time.perf_counter() < started + SECONDS:
            _, poses = next(results)
            frames += 1
            people += len(poses)
        require_found(model.model.full_name, people / frames, 0.5)
        taken, used = time.perf_counter() - started, time.process_time() - cpu
    return {"cpu_ms": 1e3 * used / frames, "fps": frames / taken, "people": people / frames}


def main() -> int:
    """Measure each case, and record the results."""
    here = machine()
    print(here)
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=[theirs], daemon=True)
    server.start()
    address = ours.recv()
    cores = int(str(here["cores"]))
    metrics = {}
    for model, options in CASES:
        case = f"{model} {options}"
        found = metrics[case] = measure(posezoo.load(model, **options), address)
        fits = (1 - LEFT) * cores * 1e3 / found["cpu_ms"] / CAMERAS
        print(
            f"{case}: {found['cpu_ms']:.1f} ms of CPU a frame, {found['fps']:.1f} frames a second"
            f" with {found['people']:.2f} people each; {CAMERAS} cameras fit at {fits:.1f}"
        )
    server.terminate()
    record(Path(__file__).stem, {"cameras": CAMERAS, "seconds": SECONDS, "cases": metrics})
    return 0


if __name__ == "__main__":
    sys.exit(main())
