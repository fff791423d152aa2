"""Evaluate a model on a data set in COCO's format: one call returns metrics, intervals and
tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import field, replace
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any

from posezoo.console.labels import name_first
from posezoo.core.errors import EvaluationError, ImageError, import_optional, shell_word
from posezoo.core.events import EvaluationProgress, Listener, WarningIssued, ignore_event
from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.measure.coco import CocoBox, CocoDataset, DatasetImage, ImageId
from posezoo.measure.coco.coco_dataset import ANOTHER
from posezoo.measure.evaluation import breakdown
from posezoo.measure.evaluation.coco_matching import (
    ENOUGH_PEOPLE,
    ImageMatches,
    Interval,
    bootstrap_intervals,
    match_dataset,
)
from posezoo.measure.evaluation.coco_metrics import (
    compute_class_metrics,
    compute_coco_metrics,
    compute_part_metrics,
    keypoint_sigmas,
    require_people,
)
from posezoo.measure.evaluation.image_predictions import (
    ImagePredictions,
    Predictions,
    predictions_from_poses,
    predictions_of_objects,
)
from posezoo.measure.evaluation.person_groups import (
    BY_SIZE,
    PersonGroup,
    group_by_posture,
    score_person_groups,
)
from posezoo.measure.evaluation.results_file import read_results
from posezoo.media import images
from posezoo.media.images import Image
from posezoo.poses.keypoints import Pose
from posezoo.run.result_journal import ResultJournal, open_journal
from posezoo.run.runtime.result_stream import ResultStream

#: An estimator, or a function that returns poses for an image, (H, W, 3) uint8 BGR. It is called
#: with ``boxes=`` if boxes are given.
Predictor = Callable[..., Sequence[Pose]]


@frozen_with_arrays
class EvaluationResult:
    """How well a model did on a data set.

    Attributes:
        figures: COCO's metrics, 0..1, by name: those of ``KEYPOINT_METRICS`` or ``BOX_METRICS`` for
            which a person counts, those of ``compute_part_metrics``, and MPJPE_mm for 3D poses.
        people: annotated people or objects that count.
        dataset: the data set without unreadable images.
        unreadable: the reason for each unreadable image, by its file name.
        predictions: by image id.
        cached_count: images predicted by an earlier run.
        intervals: 95 % confidence intervals by name; empty for many people, or objects.
        image_scores: one for each image; empty for objects.
        keypoint_scores: one for each keypoint; empty for boxes.
        size_groups, posture_groups: one for each size and posture of people; empty for boxes.
    """

    figures: Mapping[str, float]
    people: int
    dataset: CocoDataset
    unreadable: Mapping[str, str]
    predictions: Predictions
    cached_count: int
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    image_scores: tuple[breakdown.ImageScore, ...] = ()
    keypoint_scores: tuple[breakdown.KeypointScore, ...] = ()
    size_groups: tuple[PersonGroup, ...] = ()
    posture_groups: tuple[PersonGroup, ...] = ()

    def count_predictions(self) -> int:
        """How many people or objects were predicted in all images."""
        return sum(map(len, self.predictions.values()))

    def to_coco_results(self) -> list[dict[str, Any]]:
        """All predictions, in the form of COCO's result files."""
        results = []
        for image in self.dataset.images:
            results += self.predictions[image.id].to_coco_results(image.id)
        return results


