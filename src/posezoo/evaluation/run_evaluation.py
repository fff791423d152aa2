"""How well a model finds people: one call from a model and a data set to COCO's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posezoo.coco import CocoDataset
from posezoo.coco.coco_dataset import CocoBox
from posezoo.errors import EvaluationError, import_optional
from posezoo.evaluation import breakdown
from posezoo.evaluation.bootstrap import ENOUGH_PEOPLE, Interval, bootstrap_intervals
from posezoo.evaluation.coco_matching import match_dataset
from posezoo.evaluation.coco_metrics import compute_coco_metrics
from posezoo.evaluation.image_predictions import ImagePredictions
from posezoo.evaluation.mpjpe import compute_mpjpe
from posezoo.evaluation.prediction import Predictor, join_names, predict_dataset, require_readable
from posezoo.evaluation.prediction_cache import open_prediction_cache
from posezoo.events import Listener, ignore_event


@dataclass(frozen=True, eq=False, slots=True)
class EvaluationResult:
    """How well a model did on a data set.

    Attributes:
        figures: COCO's, 0..1, by name: ``scoring.KEYPOINT_FIGURES``, or of boxes ``scoring.BOX_FIGURES``;
            without those that nobody in the set decides; and MPJPE_mm of people in space.
        intervals: in which 95 of 100 such sets would have them, by name; none where the set is large enough.
        people: how many there were to find.
        dataset: what it was measured on, without the pictures that could not be read.
        unreadable: why, by the name of each such picture.
        found: who was found, by the picture's number.
        kept: in how many pictures an earlier run had found them.
        pictures: a row for each.
        keypoints: a row for each; none of boxes.
    """

    figures: Mapping[str, float]
    intervals: Mapping[str, Interval]
    people: int
    dataset: CocoDataset
    unreadable: Mapping[str, str]
    found: Mapping[int, ImagePredictions]
    kept: int
    pictures: tuple[breakdown.ImageScore, ...]
    keypoints: tuple[breakdown.KeypointScore, ...]

    def to_coco_results(self) -> list[dict[str, Any]]:
        """All who were found, as COCO's files of results have them."""
        return [
            result
            for image in self.dataset.pictures
            for result in self.found[image.id].to_coco_results(image.id)
        ]


def evaluate(
    predictor: Predictor,
    dataset: CocoDataset,
    *,
    of_boxes: bool = False,
    boxes: Mapping[int, Sequence[CocoBox]] | None = None,
    skip_unreadable: bool = False,
    keep: Path | None = None,
    heading: Mapping[str, Any] | None = None,
    at_once: int = 1,
    name: str = "",
    listener: Listener = ignore_event,
) -> EvaluationResult:
    """Show a model every picture of a set, and hold who it finds against who is there.

    Args:
        predictor: an estimator, or any callable with an image in, (H, W, 3) uint8 BGR, and poses out.
        dataset: the pictures and the truth.
        of_boxes: hold boxes against boxes, as for detectors, not keypoints against keypoints.
        boxes: by the picture's number, where people are, for a model that is shown one person at a time: it
            is called with ``boxes=`` them, and not at all where there are none. ``dataset.boxes()`` are the
            truth's.
        skip_unreadable: leave pictures out that are missing or cannot be read; ``unreadable`` says which.
        keep: a file that keeps who was found, so that the next run asks only for the rest.
        heading: what who is found depends on besides the pictures: under another heading, what is kept is not
            taken.
        at_once: how many pictures are in the works at once, such as an estimator's ``requests``.
        name: of the model, for the listener.
        listener: told of every picture.

    Raises:
        EvaluationError: pictures are missing or cannot be read, nobody is there to be found, or the model's
            skeleton does not match the annotations.
        OutputError: the file cannot be written.
        MissingPackageError: faster-coco-eval is not installed.
        PosezooError: the model fails.
    """
    import_optional("faster_coco_eval", extra="evaluate")  # said before hours of work, not after
    if not dataset.person_count(keypoints=not of_boxes):
        what = "who is no crowd" if of_boxes else "whose keypoints are labelled"
        raise EvaluationError(f"{dataset.annotations}: there is nobody to measure on: no person {what}")
    if not skip_unreadable:
        require_readable(dataset)
    names = () if of_boxes else dataset.keypoints
    file = (
        open_prediction_cache(keep, {"keypoints": list(names), **(heading or {})}, len(names))
        if keep
        else nullcontext()
    )
    with file as store:
        seen = predict_dataset(
            predictor,
            dataset,
            names=names,
            boxes=boxes,
            kept=store,
            at_once=at_once,
            name=name,
            listener=listener,
        )
    if seen.unreadable and not skip_unreadable:
        first = next(iter(seen.unreadable.values()))
        raise EvaluationError(
            f"{len(seen.unreadable)} of {len(dataset.pictures)} images cannot be used: "
            f"{join_names(list(seen.unreadable))} ({first})",
            hint="mend them and run again, or leave them out of the count: --skip_unreadable",
        )
    rest = dataset.excluding({image.id for image in dataset.pictures if image.file_name in seen.unreadable})
    metrics = compute_coco_metrics(rest, seen.predictions, boxes=of_boxes)
    matched = tuple(match_dataset(rest, seen.predictions, boxes=of_boxes))
    error_mm = None if of_boxes else compute_mpjpe(rest, seen.predictions, matched)
    if error_mm is not None:
        metrics["MPJPE_mm"] = error_mm
    people = rest.person_count(keypoints=not of_boxes)
    between = bootstrap_intervals(matched) if people < ENOUGH_PEOPLE else {}
    return EvaluationResult(
        figures=metrics,
        intervals={name: interval for name, interval in between.items() if name in metrics},
        people=people,
        dataset=rest,
        unreadable=seen.unreadable,
        found=seen.predictions,
        kept=seen.cached_count,
        pictures=breakdown.score_images(matched),
        keypoints=() if of_boxes else breakdown.score_keypoints(rest, seen.predictions, matched),
    )
