"""Who was found to be whom, picture by picture, by COCO's rules: for tables and intervals.

What pycocotools' ``computeOks`` and ``evaluateImg`` do for people of any size, written anew. The figures
themselves are ``scoring``'s; the tests hold the AP that follows from these matches against them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.coco import CocoDataset, DatasetImage, PersonAnnotation
from posezoo.evaluation.coco_metrics import keypoint_sigmas
from posezoo.evaluation.image_predictions import Floats, ImagePredictions

#: Keypoints count up to so many detections a picture, boxes up to this many (pycocotools' ``maxDets``).
MOST_PEOPLE, MOST_BOXES = 20, 100

#: COCO's ten thresholds of similarity or overlap.
THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())


@dataclass(frozen=True, eq=False, slots=True)
class ImageMatches:
    """Who was found to be whom in one picture.

    Attributes:
        picture: the truth.
        order: (N,): of those who were found, the surest first and no more than count: their places in Found.
        scores: (N,): theirs.
        similarities: (N, P): of each of them to each person of the picture.
        whom: (T, N): the person that each is at each threshold; -1: nobody.
        ignored: (P,): who counts neither as found nor as missed.
    """

    picture: DatasetImage
    order: NDArray[np.int64]
    scores: Floats
    similarities: Floats
    whom: NDArray[np.int64]
    ignored: NDArray[np.bool_]


def match_dataset(
    dataset: CocoDataset,
    found: Mapping[int, ImagePredictions],
    *,
    boxes: bool = False,
) -> Iterator[ImageMatches]:
    """Every picture of a set, with who was found to be whom in it.

    Raises:
        EvaluationError: nobody knows how far annotators spread in a keypoint of the set.
    """
    sigmas = np.zeros(0) if boxes else 2 * np.array(keypoint_sigmas(dataset.keypoints))
    joints = 0 if boxes else len(dataset.keypoints)
    nobody = ImagePredictions(np.zeros((0, joints, 3)), np.zeros(0), np.zeros((0, 4)))
    for image in dataset.pictures:
        each = found.get(image.id, nobody)
        order = np.argsort(-each.scores, kind="stable")[: MOST_BOXES if boxes else MOST_PEOPLE]
        ignored = np.array(
            [person.is_crowd or not (boxes or person.num_keypoints) for person in image.people], bool
        )
        similarities = np.zeros((len(order), len(image.people)))
        for column, person in enumerate(image.people):
            similarities[:, column] = (
                box_iou(each.boxes[order], person)
                if boxes
                else object_keypoint_similarity(each.keypoints[order], person, sigmas)
            )
        crowds = [person.is_crowd for person in image.people]
        recipient = np.array(
            [_match_greedily(similarities, ignored, crowds, threshold) for threshold in THRESHOLDS]
        )
        recipient = recipient.reshape(len(THRESHOLDS), len(order)).astype(np.int64)
        yield ImageMatches(image, order, each.scores[order], similarities, recipient, ignored)


def object_keypoint_similarity(keypoints: Floats, person: PersonAnnotation, sigmas: Floats) -> Floats:
    """(N,): COCO's object keypoint similarity of (N, K, 3) keypoints to a person.

    To somebody without labelled keypoints: by how far each lies outside of their box, doubled on each side.

    Args:
        keypoints: in image pixels.
        person: the truth.
        sigmas: (K,): twice the sigmas.
    """
    labelled = person.keypoints[:, 2] > 0
    each = keypoint_similarities(keypoints, person, sigmas)
    mean: Floats = (each[:, labelled] if labelled.any() else each).mean(axis=1)
    return mean


def keypoint_similarities(keypoints: Floats, person: PersonAnnotation, sigmas: Floats) -> Floats:
    """(N, K): the same for each keypoint by itself."""
    if (person.keypoints[:, 2] > 0).any():
        apart = keypoints[:, :, :2] - person.keypoints[:, :2]
    else:
        left, top, width, height = person.bbox
        low, high = np.array([left - width, top - height]), np.array([left + 2 * width, top + 2 * height])
        apart = np.maximum(low - keypoints[:, :, :2], 0) + np.maximum(keypoints[:, :, :2] - high, 0)
    squared = (apart**2).sum(axis=2)
    similarity: Floats = np.exp(-squared / (2 * sigmas**2 * (person.area + np.spacing(1))))
    return similarity


def box_iou(boxes: Floats, person: PersonAnnotation) -> Floats:
    """(N,): intersection over union of (N, 4) boxes with a person's; with a crowd's, over their own area."""
    left, top, width, height = person.bbox
    across = np.minimum(boxes[:, 0] + boxes[:, 2], left + width) - np.maximum(boxes[:, 0], left)
    down = np.minimum(boxes[:, 1] + boxes[:, 3], top + height) - np.maximum(boxes[:, 1], top)
    shared = np.maximum(across, 0) * np.maximum(down, 0)
    own = boxes[:, 2] * boxes[:, 3]
    whole = own if person.is_crowd else own + width * height - shared
    shares: Floats = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return shares


def _match_greedily(
    similarities: Floats, ignored: NDArray[np.bool_], crowds: Sequence[bool], threshold: float
) -> list[int]:
    """The person that each is, the surest first; those who count are taken before those who do not."""
    taken: set[int] = set()
    people = np.argsort(ignored, kind="stable").tolist()
    recipient = []
    for row in similarities.tolist():
        best, min_count = -1, min(threshold, 1 - 1e-10)
        for person in people:
            if person in taken and not crowds[person]:
                continue
            if best >= 0 and not ignored[best] and ignored[person]:
                break
            if row[person] >= min_count:
                best, min_count = person, row[person]
        if best >= 0:
            taken.add(best)
        recipient.append(best)
    return recipient


def true_positives(each: ImageMatches) -> tuple[Any, Any]:
    """(T, N) whether each is somebody who counts, and whether it counts at all."""
    nobody = each.whom < 0
    if not len(each.ignored):
        return ~nobody, nobody | True
    ignored = each.ignored[each.whom] & ~nobody
    return ~nobody & ~ignored, ~ignored
