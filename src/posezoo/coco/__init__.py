"""Data sets in COCO's format: images and the people annotated in them."""

from __future__ import annotations

from posezoo.coco.annotations import (
    read_coco_dataset,
    read_detector_boxes,
    read_object_dataset,
)
from posezoo.coco.class_folder import read_class_dataset
from posezoo.coco.coco_dataset import CocoBox, CocoDataset, DatasetImage, PersonAnnotation

__all__ = [
    "CocoBox", "CocoDataset", "DatasetImage", "PersonAnnotation",
    "read", "read_class_dataset", "read_coco_dataset", "read_detector_boxes",
    "read_object_dataset",
]  # fmt: skip

#: The documented name in Python.
read = read_coco_dataset
