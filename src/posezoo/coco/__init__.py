"""Images with the people in them as people saw them: data sets in COCO's format."""

from __future__ import annotations

from posezoo.coco.dataset import Dataset, License, Person, Picture
from posezoo.coco.reader import read

__all__ = ["Dataset", "License", "Person", "Picture", "read"]
