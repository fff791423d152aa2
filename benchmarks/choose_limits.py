"""Choose the limits of top-down models by the rules of decisions 0033 and 0037, and record what
they cost.

    benchmarks/choose_limits.py --photos DIR similarity
    benchmarks/choose_limits.py --photos DIR pairs [MODEL ...]

``similarity`` writes benchmarks/results/similarity.tsv: for each of the default pairs and each
limit the photos and cut pictures with a person who is drawn twice, the people found, and the AP.
``pairs`` writes benchmarks/results/pair_limits.tsv: for each detector that a model declares, the
least score of a person with which nobody is found on the pictures without people.

The photos are annotated as COCO's (person_keypoints.json). The pictures are those of
``measure_situations.py``, with smaller windows, and the package's samples, which show one person
each: any other pose there is of nobody. Everything runs in the type that ``run`` uses on this CPU.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import measure_situations
import numpy as np
from measure_situations import Picture, empty_pictures, people_pictures, read_all_photos
from measure_video_people import FOUND

import posezoo
from posezoo import coco, evaluation
from posezoo.core.arrays import Array
from posezoo.core.declarations.model import Model, PairLimits
from posezoo.core.registry import open_registry
from posezoo.measure.evaluation.breakdown import has_duplicate
from posezoo.measure.evaluation.image_predictions import predictions_from_poses
from posezoo.poses.decoders import find_decoder
from posezoo.poses.keypoints import SKELETONS, Pose, is_sparse, usual_sigmas
from posezoo.run.images import SAMPLE_PHOTOS, read_image
from posezoo.run.runtime.estimator import Estimator

RESULTS = Path(__file__).with_name("results")

#: The pairs that users get if they name no model, of those with weights here.
DEFAULTS = ("movenet-thunder", "pose-measured")
SIMILARITIES = (0.9, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.4)

#: Pairs of these models have limits.
MODELS = ("pp-tinypose-256x192", "pp-tinypose-128x96", "movenet-thunder", "movenet-lightning")
#: The steps of a limit, and how much more it must be: a score differs by less between f32 and bf16.
STEP = 0.01
MARGIN = 0.005

#: The windows without people, as shares of a photo's sides.
WINDOWS = (1 / 2, 1 / 3, 1 / 4)


@dataclass
class Pictures:
    """The annotated photos, the cut pictures of one person each, and those without people."""

    folder: Path
    photos: Sequence[Picture]
    cut: Sequence[tuple[Array, Any]]
    empty: Sequence[Array]
    samples: Sequence[Array]


def read_pictures(folder: Path) -> Pictures:
    """All pictures."""
    measure_situations.WINDOWS = WINDOWS
    photos = read_all_photos(folder)
    turned = [each for degrees in (0, 45, 90, 180) for each in people_pictures(photos, degrees)]
    samples = [read_image(path) for path in SAMPLE_PHOTOS]
    return Pictures(folder, photos, turned, [*empty_pictures(photos)], samples)


def drawn(poses: Sequence[Pose]) -> list[Pose]:
    """The poses that drawings show."""
    return [pose for pose in poses if not is_sparse(pose, pose.seen_from)]


def shows_twice(poses: Sequence[Pose]) -> bool:
    """Whether a person is drawn twice."""
    body = SKELETONS["coco-17"]
    sigmas = 2 * np.array(usual_sigmas(body))
    return has_duplicate(predictions_from_poses(drawn(poses), body.keypoints), sigmas)


def is_found(poses: Sequence[Pose], person: Any) -> bool:
    """Whether one of the poses is of an annotated person."""
    likeness = import_module("fakes.people").likeness
    return any(likeness(pose, person) > FOUND for pose in poses)


def count_found(results: Sequence[Sequence[Pose]], photos: Sequence[Picture]) -> int:
    """How many of the annotated people of photos are found."""
    return sum(
        is_found(poses, person)
        for poses, (_, people) in zip(results, photos, strict=True)
        for person in people
        if person["num_keypoints"] and not person.get("iscrowd")
    )


def measure_ap(results: Sequence[Sequence[Pose]], pictures: Pictures) -> float:
    """The AP of the poses that were found on the photos."""
    annotations = pictures.folder / "person_keypoints.json"
    dataset = coco.read(annotations, pictures.folder)
    in_order = iter(results)
    return evaluation.evaluate(lambda _photo: next(in_order), dataset).figures["AP"]


def measure_similarities(pictures: Pictures) -> Iterator[dict[str, Any]]:
    """A row for each default pair and limit."""
    for name in DEFAULTS:
        for limit in SIMILARITIES:
            options = posezoo.Options(decoder_options={"max_similarity": limit})
            model = posezoo.load(name, options=options, listener=None)
            on_photos = [model(photo) for photo, _ in pictures.photos]
            on_samples = [model(sample) for sample in pictures.samples]
            on_cut = [model(picture) for picture, _ in pictures.cut]
            people = [person for _, person in pictures.cut]
            found = sum(map(is_found, on_cut, people))
            yield {
                "model": name,
                "people_from": model.people_from,
                "arithmetic": model.executed_precision,
                "max_similarity": limit,
                "photos_with_a_person_twice": sum(map(shows_twice, on_photos + on_samples)),
                "cut_pictures_with_a_person_twice": sum(map(shows_twice, on_cut)),
                "found": count_found(on_photos, pictures.photos),
                "found_on_cut_pictures": found,
                "AP": f"{measure_ap(on_photos, pictures):.3f}",
            }


def measure_pairs(pictures: Pictures, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A row for each detector of the models."""
    registry = open_registry()
    for name in names:
        people = registry.find(name).people
        assert people
        for detector, limits in people.detectors.items():
            any_score = posezoo.Options(decoder_options={"min_pose_score": 0.0})
            model = posezoo.load(name, detector=detector, options=any_score, listener=None)
            ghosts = [*find_ghosts(model, pictures)]
            least = choose_least(ghosts)
            every = [model(photo) for photo, _ in pictures.photos]
            chosen = [[pose for pose in poses if is_kept(pose, least)] for poses in every]
            yield {
                "model": name,
                "people_from": detector,
                "arithmetic": model.executed_precision,
                "min_score": f"{least_box_score(registry.find(detector), limits):g}",
                "min_pose_score": f"{least:g}",
                "AP": f"{measure_ap(chosen, pictures):.3f}",
                "found_of_44": count_found(chosen, pictures.photos),
                "AP_without_min_pose_score": f"{measure_ap(every, pictures):.3f}",
                "found_without_min_pose_score": count_found(every, pictures.photos),
                "ghosts_without_min_pose_score": len(ghosts),
                "highest_ghost": f"{max(ghosts, default=0):.3f}",
            }


