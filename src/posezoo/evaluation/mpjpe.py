"""How far people in space are from where they are: the mean error of joints, in mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from posezoo.coco import CocoDataset
from posezoo.evaluation.coco_matching import ImageMatches
from posezoo.evaluation.image_predictions import ImagePredictions

#: Both skeletons are laid over each other here, as the model gives its joints from there.
ROOT = "neck"


def compute_mpjpe(
    dataset: CocoDataset, found: Mapping[int, ImagePredictions], matched: Sequence[ImageMatches]
) -> float | None:
    """The mean distance of joints from the true ones, in mm, with the necks laid over each other.

    Over all labelled joints but the neck of those who were found: MPJPE (C. Ionescu et al., Human3.6M, 2014)
    for several people, who are told by their keypoints in the image. Who was not found does not count: AR
    tells.

    Args:
        dataset: the truth.
        found: who was found, by the picture's number.
        matched: who was found to be whom, by the first threshold.

    Returns:
        None where the set or the model knows nothing of space, or nobody was found.
    """
    if ROOT not in dataset.keypoints:
        return None
    root = dataset.keypoints.index(ROOT)
    errors = []
    for each in matched:
        for row, place in enumerate(each.whom[0].tolist()):
            if place < 0 or each.ignored[place]:
                continue
            true = each.picture.people[place].space
            space = found[each.picture.id].space
            if not len(true) or not true[root, 3] or not space.shape[1]:
                continue
            seen = space[each.order[row]]
            counting = true[:, 3] > 0
            counting[root] = False
            apart = (seen - seen[root]) - (true[:, :3] - true[root, :3])
            errors += np.linalg.norm(apart[counting], axis=1).tolist()
    return float(np.mean(errors)) if errors else None
