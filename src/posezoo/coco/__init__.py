"""Images with the people in them as people saw them: data sets in COCO's format."""

from __future__ import annotations

from posezoo.coco.annotations import read_coco_dataset
from posezoo.coco.coco_dataset import CocoBox, CocoDataset, DatasetImage, ImageLicense, PersonAnnotation
from posezoo.coco.detector_boxes import read_detector_boxes

__all__ = [
    "CocoBox",
    "CocoDataset",
    "DatasetImage",
    "ImageLicense",
    "PersonAnnotation",
    "read_coco_dataset",
    "read_detector_boxes",
]
