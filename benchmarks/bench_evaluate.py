"""Compare the time of COCO's ten metrics with that of pycocotools, from files on disk to metrics.

The data are generated: 5000 images with 11,000 people and 100,000 detections, among them crowds,
people without keypoints, and equal scores. posezoo reads the annotations and its cached
predictions, pycocotools the annotations and a file of results. Each value is of a whole process,
and the processes run in turn; the CPU time does not include imports. The exit code is 1 if a bar is
missed, or a metric differs from pycocotools'.

    python benchmarks/bench_evaluate.py
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from bench_download_memory import peak_mib
from harness import machine, record, spread

ROUNDS = 5
IMAGES, PEOPLE, DETECTIONS = 5000, 11_000, 100_000
CPU_BAR = 0.6  # relative to pycocotools in the same round
MEMORY_BAR_MIB = 600.0

HEADING = {"made": "up"}


def prepare(folder: Path) -> None:
    """Write annotations, COCO results, and the same results as posezoo's cached predictions."""
    import numpy as np

    from posezoo import coco
    from posezoo.evaluation.image_predictions import ImagePredictions, open_prediction_cache

    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    made = import_module("fakes.coco")
    truth, results = made.crowded(IMAGES, people=PEOPLE, found=DETECTIONS)
    (folder / "annotations.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))
    by_image: dict[int, list[dict[str, Any]]] = {}
    for result in results:
        by_image.setdefault(result["image_id"], []).append(result)
    dataset = coco.read_coco_dataset(folder / "annotations.json", folder)
    with open_prediction_cache(folder / "kept.jsonl", HEADING, 17) as store:
        for image in dataset.images:
            here = by_image.get(image.id, [])
            points = np.array([each["keypoints"] for each in here]).reshape(len(here), 17, 3)
            scores = np.array([each["score"] for each in here])
            store.add(image, ImagePredictions(points, scores, np.zeros((len(here), 4))))


def ours(folder: Path) -> Callable[[], list[float]]:
    """Compute the metrics from posezoo's cached predictions."""
    import faster_coco_eval  # noqa: F401

    from posezoo import coco
    from posezoo.evaluation.coco_metrics import compute_coco_metrics
    from posezoo.evaluation.image_predictions import open_prediction_cache

    def work() -> list[float]:
        dataset = coco.read_coco_dataset(folder / "annotations.json", folder)
        with open_prediction_cache(folder / "kept.jsonl", HEADING, 17) as store:
            predictions = store.select(dataset.images)
        metrics = compute_coco_metrics(dataset, predictions)
        return list(metrics.values())

    return work


def pycocotools(folder: Path) -> Callable[[], list[float]]:
    """Compute the metrics with pycocotools, as its demo does."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def work() -> list[float]:
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(folder / "annotations.json"))
            evaluation = COCOeval(truth, truth.loadRes(str(folder / "results.json")), "keypoints")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return [float(stat) for stat in evaluation.stats]

    return work


WAYS = {"posezoo": ours, "pycocotools": pycocotools}


def run_round(way: str, folder: Path) -> None:
    """One round: prints its CPU seconds, its peak RSS in MiB, and the figures."""
    work = WAYS[way](folder)
    start_time = time.process_time()
    metrics = work()
    print(json.dumps([time.process_time() - start_time, peak_mib(), metrics]))


def main() -> int:
    """Make the data once, then run both in turn."""
    if len(sys.argv) > 1:
        run_round(sys.argv[1], Path(sys.argv[2]))
        return 0
    rounds: dict[str, list[Any]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for _ in range(ROUNDS):
            for way, found in rounds.items():
                command = [sys.executable, __file__, way, folder]
                said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
                found.append(json.loads(said))
    same = all(
        metrics == rounds["pycocotools"][0][2] for found in rounds.values() for *_, metrics in found
    )
    ratio = spread(
        [a[0] / b[0] for a, b in zip(rounds["posezoo"], rounds["pycocotools"], strict=True)]
    )
    peak = max(each[1] for each in rounds["posezoo"])
    results: dict[str, object] = {"images": IMAGES, "people": PEOPLE, "detections": DETECTIONS}
    for way, found in rounds.items():
        cpu, memory = spread([each[0] for each in found]), spread([each[1] for each in found])
        results[way] = {"cpu_s": cpu, "peak_rss_mib": memory}
        seconds = " / ".join(f"{cpu[name]:.2f}" for name in ("min", "median", "max"))
        print(f"{way:12} {seconds} CPU s, {memory['max']:.0f} MiB")
    print(machine())
    print(f"figures {'are' if same else 'ARE NOT'} those of pycocotools")
    print(
        f"bars: {ratio['median']:.2f} of {CPU_BAR} of its CPU time, {peak:.0f} of"
        f" {MEMORY_BAR_MIB:.0f} MiB"
    )
    record("bench_evaluate", {**results, "cpu_ratio": ratio, "same_figures": same})
    return 0 if same and ratio["median"] <= CPU_BAR and peak <= MEMORY_BAR_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