def is_kept(pose: Pose, least: float) -> bool:
    """Whether the limit keeps a pose; it is not for the whole image."""
    return bool(pose.people_from) or pose.score >= least


def least_box_score(detector: Model, limits: PairLimits) -> float:
    """The least score of a box: the detector's own, if the pair declares none."""
    if limits.min_score is not None:
        return limits.min_score
    assert detector.decoder
    record = find_decoder(detector.decoder.name)
    return float(getattr(record.options(**detector.decoder.options), record.person_score))


def find_ghosts(model: Estimator, pictures: Pictures) -> Iterator[float]:
    """The scores of people in boxes where nobody is; the limit is not for the whole image."""
    for picture in pictures.empty:
        yield from (pose.score for pose in model(picture) if not pose.people_from)
    for sample in pictures.samples:
        _, *others = model(sample)  # each shows one person, who has the highest score
        yield from (pose.score for pose in others)


def choose_least(ghosts: Sequence[float]) -> float:
    """The lowest limit in steps with which nobody is found; 0 if nobody is found without it."""
    if not ghosts:
        return 0.0
    return round(math.ceil((max(ghosts) + MARGIN) / STEP) * STEP, 2)


def write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    """Write and print the rows as they are measured."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = None
        for row in rows:
            if table is None:
                table = csv.DictWriter(file, [*row], dialect="excel-tab", lineterminator="\n")
                table.writeheader()
            table.writerow(row)
            print(*row.values(), flush=True)


def main() -> int:
    """Measure one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument("table", choices=("similarity", "pairs"))
    parser.add_argument("models", nargs="*", metavar="MODEL", default=MODELS)
    args = parser.parse_args()
    pictures = read_pictures(args.photos)
    counts = {name: len(getattr(pictures, name)) for name in ("photos", "cut", "empty", "samples")}
    print(counts, flush=True)
    if args.table == "similarity":
        write(RESULTS / "similarity.tsv", measure_similarities(pictures))
    else:
        write(RESULTS / "pair_limits.tsv", measure_pairs(pictures, args.models))
    return 0


if __name__ == "__main__":
    sys.exit(main())
