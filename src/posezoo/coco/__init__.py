"""Images with the people in them as people saw them: data sets in COCO's format."""

from __future__ import annotations

from posezoo.coco.boxes import read_boxes
from posezoo.coco.dataset import Box, Dataset, License, Person, Picture
from posezoo.coco.reader import read

__all__ = ["Box", "Dataset", "License", "Person", "Picture", "read", "read_boxes"]
