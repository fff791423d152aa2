"""Measure the CPU time of README's rows, as which_model.yml states it: one call on one core, from
an image file to drawn poses, in the types in which ``posezoo run`` computes with bf16 and without.

Calls of all cases of a model take turns, so that other programs slow all of them; a figure is the
median over the rounds. The exit code is 1 if a row computes in another type than it states, or if
its INT8, divided by its FP16, is more than a quarter away from what it states. Rows whose files
cannot be downloaded are left out, and so are types that this processor lacks.

    python benchmarks/bench_rows.py [ROUNDS]
"""

from __future__ import annotations

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

import posezoo
from posezoo.core.errors import FetchError
from posezoo.core.settings import DECLARED
from posezoo.measure.benchmark_cases import write_people
from posezoo.poses.drawing import draw
from posezoo.run.images import read_image
from posezoo.run.runtime.estimator import Estimator

ROOT = Path(__file__).resolve().parents[1]

ROUNDS = amount(15)
PEOPLE = (1, 4)
#: How far a ratio may be from that which is stated.
TOLERANCE = 0.25

#: By the type that which_model.yml names: the precision of the IR, and of the computation.
CASES = {"bf16": ("FP16", DECLARED), "f32": ("FP16", "f32"), "i8": ("FP16-INT8", DECLARED)}


def cpu_ms(estimator: Estimator, image: Path) -> float:
    """The CPU time of one call in ms, with that of all threads."""
    start_time = time.process_time()
    pixels = read_image(image)
    draw(pixels, estimator(pixels), in_place=True)
    return 1e3 * (time.process_time() - start_time)


def load(name: str, types: Mapping[str, str]) -> Iterator[tuple[str, Estimator]]:
    """A model in each type that is stated and that this processor has."""
    for arithmetic in types:
        precision, asked = CASES[arithmetic]
        estimator = posezoo.load(
            name,
            precision,
            options=posezoo.Options(threads=1),
            inference_precision=asked,
            listener=None,
        )
        has_type = arithmetic in estimator.executed_precision.split(",")
        if arithmetic != "bf16" or has_type:
            yield arithmetic, estimator


def measure(name: str, types: Mapping[str, str], images: list[Path], rounds: int) -> dict[str, Any]:
    """The executed types, and the milliseconds on each image, by the stated type."""
    cases = dict(load(name, types))
    times: dict[str, list[list[float]]] = {each: [[] for _ in images] for each in cases}
    for number in range(rounds + 1):  # the first one warms up
        for arithmetic, estimator in cases.items():
            for place, image in enumerate(images):
                each = cpu_ms(estimator, image)
                times[arithmetic][place] += [each] if number else []
    return {
        arithmetic: {
            "executed": cases[arithmetic].executed_precision,
            "ms": [round(median(each), 1) for each in of_images],
        }
        for arithmetic, of_images in times.items()
    }


def find_misses(found: Mapping[str, Any], types: Mapping[str, str]) -> Iterator[str]:
    """What differs from the stated figures by more than the processor explains."""
    for arithmetic, case in found.items():
        if arithmetic not in case["executed"].split(","):
            yield f"states {arithmetic}, and computes in {case['executed']}"
    if {"bf16", "i8"} <= found.keys():
        for place, people in enumerate(PEOPLE):
            stated_i8, stated_fp16 = (
                float(types[each].split(",")[place]) for each in ("i8", "bf16")
            )
            stated = stated_i8 / stated_fp16
            ratio = found["i8"]["ms"][place] / found["bf16"]["ms"][place]
            if abs(ratio / stated - 1) > TOLERANCE:
                yield f"{people} people: INT8 / FP16 is {ratio:.2f}, and {stated:.2f} is stated"


def main(rounds: int = ROUNDS) -> int:
    """Measure the rows, and compare them with what is stated."""
    sys.path.insert(0, str(ROOT / "docs"))
    stated = import_module("which_model").figures()["cpu_ms"]
    print(machine())
    cv2.setNumThreads(1)
    results: dict[str, Any] = {}
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        images = [Path(folder, f"people-{people}.jpg") for people in PEOPLE]
        for image, people in zip(images, PEOPLE, strict=True):
            write_people(image, people)
        for name, types in stated.items():
            try:
                found = measure(name, types, images, rounds)
            except FetchError as error:
                print(f"left out: {name}: {error.problem}")
                continue
            for arithmetic, case in found.items():
                shown = ", ".join(f"{ms:.1f}" for ms in case["ms"])
                print(f"{name} {arithmetic:4} {shown} ms; {types[arithmetic]} is stated")
            missed += [f"{name}: {miss}" for miss in find_misses(found, types)]
            results[name] = found
    record("bench_rows", {"rounds": rounds, "people": PEOPLE, "rows": results, "missed": missed})
    for line in missed:
        print(f"missed: {line}")
    return exit_code(bool(missed))


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