def evaluate(
    predictor: Predictor,
    dataset: CocoDataset,
    *,
    of_boxes: bool = False,
    boxes: Mapping[ImageId, Sequence[CocoBox]] | None = None,
    skip_unreadable: bool = False,
    of_part: bool = False,
    keep: Path | None = None,
    heading: Mapping[str, Any] | None = None,
    at_once: int = 1,
    predict_elsewhere: PredictElsewhere | None = None,
    name: str = "",
    listener: Listener = ignore_event,
) -> EvaluationResult:
    """Run a model on every image of a data set, and compare its predictions with the ground truth.

    Args:
        predictor: an estimator, or a function that returns poses for an image, (H, W, 3) uint8 BGR.
        dataset: the images and the ground truth; images with ``is_labeled`` false are left out.
        of_boxes: compare boxes with boxes, as for detectors, instead of keypoints with keypoints.
        boxes: person boxes by image id, for a top-down model. The predictor gets them as
            ``boxes=``; it is not called for an image without boxes. ``dataset.annotated_boxes()``
            returns the annotated boxes.
        skip_unreadable: leave out images that are missing or cannot be read; ``unreadable`` lists
            them.
        of_part: the images are a part of a data set: they need not show a category that the model
            knows, and there are no confidence intervals, which would take half of the time.
        keep: a file for predictions; the next run then processes only the remaining images.
        heading: everything that predictions depend on besides the images: a file with another
            heading is not used.
        at_once: number of images that are processed at the same time, such as an estimator's
            ``requests``; the predictor is called in other threads.
        predict_elsewhere: yields the predictions for images, in their order, instead of the
            predictor here; it gets the images, and the names of the keypoints as for
            ``ImagePredictor``.
        name: the model's name, for the listener.
        listener: receives an event for every image.

    Raises:
        EvaluationError: images are missing or cannot be read, no person counts although some are
            annotated, no image is annotated, COCO's sigma of a keypoint is unknown, or the model's
            skeleton does not match the annotations.
        OutputError: the file cannot be written.
        MissingPackageError: faster-coco-eval is not installed.
        PosezooError: the model fails.
    """
    # The requirements are checked first, because an evaluation may take hours.
    import_optional("faster_coco_eval", extra="run")
    dataset = select_labeled(dataset, listener)
    require_people(dataset, boxes=of_boxes)
    require_readable(dataset, skip_unreadable=skip_unreadable)
    names = () if of_boxes else dataset.keypoints
    if names:
        keypoint_sigmas(dataset)

    unreadable: dict[str, str] = {}
    left_out: set[ImageId] = set()
    with open_journal(keep, _heading(dataset, names, heading)) as journal:
        predictions = _read_predictions(journal, dataset, len(names))
        cached_count = len(predictions)
        remaining = [image for image in dataset.images if image.id not in predictions]
        predict = ImagePredictor(predictor, names, boxes, dataset)
        here = ResultStream(remaining, predict, at_once, ahead=at_once)
        with closing(predict_elsewhere(remaining, names)) if predict_elsewhere else here as stream:
            for count, (image, predicted) in enumerate(stream, cached_count + 1):
                if isinstance(predicted, ImageError):
                    unreadable[image.file_name] = predicted.problem
                    left_out.add(image.id)
                else:
                    predictions[image.id] = predicted
                    journal.add(image.id, predicted.to_json(), image.path, *(image.size or ()))
                listener(EvaluationProgress(name, count, len(dataset.images)))
    allowed = len(dataset.images) - 1 if skip_unreadable else 0
    if len(unreadable) > allowed:
        raise EvaluationError(
            f"{len(unreadable)} of {len(dataset.images)} images cannot be used: "
            f"{name_first(list(unreadable), 5)} ({next(iter(unreadable.values()))})",
            hint="repair them and run again; --skip_unreadable leaves out some, but not all",
        )
    readable = dataset.excluding(left_out)
    return _compare(
        readable, predictions, unreadable, cached_count, of_boxes=of_boxes, of_part=of_part
    )


def evaluate_results(path: Path | str, dataset: CocoDataset) -> EvaluationResult:
    """Compare the poses in a file of results of any program with the ground truth; no image is
    read.

    Args:
        path: a file of results in COCO's format: a list of ``image_id``, ``category_id``,
            ``keypoints`` in the order of the annotations' category, and ``score``.
        dataset: the images and the ground truth; its folder of images may be missing.

    Raises:
        DatasetError: the file is not such a list, or does not fit the annotations.
        EvaluationError: as for ``evaluate``.
        MissingPackageError: faster-coco-eval is not installed.
    """
    dataset = select_labeled(dataset, ignore_event)
    require_people(dataset)
    predictions = read_results(path, dataset)
    return _compare(dataset, predictions, {}, 0, of_boxes=False, of_part=False)


