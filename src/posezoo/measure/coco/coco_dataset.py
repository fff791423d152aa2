"""A data set in COCO's format: images, and the people or objects annotated in each.

Keypoints are indices of pixels, as COCO's annotators stored them: (0, 0) is the middle of the first
pixel. Boxes are in pixels from the image's top left corner.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

import numpy as np

from posezoo.core.arrays import Doubles
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.poses.keypoints import WHOLE_BODY

#: x0, y0, x1, y1 in image pixels, and the score, 0..1.
CocoBox = tuple[float, float, float, float, float]


#: An image's id in the annotations: a number, or a text if the annotations use texts.
ImageId = int | str

#: The id of the category of people, in COCO and in result files; and the id of none.
PERSON = 1
ANOTHER = -1


@frozen_with_arrays
class PersonAnnotation:
    """One annotated person, or object."""

    id: int  # of the annotation
    #: (K, 3) float64: x, y as indices of pixels, and visibility: 0 not labelled, 1 hidden,
    #: 2 visible; K is 0 in a data set without keypoints.
    keypoints: Doubles
    bbox: tuple[float, float, float, float]  # left, top, width and height in pixels
    area: float  # of the person's outline, in square pixels
    #: Whether this is a group annotated as one person: predictions there are neither right nor
    #: wrong.
    is_crowd: bool
    num_keypoints: int  # number of labelled keypoints
    #: (K, 4) float64: x, y, z of each keypoint in mm from the camera, and 1, or 0 if the position
    #: is unknown; (0, 4) in a data set without 3D positions.
    space: Doubles = field(default_factory=lambda: np.zeros((0, 4)))
    category: int = PERSON  # of an object

    @property
    def corner_box(self) -> CocoBox:
        """``bbox`` as corners, with score 1."""
        left, top, width, height = self.bbox
        return left, top, left + width, top + height, 1.0

    def with_keypoints(self, columns: Sequence[int]) -> PersonAnnotation:
        """The person with the keypoints of these columns only."""
        keypoints = self.keypoints[columns]
        space = self.space[columns] if len(self.space) else self.space
        labelled = int((keypoints[:, 2] > 0).sum())
        return replace(self, keypoints=keypoints, space=space, num_keypoints=labelled)


@frozen
class ImageLicense:
    """The terms under which an image may be used."""

    name: str
    url: str = ""


@frozen_with_arrays
class DatasetImage:
    """One image of a data set."""

    id: ImageId  # in the annotations
    path: Path  # the expected path of the file
    file_name: str  # the name in the annotations
    #: Width and height in pixels; None if the annotations do not contain it.
    size: tuple[int, int] | None
    people: tuple[PersonAnnotation, ...]  # all annotated people
    license: ImageLicense | None = None  # its license; None if the annotations do not contain it
    #: CrowdPose's share of keypoints that lie in the boxes of other people, 0..1; None in other
    #: data sets.
    crowd_index: float | None = None
    is_labeled: bool = True  # whether the people in it are annotated


@frozen_with_arrays
class CocoDataset:
    """Images and the people annotated in them."""

    name: str  # the annotation file's name without its suffix
    annotations: Path  # the annotation file
    folder: Path  # the folder of the images
    #: Their names, in the order of ``PersonAnnotation.keypoints``; may be empty.
    keypoints: tuple[str, ...]
    images: tuple[DatasetImage, ...]  # in the file's order
    #: What the annotations, or the model, say about the keypoints: their sigmas, and limbs.
    skeleton: Skeleton | None = None
    #: The ids of categories by their name, if objects of all of them count; empty: people count.
    categories: Mapping[str, int] = field(default_factory=dict)
    person_id: int = PERSON  # the id of the category of people in the annotations
    is_classified: bool = False  # whether each image has one annotation, its class
    warnings: tuple[str, ...] = ()  # what the annotations lack, and what is used in its place
    other_images: frozenset[ImageId] = frozenset()  # images of the annotations that are left out

    def described_by(self, skeleton: Skeleton | None) -> CocoDataset:
        """The data set with a model's skeleton, if that is declared and has sigmas."""
        if skeleton is None or not skeleton.sigmas:
            return self
        return replace(self, skeleton=skeleton)

    def with_body_only(self) -> CocoDataset:
        """A data set of COCO-WholeBody with the 17 keypoints of the body, which come first; any
        other as it is.
        """
        body = SKELETONS["coco-17"]
        if self.keypoints != SKELETONS[WHOLE_BODY].keypoints:
            return self
        return replace(self.with_keypoints(body.keypoints), skeleton=body)

    @property
    def shows_nobody(self) -> bool:
        """Whether no image has an annotation: all people who are found are false positives."""
        return not any(image.people for image in self.images)

    def find_category(self, label: str, class_id: int | None) -> int:
        """The id of the category that a model found, by the name or number of its class; that of
        people if no others count; ``ANOTHER`` if there is none.
        """
        if not self.categories:
            return PERSON
        numbered = self.categories.get(str(class_id), ANOTHER) if self.is_classified else ANOTHER
        return self.categories.get(label.lower(), numbered)

    def with_keypoints(self, names: tuple[str, ...]) -> CocoDataset:
        """The data set with these of its keypoints, in this order; a person without any of them
        does not count.
        """
        columns = [self.keypoints.index(name) for name in names]
        images = []
        for image in self.images:
            people = tuple(person.with_keypoints(columns) for person in image.people)
            images.append(replace(image, people=people))
        return replace(self, keypoints=names, images=tuple(images))

    def limited_to(self, count: int) -> CocoDataset:
        """The data set with its first images only."""
        return self.excluding({image.id for image in self.images[count:]})

    def excluding(self, ids: Collection[ImageId]) -> CocoDataset:
        """The data set without the images with these ids."""
        remaining = tuple(image for image in self.images if image.id not in ids)
        return replace(self, images=remaining, other_images=self.other_images | set(ids))

    def missing_images(self) -> tuple[DatasetImage, ...]:
        """The images without a file."""
        return tuple(image for image in self.images if not image.path.is_file())

    def annotated_boxes(self) -> Mapping[ImageId, Sequence[CocoBox]]:
        """The boxes of the people with labelled keypoints, without crowds, by image id."""
        boxes = {}
        for image in self.images:
            people = (person for person in image.people if person.num_keypoints)
            boxes[image.id] = tuple(
                person.corner_box
                for person in people
                if not person.is_crowd and min(person.bbox[2:]) > 0
            )
        return boxes

    def person_count(self, *, keypoints: bool = True) -> int:
        """The number of people that metrics count: no crowds; for keypoints, only people with
        labels.
        """
        count = 0
        for image in self.images:
            for person in image.people:
                if not person.is_crowd and (person.num_keypoints > 0 or not keypoints):
                    count += 1
        return count
