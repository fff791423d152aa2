"""The mean per joint position error (MPJPE) of 3D poses, in mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from posezoo.coco import CocoDataset
from posezoo.evaluation.coco_matching import ImageMatches
from posezoo.evaluation.image_predictions import ImagePredictions

#: Both skeletons are aligned at this keypoint, since the model's joints are relative to it.
ROOT = "neck"


def compute_mpjpe(
    dataset: CocoDataset, predictions: Mapping[int, ImagePredictions], matches: Sequence[ImageMatches]
) -> float | None:
    """The mean distance of joints from the ground truth, in mm, with the necks aligned.

    Over all labelled joints except the neck of the people who were found: MPJPE (C. Ionescu et al.,
    Human3.6M, 2014) for several people, who are matched by their keypoints in the image. People who were not
    found do not count; AR shows them.

    Args:
        dataset: the ground truth.
        predictions: by image id.
        matches: of all images; the first threshold is used.

    Returns:
        None if the data set or the model has no 3D positions, or nobody was found.
    """
    if ROOT not in dataset.keypoints:
        return None
    root = dataset.keypoints.index(ROOT)
    errors = []
    for image_matches in matches:
        image = image_matches.image
        for row, index in enumerate(image_matches.persons[0].tolist()):
            if index < 0 or image_matches.ignored[index]:
                continue
            truth, space = image.people[index].space, predictions[image.id].space
            if not len(truth) or not truth[root, 3] or not space.shape[1]:
                continue
            predicted = space[image_matches.order[row]]
            counted = truth[:, 3] > 0
            counted[root] = False
            offsets = (predicted - predicted[root]) - (truth[:, :3] - truth[root, :3])
            errors += np.linalg.norm(offsets[counted], axis=1).tolist()
    return float(np.mean(errors)) if errors else None