def _read_predictions(
    journal: ResultJournal, dataset: CocoDataset, num_keypoints: int
) -> dict[ImageId, ImagePredictions]:
    """What an earlier run predicted; a line that cannot be read is no prediction."""
    predictions = {}
    for image in dataset.images:
        # The size is that in the annotations, which is checked when the image is read.
        if journal.has(image.id, image.path, *(image.size or ())):
            with suppress(ValueError, LookupError, TypeError, AttributeError):
                kept = journal.read(image.id)
                predictions[image.id] = ImagePredictions.from_json(kept, num_keypoints)
    return predictions


def _heading(
    dataset: CocoDataset, names: Sequence[str], heading: Mapping[str, Any] | None
) -> dict[str, Any]:
    complete = {"keypoints": list(names), "coordinates": "pixel indices", **(heading or {})}
    if dataset.categories:
        complete["categories"] = dict(dataset.categories)
    return complete


@frozen
class ImagePredictor:
    """Reads an image of a data set, and predicts its people, or returns the error; ``predictor``,
    ``boxes`` as for ``evaluate``, ``names`` of the annotations' keypoints, none for boxes.
    """

    predictor: Predictor
    names: tuple[str, ...]
    boxes: Mapping[ImageId, Sequence[CocoBox]] | None
    dataset: CocoDataset

    def __call__(self, image: DatasetImage) -> ImagePredictions | ImageError:
        """The people in an image, or why it cannot be read."""
        try:
            pixels = read_dataset_image(image)
            if self.dataset.categories:
                return predictions_of_objects(self.predictor(pixels), self.dataset)
            if self.boxes is None:
                return predictions_from_poses(self.predictor(pixels), self.names)
            boxes = self.boxes.get(image.id, ())
            poses = self.predictor(pixels, boxes=boxes) if boxes else ()
            return predictions_from_poses(poses, self.names)
        except ImageError as error:
            return error


#: The people in images, or why these cannot be read.
PredictedImages = Generator[tuple[DatasetImage, ImagePredictions | ImageError], None, None]

#: See ``evaluate``.
PredictElsewhere = Callable[[Sequence[DatasetImage], tuple[str, ...]], PredictedImages]


def _compare(
    dataset: CocoDataset,
    predictions: Predictions,
    unreadable: Mapping[str, str],
    cached_count: int,
    *,
    of_boxes: bool,
    of_part: bool,
) -> EvaluationResult:
    """Compare the predictions for the readable images with the ground truth; for a whole data set
    of few people also with confidence intervals.
    """
    found = set(chain.from_iterable(each.categories for each in predictions.values()))
    if found == {ANOTHER} and not of_part:  # their names may differ
        raise EvaluationError(
            f"{dataset.annotations}: the model found nothing of its categories:"
            f" {name_first(list(dataset.categories), 5)}",
            hint="posezoo run shows the names of the model's classes: the categories need the same",
        )
    if dataset.is_classified:
        metrics = compute_class_metrics(dataset, predictions)
    else:
        is_of_boxes = of_boxes or bool(dataset.categories)
        metrics = compute_coco_metrics(dataset, predictions, boxes=is_of_boxes)
    people = dataset.person_count(keypoints=not (of_boxes or dataset.categories))
    result = EvaluationResult(
        metrics, people, dataset, unreadable, predictions=predictions, cached_count=cached_count
    )
    if dataset.categories:
        return result
    matches = tuple(match_dataset(dataset, predictions, boxes=of_boxes))
    image_scores = tuple(map(breakdown.score_image, matches))
    result = replace(result, image_scores=image_scores)
    if not of_part and people < ENOUGH_PEOPLE:
        intervals = bootstrap_intervals(matches)
        in_metrics = {name: value for name, value in intervals.items() if name in metrics}
        result = replace(result, intervals=in_metrics)
    return result if of_boxes else _score_keypoints(result, matches)


