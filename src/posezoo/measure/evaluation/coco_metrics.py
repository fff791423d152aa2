"""COCO's metrics of predictions, computed by faster-coco-eval; also of parts of a data set:
CrowdPose's levels of crowding, and the parts of COCO-WholeBody's bodies.

The results are exactly pycocotools' in about half the time. Ids of annotations are renumbered from
1, because both packages interpret 0 as "no match"; images are numbered, because their ids may be
texts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import EvaluationError, import_optional
from posezoo.measure.coco import CocoDataset, DatasetImage
from posezoo.measure.coco.coco_dataset import PERSON
from posezoo.measure.evaluation.image_predictions import Predictions
from posezoo.poses.keypoints import WHOLE_BODY, sigmas_of

#: COCO's ten metrics by object keypoint similarity (OKS), in the order in which they are always
#: shown.
KEYPOINT_METRICS = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
#: COCO's metrics by the overlap of boxes, for up to 100 boxes per image.
BOX_METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR", "ARs", "ARm", "ARl")

#: The lowest crowd index of the images of each level (CrowdPose's evaluation: crowdposetools).
CROWD_LEVELS = {"easy": 0.0, "medium": 0.2, "hard": 0.8}

#: The keypoints of the parts (COCO-WholeBody, arXiv:2007.11858).
BODY_PARTS = {
    "body": slice(0, 17),
    "foot": slice(17, 23),
    "face": slice(23, 91),
    "lefthand": slice(91, 112),
    "righthand": slice(112, 133),
}


def require_people(dataset: CocoDataset, *, boxes: bool = False) -> None:
    """Raise an ``EvaluationError`` if a data set has no people; without any annotations, keypoints'
    false positives are counted.
    """
    if dataset.shows_nobody and not boxes:
        return
    if not dataset.person_count(keypoints=not boxes):
        kind = "outside of crowds" if boxes else "with labelled keypoints"
        raise EvaluationError(
            f"{dataset.annotations}: no person to evaluate: there is no person {kind}"
        )


def compute_coco_metrics(
    dataset: CocoDataset,
    predictions: Predictions,
    *,
    boxes: bool = False,
    sigmas: Sequence[float] = (),
) -> dict[str, float]:
    """COCO's metrics, 0..1.

    Args:
        dataset: all its images count, also those without predictions.
        boxes: compare boxes with boxes instead of keypoints with keypoints.
        sigmas: of the keypoints (default: ``keypoint_sigmas``).

    Returns:
        The values by name of ``KEYPOINT_METRICS`` or ``BOX_METRICS`` for which a person counts;
        pycocotools reports others as -1.

    Raises:
        EvaluationError: no person in the data set counts, or COCO's sigma of a keypoint is unknown.
        MissingPackageError: faster-coco-eval is not installed.
    """
    require_people(dataset, boxes=boxes)
    # In pycocotools' order; of boxes, 6 and 7 are the AR of 1 and of 10 boxes.
    stats = run_library(dataset, predictions, boxes=boxes, sigmas=sigmas).stats
    values = [*stats[:6], *stats[8:12]] if boxes else stats[:10]
    names = BOX_METRICS if boxes else KEYPOINT_METRICS
    metrics = zip(names, map(float, values), strict=True)
    return {name: value for name, value in metrics if value >= 0}


def run_library(
    dataset: CocoDataset,
    predictions: Predictions,
    *,
    boxes: bool,
    sigmas: Sequence[float] = (),
    most: int = 0,
) -> Any:
    """faster-coco-eval's evaluation, with the arguments and errors of ``compute_coco_metrics``.

    ``stats`` are the metrics; ``ious``, by image (numbered) and category, the similarities of the
    predictions that count, by descending score, to the annotations, or empty. With ``most``, as
    many count in an image, and not as many as in COCO.
    """
    library = import_optional("faster_coco_eval", extra="run")
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, image in enumerate(dataset.images):
        for person in image.people:
            truth.append(
                {
                    "id": len(truth) + 1,
                    "image_id": number,
                    "category_id": person.category if dataset.categories else PERSON,
                    "keypoints": person.keypoints.ravel(),
                    "bbox": list(person.bbox),
                    "area": person.area,
                    "iscrowd": int(person.is_crowd),
                    "num_keypoints": person.num_keypoints,
                }
            )
        predicted = predictions.get(image.id)
        if predicted is None:
            continue
        extents = predicted.boxes[:, 2:]
        if not boxes:
            # Of all keypoints, including missing ones at (0, 0), as in pycocotools' loadRes.
            extents = np.ptp(predicted.keypoints[:, :, :2], axis=1)
        for category, score, keypoints, box, area in zip(
            predicted.category_ids,
            predicted.scores.tolist(),
            predicted.keypoints.reshape(len(predicted), 3 * predicted.keypoints.shape[1]),
            predicted.boxes.tolist(),
            extents.prod(axis=1).tolist(),
            strict=True,
        ):
            results.append(
                {
                    "id": len(results) + 1,
                    "image_id": number,
                    "category_id": category,
                    "keypoints": keypoints,
                    "bbox": box,
                    "area": area,
                    "iscrowd": 0,
                    "score": score,
                }
            )
    evaluation = library.COCOeval_faster(
        _index(library, dataset, truth),
        _index(library, dataset, results),
        iouType="bbox" if boxes else "keypoints",
        print_function=logging.getLogger(__name__).debug,
        kpt_oks_sigmas=None if boxes else sigmas or keypoint_sigmas(dataset),
    )
    if most:
        evaluation.params.maxDets = [most]
        evaluation.evaluate()
        return evaluation
    evaluation.run()
    return evaluation


def compute_class_metrics(dataset: CocoDataset, predictions: Predictions) -> dict[str, float]:
    """The shares of images, 0..1, whose class is the first, or one of the first five predicted:
    ``top1`` and ``top5``.
    """
    right = {1: 0, 5: 0}
    for image in dataset.images:
        (annotation,) = image.people
        predicted = predictions.get(image.id)
        for count in right:
            is_found = predicted and annotation.category in predicted.categories[:count]
            right[count] += bool(is_found)
    return {f"top{count}": number / len(dataset.images) for count, number in right.items()}


def keypoint_sigmas(dataset: CocoDataset) -> list[float]:
    """COCO's sigmas: the standard deviation of annotators for each keypoint, relative to the
    person's size.

    Those of the skeleton or the annotations, or COCO's, rounded as in pycocotools for the same
    results.

    Raises:
        EvaluationError: the sigma of a keypoint is unknown.
    """
    names = dataset.keypoints
    sigmas = sigmas_of(names, dataset.skeleton)
    unknown = [name for name, sigma in zip(names, sigmas, strict=True) if sigma is None]
    if unknown:
        raise EvaluationError(
            f"COCO's sigmas are unknown for {', '.join(unknown)}, so the keypoint similarity cannot"
            " be computed",
            hint=(
                "declare them: sigmas in the skeleton of the model, in the file of --skeleton, or"
                " in the annotations' category"
            ),
        )
    return [round(10 * (sigma or 0), 2) / 10.0 for sigma in sigmas]


def _index(library: Any, dataset: CocoDataset, annotations: list[dict[str, Any]]) -> Any:
    ids = dataset.categories.values() or [PERSON]
    index = library.COCO()
    index.dataset = {
        "images": [{"id": number} for number, _ in enumerate(dataset.images)],
        "annotations": annotations,
        "categories": [{"id": number} for number in ids],
    }
    index.createIndex()
    return index


def compute_part_metrics(dataset: CocoDataset, predictions: Predictions) -> dict[str, float]:
    """The AP of each part in which a person counts, 0..1, by names such as ``AP_hard`` and
    ``AP_face``; none for a data set without such parts.

    Raises:
        MissingPackageError: faster-coco-eval is not installed.
    """
    sigmas = keypoint_sigmas(dataset)
    metrics = {}
    for level, part in _crowd_levels(dataset):
        metrics[f"AP_{level}"] = compute_coco_metrics(part, predictions).get("AP")
    is_whole_body = dataset.keypoints == SKELETONS[WHOLE_BODY].keypoints
    body_parts = BODY_PARTS if is_whole_body else {}
    for name, keypoints in body_parts.items():
        part = dataset.with_keypoints(dataset.keypoints[keypoints])
        if part.person_count():
            predicted = _select(predictions, keypoints)
            of_part = compute_coco_metrics(part, predicted, sigmas=sigmas[keypoints])
            metrics[f"AP_{name}"] = of_part.get("AP")
    return {name: value for name, value in metrics.items() if value is not None}


def _crowd_levels(dataset: CocoDataset) -> Iterator[tuple[str, CocoDataset]]:
    if not any(image.crowd_index is not None for image in dataset.images):
        return
    levels: dict[str, list[DatasetImage]] = {name: [] for name in CROWD_LEVELS}
    for image in dataset.images:
        crowding = image.crowd_index or 0
        *_, level = (name for name, least in CROWD_LEVELS.items() if crowding >= least)
        levels[level].append(image)
    for name, images in levels.items():
        part = replace(dataset, images=tuple(images))
        if part.person_count():
            yield name, part


def _select(predictions: Predictions, keypoints: slice) -> Predictions:
    return {
        number: replace(each, keypoints=each.keypoints[:, keypoints])
        for number, each in predictions.items()
    }
