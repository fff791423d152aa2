"""Images with the people in them as people saw them: data sets in COCO's format."""

from __future__ import annotations

from posezoo.coco.boxes import read_detector_boxes
from posezoo.coco.dataset import CocoBox, CocoDataset, DatasetImage, ImageLicense, PersonAnnotation
from posezoo.coco.reader import read_coco_dataset

__all__ = [
    "CocoBox",
    "CocoDataset",
    "DatasetImage",
    "ImageLicense",
    "PersonAnnotation",
    "read_coco_dataset",
    "read_detector_boxes",
]