def _score_keypoints(result: EvaluationResult, matches: Sequence[ImageMatches]) -> EvaluationResult:
    """The result with what only keypoints have: more figures, and the scores of each keypoint, size
    and posture.
    """
    dataset = result.dataset
    predictions = result.predictions
    image_scores = result.image_scores
    ghosts = breakdown.count_ghosts(image_scores)
    further = {
        "AR50_single": breakdown.recall_of_groups(image_scores, 1, 1),
        "AR50_several": breakdown.recall_of_groups(image_scores, 2, math.inf),
        "PCK": breakdown.compute_pck(predictions, matches),
        "ghosts": ghosts and ghosts[0],
        "sure_ghosts": ghosts and ghosts[1],
        "duplicates": breakdown.share_of_duplicates(dataset, predictions),
        "MPJPE_mm": breakdown.compute_mpjpe(dataset, predictions, matches),
    }
    figures = {**result.figures, **compute_part_metrics(dataset, predictions)}
    figures |= {name: value for name, value in further.items() if value is not None}
    postures = group_by_posture(dataset.keypoints)
    return replace(
        result,
        figures=figures,
        keypoint_scores=breakdown.score_keypoints(dataset, predictions, matches),
        size_groups=score_person_groups(BY_SIZE, matches, predictions),
        posture_groups=score_person_groups(postures, matches, predictions) if postures else (),
    )


def select_labeled(dataset: CocoDataset, listener: Listener) -> CocoDataset:
    """The data set without the images whose people are not annotated, with a warning.

    Raises:
        EvaluationError: no image is annotated.
    """
    others = {image.id for image in dataset.images if not image.is_labeled}
    if not others:
        return dataset
    count = f"{len(others)} of {len(dataset.images)} images"
    problem = f"{dataset.annotations}: is_labeled is false for {count}"
    if len(others) == len(dataset.images):
        raise EvaluationError(problem, hint="name annotated images")
    listener(WarningIssued(f"{problem}, which are left out"))
    return dataset.excluding(others)


def read_dataset_image(image: DatasetImage) -> Image:
    """Read the image's pixels, (H, W, 3) uint8 BGR.

    Raises:
        ImageError: the file cannot be read, or its size differs from the size in the annotations.
    """
    pixels = images.read_image(image.path)
    require_stated_size(str(image.path), pixels, image)
    return pixels


def require_stated_size(name: str, pixels: Image, image: DatasetImage) -> None:
    """Raise an ImageError if the size of an image differs from the size in the annotations."""
    size = pixels.shape[1], pixels.shape[0]
    if image.size is not None and size != image.size:
        raise ImageError(
            f"{name}: is {size[0]}x{size[1]}, the annotations say {image.size[0]}x{image.size[1]}"
        )


def require_readable(dataset: CocoDataset, *, skip_unreadable: bool = False) -> None:
    """Make sure that every image has a file; with ``skip_unreadable``, that any has one.

    Raises:
        EvaluationError: files are missing; the message gives their number and the first names.
    """
    missing = [image.file_name for image in dataset.missing_images()]
    is_any_there = len(missing) < len(dataset.images)
    if not missing or (skip_unreadable and is_any_there):
        return
    if not dataset.folder.is_dir():
        problem = "is not a folder" if dataset.folder.exists() else "no such folder"
        hint = "--images names the folder of the images"
        raise EvaluationError(f"{dataset.folder}: {problem}", hint=hint)
    files = f"--annotations {shell_word(dataset.annotations)} --images {shell_word(dataset.folder)}"
    hint = f"posezoo dataset info {files} lists them; --skip_unreadable evaluates without them"
    if not is_any_there:
        hint = _name_other_files(dataset.folder, missing[0])
    raise EvaluationError(
        f"{dataset.folder}: {len(missing)} of {len(dataset.images)} images are missing: "
        f"{name_first(missing, 5)}",
        hint=hint,
    )


def _name_other_files(folder: Path, name: str) -> str:
    files = sorted(path.name for path in folder.iterdir() if images.is_still(path))
    for similar in get_close_matches(name, files, n=1, cutoff=0):
        return f"the folder has other names, such as {similar}: file_name must be one of them"
    return "the folder has no images: --images names the folder that has them"
