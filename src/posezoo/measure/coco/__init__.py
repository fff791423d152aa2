"""Data sets in COCO's format: images and the people annotated in them."""

from __future__ import annotations

from pathlib import Path

from posezoo.measure.coco.annotations import read_coco_dataset, read_object_dataset
from posezoo.measure.coco.class_folder import read_class_dataset
from posezoo.measure.coco.coco_dataset import (
    CocoBox,
    CocoDataset,
    DatasetImage,
    ImageId,
    PersonAnnotation,
)
from posezoo.measure.coco.detector_boxes import read_detector_boxes

__all__ = [
    "CocoBox", "CocoDataset", "DatasetImage", "ImageId", "PersonAnnotation",
    "read", "read_class_dataset", "read_coco_dataset", "read_detector_boxes",
    "read_object_dataset", "read_task_dataset",
]  # fmt: skip

#: The documented name in Python.
read = read_coco_dataset


def read_task_dataset(
    annotations: Path, images: Path, task: str, *, keypoints: bool, category: str = ""
) -> CocoDataset:
    """The data set in COCO's format: objects of all categories for a task such as ``detection``,
    people without one; ``category`` as for ``read_coco_dataset``.

    Raises:
        DatasetError: the file is not a data set of that kind.
    """
    if task:
        return read_object_dataset(annotations, images)
    return read_coco_dataset(annotations, images, keypoints=keypoints, category=category)
