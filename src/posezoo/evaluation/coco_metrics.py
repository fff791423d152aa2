"""COCO's figures of what was found: the one door to faster-coco-eval.

It gives what pycocotools gives, to the last digit, in about half the time; the tests hold one against the
other. Ids are numbered anew from 1: to both, 0 means that nobody matched.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from posezoo.coco import CocoDataset
from posezoo.errors import EvaluationError, import_optional
from posezoo.evaluation.image_predictions import ImagePredictions
from posezoo.pose.keypoints import SKELETONS, keypoint_sigma

#: COCO's ten figures by object keypoint similarity, in the order in which they are always given.
KEYPOINT_FIGURES = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
#: Of its figures by the overlap of boxes, those of up to 100 boxes an image.
BOX_FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR", "ARs", "ARm", "ARl")

_KEYPOINTS = {
    "AP": "AP_all",
    "AP50": "AP_50",
    "AP75": "AP_75",
    "APm": "AP_medium",
    "APl": "AP_large",
    "AR": "AR_all",
    "AR50": "AR_50",
    "AR75": "AR_75",
    "ARm": "AR_medium",
    "ARl": "AR_large",
}
_BOXES = {
    "AP": "AP_all",
    "AP50": "AP_50",
    "AP75": "AP_75",
    "APs": "AP_small",
    "APm": "AP_medium",
    "APl": "AP_large",
    "AR": "AR_third",
    "ARs": "AR_small",
    "ARm": "AR_medium",
    "ARl": "AR_large",
}

_PERSON = 1


def compute_coco_metrics(
    dataset: CocoDataset, found: Mapping[int, ImagePredictions], *, boxes: bool = False
) -> dict[str, float]:
    """COCO's figures, 0..1.

    Args:
        dataset: the truth; all its pictures count, also those in which nobody was found.
        found: by the picture's number.
        boxes: hold boxes against boxes, not keypoints against keypoints.

    Returns:
        By name: those of ``KEYPOINT_FIGURES`` or ``BOX_FIGURES`` that anybody in the set decides; the figure
        that pycocotools gives as -1 is left out.

    Raises:
        EvaluationError: nobody in the set decides anything, or nobody knows how far annotators spread in a
            keypoint of the set.
        MissingPackageError: faster-coco-eval is not installed.
    """
    if not dataset.person_count(keypoints=not boxes):
        kind = "whose keypoints are labelled" if not boxes else "who is no crowd"
        raise EvaluationError(f"{dataset.annotations}: there is nobody to measure on: no person {kind}")
    library = import_optional("faster_coco_eval", extra="evaluate")
    images = [{"id": image.id} for image in dataset.pictures]
    truth = _index(library, images, list(_truth(dataset)))
    results = _index(library, images, list(_results(dataset, found, boxes)))
    evaluation = library.COCOeval_faster(
        truth,
        results,
        iouType="bbox" if boxes else "keypoints",
        print_function=logging.getLogger(__name__).debug,
        kpt_oks_sigmas=None if boxes else keypoint_sigmas(dataset.keypoints),
    )
    evaluation.run()
    stats = evaluation.stats_as_dict
    metrics = {name: stats[key] for name, key in (_BOXES if boxes else _KEYPOINTS).items()}
    return {name: float(value) for name, value in metrics.items() if value >= 0}


def keypoint_sigmas(names: tuple[str, ...]) -> list[float]:
    """How far annotators spread in each keypoint, as a share of the person's size.

    COCO's own come as pycocotools has them, tenths of hundredths, so that not even rounding differs.

    Raises:
        EvaluationError: nobody has measured it for one of them.
    """
    unknown = [name for name in names if keypoint_sigma(name) is None]
    if unknown:
        raise EvaluationError(
            f"nobody has measured how far annotators spread in {', '.join(unknown)}: there is no similarity",
            hint=f"known are the keypoints of {', '.join(SKELETONS)}",
        )
    return [round(10 * (keypoint_sigma(name) or 0), 2) / 10.0 for name in names]


def _index(library: Any, images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> Any:
    made = library.COCO()
    made.dataset = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": _PERSON, "name": "person"}],
    }
    made.createIndex()
    return made


def _truth(dataset: CocoDataset) -> Iterator[dict[str, Any]]:
    number = 0
    for image in dataset.pictures:
        for person in image.people:
            number += 1
            yield {
                "id": number,
                "image_id": image.id,
                "category_id": _PERSON,
                "keypoints": person.keypoints.ravel(),
                "bbox": list(person.bbox),
                "area": person.area,
                "iscrowd": int(person.is_crowd),
                "num_keypoints": person.num_keypoints,
            }


def _results(
    dataset: CocoDataset, found: Mapping[int, ImagePredictions], boxes: bool
) -> Iterator[dict[str, Any]]:
    number = 0
    for image in dataset.pictures:
        each = found.get(image.id)
        if each is None or not len(each):
            continue
        points = each.keypoints.reshape(len(each), -1)
        for row, (score, box, area) in enumerate(
            zip(
                each.scores.tolist(), each.boxes.tolist(), prediction_areas(each, boxes).tolist(), strict=True
            )
        ):
            number += 1
            yield {
                "id": number,
                "image_id": image.id,
                "category_id": _PERSON,
                "score": score,
                "keypoints": points[row],
                "bbox": box,
                "area": area,
                "iscrowd": 0,
            }


def prediction_areas(found: ImagePredictions, boxes: bool) -> Any:
    """(N,) float64: how large somebody is who was found, by which COCO tells medium from large.

    By the keypoints' extent, those that were not found at 0, 0: so pycocotools' ``loadRes`` has it.
    """
    if boxes:
        return found.boxes[:, 2] * found.boxes[:, 3]
    return np.ptp(found.keypoints[:, :, :2], axis=1).prod(axis=1)
