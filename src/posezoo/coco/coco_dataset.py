"""What a data set in COCO's format is: pictures, and who is to be seen in each.

Coordinates are the file's: pixels from the image's left top corner.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: x0, y0, x1, y1 in image pixels, and how sure it is, 0..1.
CocoBox = tuple[float, float, float, float, float]


@dataclass(frozen=True, eq=False, slots=True)
class PersonAnnotation:
    """Somebody in a picture, as an annotator saw them.

    Attributes:
        id: of the annotation.
        keypoints: (K, 3) float64: x, y in pixels, and 0 where it is not labelled, 1 hidden, 2 in sight;
            K is 0 in a set of boxes alone.
        bbox: left, top, width and height in pixels.
        area: of the person's outline, in pixels.
        is_crowd: a crowd that nobody took apart: what is found there is neither right nor wrong.
        num_keypoints: how many are labelled.
        space: (K, 4) float64: x, y, z in mm and 0 where nothing is known of it, of each keypoint; no rows
            where the set knows nothing of space.
    """

    id: int
    keypoints: NDArray[np.float64]
    bbox: tuple[float, float, float, float]
    area: float
    is_crowd: bool
    num_keypoints: int
    space: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))

    @property
    def to_box(self) -> CocoBox:
        """Its box by corners, sure."""
        left, top, width, height = self.bbox
        return left, top, left + width, top + height, 1.0


@dataclass(frozen=True, slots=True)
class ImageLicense:
    """On what terms a picture may be used."""

    name: str
    url: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class DatasetImage:
    """An image of a set.

    Attributes:
        id: COCO's number of it.
        path: where it lies, or should.
        file_name: as the annotations have it.
        size: width and height in pixels; None where the annotations do not say.
        people: all who are annotated in it.
        license: its terms; None where the annotations do not say.
    """

    id: int
    path: Path
    file_name: str
    size: tuple[int, int] | None
    people: tuple[PersonAnnotation, ...]
    license: ImageLicense | None = None

    @property
    def top_down_boxes(self) -> tuple[CocoBox, ...]:
        """Of those whom a model that is shown one person at a time is shown: labelled people, no crowds."""
        return tuple(
            person.to_box
            for person in self.people
            if person.num_keypoints and not person.is_crowd and min(person.bbox[2:]) > 0
        )


@dataclass(frozen=True, eq=False, slots=True)
class CocoDataset:
    """Pictures, and what is known of the people in them.

    Attributes:
        name: of the annotations' file, without its ending.
        annotations: that file.
        folder: where the images lie.
        keypoints: their names, in the order of ``Person.keypoints``; empty in a set of boxes alone.
        pictures: in the file's order.
    """

    name: str
    annotations: Path
    folder: Path
    keypoints: tuple[str, ...]
    pictures: tuple[DatasetImage, ...]

    def limited_to(self, count: int) -> CocoDataset:
        """The set of the first pictures alone."""
        return replace(self, pictures=self.pictures[:count])

    def excluding(self, ids: Collection[int]) -> CocoDataset:
        """The set without the pictures of these numbers."""
        return replace(self, pictures=tuple(picture for picture in self.pictures if picture.id not in ids))

    def missing_images(self) -> tuple[DatasetImage, ...]:
        """The pictures whose files are not there."""
        return tuple(picture for picture in self.pictures if not picture.path.is_file())

    def annotated_boxes(self) -> Mapping[int, Sequence[CocoBox]]:
        """By the picture's number, the annotated boxes of those whose keypoints are labelled."""
        return {picture.id: picture.top_down_boxes for picture in self.pictures}

    def person_count(self, *, keypoints: bool = True) -> int:
        """How many people figures are of: no crowds, and, for keypoints, nobody without any labelled."""
        return sum(
            not person.is_crowd and (person.num_keypoints > 0 or not keypoints)
            for image in self.pictures
            for person in image.people
        )
