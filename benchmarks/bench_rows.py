"""Measure README's rows again: the CPU time from an image file to drawn poses, one image at a time.

Calls in all types of a model take turns, so that other programs slow all of them; a figure is the
median over the rounds. The exit code is 1 if `posezoo run` computes in another type than the record
of a row, or if its INT8, divided by its FP16, is more than a quarter away from that of the records.
Rows whose files cannot be downloaded are left out, and so is what was not recorded on a machine
like this one, and an image of which a model misses people.

    python benchmarks/bench_rows.py [--rounds N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import cv2
from harness import amount, exit_code, machine, record
from work_done import require_found

import posezoo
from posezoo.core.declarations.model import Model
from posezoo.core.errors import DownloadError
from posezoo.core.registry import open_registry
from posezoo.core.settings import DECLARED
from posezoo.figures.measured import Measurement
from posezoo.figures.measurement_selection import MeasurementSelection, executed_type
from posezoo.measure.benchmark_cases import write_people
from posezoo.media.images import read_image
from posezoo.poses.drawing import draw
from posezoo.run.machine import Machine
from posezoo.run.runtime.estimator import Estimator

ROOT = Path(__file__).resolve().parents[1]

ROUNDS = amount(15)
PEOPLE = (1, 4)
#: How far a ratio may be from that which is stated.
TOLERANCE = 0.25

#: By what a figure is of: the precision of the IR, and of the computation.
CASES = {
    "as run computes": ("FP16", DECLARED),
    "f32": ("FP16", "f32"),
    "INT8": ("FP16-INT8", DECLARED),
}
RUN, INT8 = "as run computes", "INT8"


def cpu_ms(estimator: Estimator, image: Path) -> float:
    """The CPU time of one call in ms, with that of all threads."""
    start_time = time.process_time()
    pixels = read_image(image)
    draw(pixels, estimator(pixels), in_place=True)
    return 1e3 * (time.process_time() - start_time)


def load(model: Model) -> Iterator[tuple[str, Estimator]]:
    """A model in each type that it has."""
    for case, (precision, asked) in CASES.items():
        if case == INT8 and not find_record(model, precision, PEOPLE[0]):
            continue
        estimator = posezoo.load(
            model.full_name, precision, inference_precision=asked, listener=None
        )
        yield case, estimator


def find_record(model: Model, precision: str, people: int) -> Measurement | None:
    """The record of a machine like this one that a row is drawn from."""
    here = Machine.here().describe()
    for each in MeasurementSelection(one_request=True).select_of_pipeline(model, "speed", people):
        if each.machine == here and each.precision == precision and "cpu_ms" in each.figures:
            return each
    return None


def measure(
    cases: Mapping[str, Estimator], images: Mapping[int, Path], rounds: int
) -> dict[str, dict[int, float]]:
    """The milliseconds on the image of each number of people, by case."""
    times: dict[str, dict[int, list[float]]]
    times = {case: {people: [] for people in images} for case in cases}
    for number in range(rounds + 1):  # the first one warms up
        for case, estimator in cases.items():
            for people, image in images.items():
                each = cpu_ms(estimator, image)
                times[case][people] += [each] if number else []
    return {
        case: {people: median(each) for people, each in of_images.items()}
        for case, of_images in times.items()
    }


def find_misses(
    model: Model, cases: Mapping[str, Estimator], found: Mapping[str, Mapping[int, float]]
) -> Iterator[str]:
    """What differs from the records by more than other programs explain."""
    for people in found[RUN]:
        records = {case: find_record(model, CASES[case][0], people) for case in (RUN, INT8)}
        for case, measured in records.items():
            executed = cases[case].executed_precision if case in cases else ""
            if measured and executed != executed_type(measured):
                yield f"{case}: computes in {executed}, and {executed_type(measured)} is recorded"
        run, int8 = records[RUN], records[INT8]
        if run and int8 and INT8 in found:
            recorded = int8.figures["cpu_ms"] / run.figures["cpu_ms"]
            ratio = found[INT8][people] / found[RUN][people]
            print(f"  {people} people: INT8 / FP16 {ratio:.2f}, {recorded:.2f} is recorded")
            if abs(ratio / recorded - 1) > TOLERANCE:
                yield f"{people} people: INT8 / FP16 is {ratio:.2f}, not {recorded:.2f}"


def main() -> int:
    """Measure the rows, and compare them with their records."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT / "docs"))
    print(machine())
    cv2.setNumThreads(1)
    registry = open_registry()
    results: dict[str, Any] = {}
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        images = {people: Path(folder, f"people-{people}.jpg") for people in PEOPLE}
        for people, image in images.items():
            write_people(image, people)
        for name in import_module("which_model").list_models():
            model = registry.find(name)
            try:
                cases = dict(load(model))
            except DownloadError:
                print(f"{name}: left out: its files are not here")
                continue
            complete = {
                people: image
                for people, image in images.items()
                if len(cases[RUN](read_image(image))) >= people
            }
            require_found(name, len(complete))
            found = measure(cases, complete, args.rounds)
            for case, times in found.items():
                shown = ", ".join(f"{people} people {ms:.1f}" for people, ms in times.items())
                print(f"{name}, {case} ({cases[case].executed_precision}): {shown} ms")
            missed += [f"{name}: {miss}" for miss in find_misses(model, cases, found)]
            results[name] = found
    record("bench_rows", {**vars(args), "people": PEOPLE, "ms": results, "missed": missed})
    for line in missed:
        print(f"missed: {line}")
    return exit_code(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
