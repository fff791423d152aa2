"""Parts of a data set that have an AP of their own: CrowdPose's levels of crowding, and the parts
of COCO-WholeBody's bodies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.measure.coco import CocoDataset, DatasetImage
from posezoo.measure.evaluation.coco_metrics import compute_coco_metrics, keypoint_sigmas
from posezoo.measure.evaluation.image_predictions import Predictions
from posezoo.poses.keypoints import WHOLE_BODY

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
    """The levels with people, and their images."""
    if not any(image.crowd_index is not None for image in dataset.images):
        return
    for level in CROWD_LEVELS:
        images = tuple(image for image in dataset.images if _crowd_level(image) == level)
        part = replace(dataset, images=images)
        if part.person_count():
            yield level, part


def _crowd_level(image: DatasetImage) -> str:
    reached = [name for name, least in CROWD_LEVELS.items() if (image.crowd_index or 0) >= least]
    return reached[-1]


def _select(predictions: Predictions, keypoints: slice) -> Predictions:
    return {
        number: replace(each, keypoints=each.keypoints[:, keypoints])
        for number, each in predictions.items()
    }
