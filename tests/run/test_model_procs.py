"""COCO's category of a pose of a class."""

from dataclasses import replace

import numpy as np

from posezoo.poses.keypoints import Pose
from posezoo.run.model_procs import coco_category_id


def test_a_coco_category_id_is_that_of_the_label_or_the_number_of_the_class():
    person = Pose(np.zeros((0, 3), np.float32), "box", 0.5, (1, 2, 3, 4))
    assert coco_category_id(person) == 1
    assert coco_category_id(replace(person, class_id=11, label="stop sign")) == 13
    assert coco_category_id(replace(person, class_id=11, label="face")) == 11
