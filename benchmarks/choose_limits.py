"""Choose the limits of top-down models by the rules of decisions 0033 and 0037, and record what
they cost.

    benchmarks/choose_limits.py --photos DIR similarity
    benchmarks/choose_limits.py --photos DIR pairs [MODEL ...]

``similarity`` writes benchmarks/results/similarity.tsv: for each of the default pairs and each
limit the photos and cut pictures with a person who is drawn twice, the people found, and the AP.
``pairs`` writes benchmarks/results/pair_limits.tsv: for each detector that a model declares, the
least score of a person with which nobody is found on the pictures without people.

The photos are annotated as COCO's (person_keypoints.json). The pictures are those of
``measure_situations.py``, those without people also mirrored, and the package's samples, which show
one person each: any other pose there is of nobody. Everything runs in the type that ``run`` uses on
this CPU.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from measure_situations import Picture, empty_pictures, people_pictures, read_all_photos
from measure_video_people import FOUND

import posezoo
from posezoo import coco, evaluation
from posezoo.core.arrays import Array
from posezoo.core.declarations.model import Model, PairLimits
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.registry import open_registry
from posezoo.measure.evaluation.breakdown import has_duplicate
from posezoo.measure.evaluation.image_predictions import predictions_from_poses
from posezoo.media.images import SAMPLE_PHOTOS, read_image
from posezoo.poses.decoders import find_decoder
from posezoo.poses.keypoints import Pose, is_sparse, usual_sigmas
from posezoo.poses.top_down import suppress_by_oks
from posezoo.run.runtime import top_down_pipeline
from posezoo.run.runtime.estimator import Estimator

RESULTS = Path(__file__).with_name("results")

#: The pairs that users get if they name no model, of those with weights here.
DEFAULTS = ("movenet-thunder", "pose-measured")
SIMILARITIES = [round(0.95 - 0.05 * step, 2) for step in range(13)]

#: Pairs of these models have limits.
MODELS = ("pp-tinypose-256x192", "pp-tinypose-128x96", "movenet-thunder", "movenet-lightning")
#: The steps of a limit, and how much more it must be: a score differs by less between f32 and bf16.
STEP = 0.01
MARGIN = 0.005


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
    photos = read_all_photos(folder)
    turned = [each for degrees in (0, 45, 90, 180) for each in people_pictures(photos, degrees)]
    samples = [read_image(path) for path in SAMPLE_PHOTOS]
    windows = [*empty_pictures(photos)]
    mirrored = [np.ascontiguousarray(window[:, ::-1]) for window in windows]
    return Pictures(folder, photos, turned, windows + mirrored, samples)


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


def read_dataset(pictures: Pictures) -> coco.CocoDataset:
    """The photos as a data set."""
    return coco.read(pictures.folder / "person_keypoints.json", pictures.folder)


def measure_ap(results: Sequence[Sequence[Pose]], pictures: Pictures) -> float:
    """The AP of the poses that were found on the photos."""
    in_order = iter(results)
    dataset = read_dataset(pictures)
    return evaluation.evaluate(lambda _photo: next(in_order), dataset).figures["AP"]


class AllPoses:
    """A model whose poses come with the area of their crops, before seconds are removed."""

    def __init__(self, name: str) -> None:
        self.model = posezoo.load(name, listener=None)
        declared = open_registry().find(name)
        assert declared.people
        self.least = declared.people.detectors[self.model.people_from].min_pose_score
        self._seen: list[tuple[Pose, float]] = []

    def find(self, picture: Array) -> tuple[Sequence[Pose], list[tuple[Pose, float]]]:
        """The poses of the model, and all poses with their areas; none if the whole image was
        taken.
        """
        with mock.patch.object(top_down_pipeline, "suppress_by_oks", self._keep_all):
            self._seen = []
            poses = self.model(picture)
        is_whole = any(pose.people_from for pose in poses)
        return poses, [] if is_whole or not poses else self._seen

    def _keep_all(
        self, poses: Sequence[Pose], areas: Sequence[float], *, max_similarity: float
    ) -> list[int]:
        del max_similarity
        self._seen = list(zip(poses, areas, strict=True))
        return sorted(range(len(poses)), key=lambda index: -poses[index].score)

    def hide(
        self, found: tuple[Sequence[Pose], list[tuple[Pose, float]]], limit: float
    ) -> Sequence[Pose]:
        """The poses with a limit of similarity."""
        poses, every = found
        if not every:
            return poses
        seen, areas = zip(*every, strict=True)
        kept = [seen[index] for index in suppress_by_oks(seen, areas, max_similarity=limit)]
        shown = [replace(pose, seen_from=self.model.seen_from) for pose in kept]
        return [pose for pose in shown if pose.score >= self.least]


def measure_similarities(pictures: Pictures) -> Iterator[dict[str, Any]]:
    """A row for each default pair and limit."""
    people = [person for _, person in pictures.cut]
    for name in DEFAULTS:
        every = AllPoses(name)
        photos = [every.find(photo) for photo, _ in pictures.photos]
        samples = [every.find(sample) for sample in pictures.samples]
        cut = [every.find(picture) for picture, _ in pictures.cut]
        for limit in SIMILARITIES:
            on_photos, on_samples, on_cut = (
                [every.hide(found, limit) for found in results]
                for results in (photos, samples, cut)
            )
            yield {
                "model": name,
                "people_from": every.model.people_from,
                "arithmetic": every.model.executed_precision,
                "max_similarity": limit,
                "photos_with_a_person_twice": sum(map(shows_twice, on_photos + on_samples)),
                "cut_pictures_with_a_person_twice": sum(map(shows_twice, on_cut)),
                "drawn_on_photos": sum(len(drawn(poses)) for poses in on_photos),
                "found_of_44": count_found(on_photos, pictures.photos),
                "found_of_84": sum(map(is_found, on_cut, people)),
                "AP": f"{measure_ap(on_photos, pictures):.3f}",
            }


def measure_pairs(
    pictures: Pictures, names: Sequence[str], only: str | None
) -> Iterator[dict[str, Any]]:
    """A row for each detector of the models, or for one."""
    registry = open_registry()
    for name in names:
        people = registry.find(name).people
        assert people
        for detector, limits in people.detectors.items():
            if only not in (None, detector):
                continue
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


def write(path: Path, rows: Iterator[dict[str, Any]], *, keeps_others: bool = False) -> None:
    """Write the rows, and print them as they are measured; rows of other pairs may stay."""
    measured = []
    for row in rows:
        measured.append({key: str(value) for key, value in row.items()})
        print(*row.values(), flush=True)
    if keeps_others:
        by_pair = {(row["model"], row["people_from"]): row for row in measured}
        with path.open(encoding="utf-8", newline="") as file:
            former = [*csv.DictReader(file, dialect="excel-tab")]
        measured = [by_pair.get((row["model"], row["people_from"]), row) for row in former]
    columns = max(measured, key=len)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*columns], dialect="excel-tab", lineterminator="\n")
        table.writeheader()
        table.writerows(measured)


def main() -> int:
    """Measure one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument("--detector", metavar="NAME", help="of pairs, only those with this one")
    parser.add_argument("table", choices=("similarity", "pairs"))
    parser.add_argument("models", nargs="*", metavar="MODEL", default=MODELS)
    args = parser.parse_args()
    pictures = read_pictures(args.photos)
    counts = {name: len(getattr(pictures, name)) for name in ("photos", "cut", "empty", "samples")}
    print(counts, flush=True)
    if args.table == "similarity":
        write(RESULTS / "similarity.tsv", measure_similarities(pictures))
    else:
        rows = measure_pairs(pictures, args.models, args.detector)
        write(RESULTS / "pair_limits.tsv", rows, keeps_others=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
