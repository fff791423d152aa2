"""Read annotations and detector results in COCO's format, and check every value.

The format: https://cocodataset.org/#format-data. An annotation may have ``keypoints_3d``, an
extension of posezoo: for each keypoint x, y, z in mm from the camera, and 1, or 0 if the position
is unknown. COCO-WholeBody (arXiv:2007.11858) and CrowdPose (arXiv:1812.00324) have more keys, which
are read too.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from posezoo.coco.coco_dataset import (
    CocoBox,
    CocoDataset,
    DatasetImage,
    ImageLicense,
    PersonAnnotation,
)
from posezoo.errors import DatasetError, os_reason
from posezoo.pose.keypoints import WHOLE_BODY
from posezoo.regular_files import read_regular_bytes
from posezoo.spec.skeleton import Skeleton
from posezoo.spec.skeletons import SKELETONS

#: The share of a box that a person fills, if a data set has no areas (from CrowdPose:
#: crowdposetools).
FILLED = 0.53

#: The keys of COCO-WholeBody's keypoints, in their order; ``keypoints`` has those of the body.
_WHOLE_BODY_KEYS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")

# No image and no scene is so large; with larger numbers, a metric is not a number.
_LARGEST = 1e12

_FILE_NAME = re.compile(r"[^\0]+")
#: An object of the file.
_Entry = Mapping[str, Any]

_TYPE_NAMES = {int: "a whole number", str: "a text"}


def read_coco_dataset(annotations: Path, images: Path, *, keypoints: bool = True) -> CocoDataset:
    """Read a data set from an annotation file and a folder of images; the images are not read.

    Args:
        annotations: JSON in COCO's format, such as ``person_keypoints_val2017.json``.
        images: the folder that the file names are relative to.
        keypoints: whether keypoints are required; otherwise boxes are enough.

    Raises:
        DatasetError: the file cannot be read, has an invalid value, or has no keypoints although
            they are required; ids repeat; or there are no images or no people.
    """
    parser = _AnnotationParser(annotations, _read_object(annotations))
    category, skeleton = parser.read_person_category(keypoints)
    if parser.is_whole_body:
        skeleton = SKELETONS[WHOLE_BODY]
    names = skeleton.keypoints
    people = parser.read_annotations(category, len(names))
    dataset_images = parser.read_images(images, people)
    return CocoDataset(
        annotations.stem, annotations, images, names, images=dataset_images, skeleton=skeleton
    )


def read_object_dataset(annotations: Path, images: Path) -> CocoDataset:
    """As ``read_coco_dataset``, also in its errors, with the objects of all categories, and without
    keypoints.
    """
    parser = _AnnotationParser(annotations, _read_object(annotations))
    categories = parser.read_categories()
    objects = parser.read_annotations(None, 0)
    dataset_images = parser.read_images(images, objects)
    return CocoDataset(
        annotations.stem, annotations, images, (), images=dataset_images, categories=categories
    )


def read_detector_boxes(path: Path) -> Mapping[int, Sequence[CocoBox]]:
    """Read the person boxes of a detector, by image id; other categories than 1, person, are left
    out.

    The file is a JSON list of ``image_id``, ``category_id``, ``bbox`` (left, top, width, height in
    pixels) and ``score``; otherwise a DatasetError is raised.
    """
    content = _read_json(path)
    if not isinstance(content, list):
        raise DatasetError(f"{path}: is not a file of COCO results: expected a list")
    boxes: dict[int, list[CocoBox]] = {}
    for index, entry in enumerate(content):
        try:
            left, top, width, height = map(float, entry["bbox"])
            score = float(entry["score"])
            image = entry["image_id"]
            category = entry["category_id"]
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{path}: [{index}] is not a box: expected image_id, category_id, bbox of four"
                " numbers, score"
            ) from error
        # Both are compared: a side that is not a number (NaN) is not above 0.
        if category == 1 and width > 0 and height > 0:
            box = (left, top, left + width, top + height, min(max(score, 0), 1))
            boxes.setdefault(image, []).append(box)
    if not boxes:
        raise DatasetError(f"{path}: has no boxes of people")
    return boxes


def _read_object(annotations: Path) -> _Entry:
    content = _read_json(annotations, "name the file of annotations")
    if not isinstance(content, dict):
        raise DatasetError(
            f"{annotations}: is not a COCO annotation file: expected an object with images,"
            " annotations and categories",
            hint="this list looks like COCO results" if isinstance(content, list) else "",
        )
    return content


def _read_json(path: Path, folder_hint: str = "") -> Any:
    try:
        return json.loads(read_regular_bytes(path))
    except OSError as error:
        hint = folder_hint if path.is_dir() else ""
        raise DatasetError(f"{path}: cannot be read: {os_reason(error)}", hint=hint) from error
    except UnicodeDecodeError as error:
        hint = "annotations are a JSON file, such as person_keypoints_val2017.json"
        raise DatasetError(f"{path}: is not a text file", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: is not JSON: {error}") from error


class _Category(NamedTuple):
    id: int
    name: str
    skeleton: Skeleton


class _AnnotationParser:
    """Parses the sections of one file; ``where`` is the position of an entry in the file, for
    messages.
    """

    def __init__(self, path: Path, content: _Entry) -> None:
        self._path = path
        self._content = content

    def read_person_category(self, keypoints: bool) -> tuple[int, Skeleton]:
        """The id of the category person, and its keypoints."""
        categories = [self._category(where, entry) for where, entry in self._items("categories")]
        labelled = [category for category in categories if category.skeleton.keypoints]
        people = [category for category in labelled or categories if category.name == "person"]
        if not people and len(labelled) == 1:
            people = labelled
        if not people:
            listed = ", ".join(category.name for category in categories) or "none"
            raise self._error(f"no category is called person; the categories: {listed}")
        person = people[0]
        if keypoints and not person.skeleton.keypoints:
            raise self._error(
                "has no keypoints: its category person names none",
                hint="COCO's are in person_keypoints_*.json, not in instances_*.json",
            )
        return person.id, person.skeleton

    def read_categories(self) -> dict[str, int]:
        """The ids of all categories by their names, in lower case."""
        categories = [self._category(where, entry) for where, entry in self._items("categories")]
        return {category.name.lower(): category.id for category in categories}

    @cached_property
    def is_whole_body(self) -> bool:
        """Whether the annotations are those of COCO-WholeBody."""
        entries = self._items("annotations")
        return bool(entries) and _WHOLE_BODY_KEYS[-1] in entries[0][1]

    def _category(self, where: str, entry: _Entry) -> _Category:
        names = entry.get("keypoints", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._error(f"{where}.keypoints: expected a list of names")
        if len(set(names)) < len(names):
            raise self._error(f"{where}.keypoints: a name is listed twice")
        number = self._value(entry, "id", int, where)
        sigmas = entry.get("sigmas") or ()
        if sigmas:  # not COCO's, but that of other data sets, such as mmpose's
            sigmas = self._numbers(sigmas, len(names), f"{where}.sigmas")
        skeleton = Skeleton("", tuple(names), sigmas=tuple(sigmas))
        return _Category(number, str(entry.get("name", "")), skeleton)

    def read_annotations(
        self, category: int | None, num_keypoints: int
    ) -> dict[int, list[PersonAnnotation]]:
        """All annotations of a category, or of all if it is None, by image id."""
        people: dict[int, list[PersonAnnotation]] = {}
        ids = []
        for where, entry in self._items("annotations"):
            ids.append(self._value(entry, "id", int, where))
            if category in (None, self._value(entry, "category_id", int, where)):
                image = self._value(entry, "image_id", int, where)
                people.setdefault(image, []).append(self._person(entry, where, num_keypoints))
        self._refuse_repeated("annotations", ids)
        if not people:
            raise self._error("has no annotations" + (" of people" if category else ""))
        return people

    def _person(self, entry: _Entry, where: str, num_keypoints: int) -> PersonAnnotation:
        left, top, width, height = self._numbers(entry.get("bbox"), 4, f"{where}.bbox")
        if not num_keypoints:
            entry = {**entry, "keypoints": [], "num_keypoints": 0}
        points = self._keypoints(entry, where, num_keypoints)
        keypoints = np.array(points, np.float64).reshape(num_keypoints, 3)
        (area,) = self._numbers([entry.get("area", FILLED * width * height)], 1, f"{where}.area")
        marked = int((keypoints[:, 2] > 0).sum())
        labelled = marked
        if not self.is_whole_body:  # it counts those of the body there
            counted = {"num_keypoints": marked, **entry}
            labelled = self._value(counted, "num_keypoints", int, where)
        if labelled and not marked:
            raise self._error(f"{where}: num_keypoints is {labelled}, but none is labelled")
        crowd = entry.get("iscrowd", 0)
        if crowd not in (0, 1):
            raise self._error(f"{where}.iscrowd: expected 0 or 1, got {crowd!r}")
        space = np.zeros((0, 4))
        if "keypoints_3d" in entry:
            positions = self._numbers(
                entry["keypoints_3d"], 4 * num_keypoints, f"{where}.keypoints_3d"
            )
            space = np.array(positions, np.float64).reshape(num_keypoints, 4)
        box = (left, top, width, height)
        return PersonAnnotation(
            entry["id"],
            keypoints,
            box,
            area,
            is_crowd=bool(crowd),
            num_keypoints=labelled,
            space=space,
            category=entry["category_id"],
        )

    def _keypoints(self, entry: _Entry, where: str, count: int) -> list[float]:
        if not self.is_whole_body:
            flat = entry.get("keypoints", None if count else [])
            return self._numbers(flat, 3 * count, f"{where}.keypoints")
        joined: list[object] = []
        for key in _WHOLE_BODY_KEYS:
            if not isinstance(entry.get(key), list):
                raise self._error(f"{where}.{key}: expected a list of numbers")
            joined += entry[key]
        return self._numbers(joined, 3 * count, f"{where}: {', '.join(_WHOLE_BODY_KEYS)}")

    def read_images(
        self, folder: Path, people: Mapping[int, Sequence[PersonAnnotation]]
    ) -> tuple[DatasetImage, ...]:
        """All images, with the people in them."""
        licenses = self._read_licenses()
        dataset_images = []
        for where, entry in self._items("images"):
            number = self._value(entry, "id", int, where)
            name = self._value(entry, "file_name", str, where)
            if not _FILE_NAME.fullmatch(name):
                raise self._error(f"{where}.file_name: expected a name, got {name!r}")
            size = self._size(entry, where)
            key = entry.get("license")
            terms = licenses.get(key) if isinstance(key, int) else None
            in_image = tuple(people.get(number, ()))
            crowding = entry.get("crowdIndex")
            if crowding is not None:
                (crowding,) = self._numbers([crowding], 1, f"{where}.crowdIndex")
                if not 0 <= crowding <= 1:
                    raise self._error(f"{where}.crowdIndex: expected 0 to 1, got {crowding}")
            path = folder / name
            image = DatasetImage(
                number, path, name, size, people=in_image, license=terms, crowd_index=crowding
            )
            dataset_images.append(image)
        ids = [image.id for image in dataset_images]
        self._refuse_repeated("images", ids)
        if not ids:
            raise self._error("has no images")
        for number in people.keys() - set(ids):
            annotation = people[number][0].id
            raise self._error(f"annotation {annotation} is of image {number}, which is not listed")
        return tuple(dataset_images)

    def _read_licenses(self) -> dict[int, ImageLicense]:
        licenses = {}
        for where, entry in self._items("licenses") if "licenses" in self._content else ():
            terms = ImageLicense(str(entry.get("name", "")), str(entry.get("url", "")))
            licenses[self._value(entry, "id", int, where)] = terms
        return licenses

    def _size(self, entry: _Entry, where: str) -> tuple[int, int] | None:
        width = entry.get("width")
        height = entry.get("height")
        if width is None and height is None:
            return None
        if not all(type(side) is int and side > 0 for side in (width, height)):
            raise self._error(
                f"{where}: expected width and height above 0, got {width!r} and {height!r}"
            )
        return entry["width"], entry["height"]

    def _items(self, key: str) -> list[tuple[str, _Entry]]:
        items = self._content.get(key)
        if not isinstance(items, list):
            raise self._error(
                f"is not a COCO annotation file: {key} is {'not a list' if items else 'missing'}"
            )
        for index, entry in enumerate(items):
            if not isinstance(entry, dict):
                raise self._error(f"{key}[{index}]: expected an object")
        return [(f"{key}[{index}]", entry) for index, entry in enumerate(items)]

    def _value(self, entry: _Entry, key: str, kind: type, where: str) -> Any:
        value = entry.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            got = "nothing" if value is None else repr(value)[:40]
            raise self._error(f"{where}.{key}: expected {_TYPE_NAMES[kind]}, got {got}")
        return value

    def _numbers(self, value: object, count: int, where: str) -> list[float]:
        if not isinstance(value, list) or len(value) != count:
            got = f"{len(value)}" if isinstance(value, list) else "none"
            raise self._error(f"{where}: expected {count} numbers, got {got}")
        for number in value:
            if type(number) not in (int, float) or not abs(number) <= _LARGEST:
                raise self._error(f"{where}: expected numbers, got {number!r:.40}")
        return value

    def _refuse_repeated(self, key: str, ids: Sequence[int]) -> None:
        repeated = [number for number, count in Counter(ids).items() if count > 1]
        if repeated:
            listed = ", ".join(map(str, repeated[:5]))
            if len(repeated) > 5:
                listed += ", ..."
            raise self._error(
                f"ids of {key} repeat: {listed}",
                hint="give each its own id: other entries refer to it",
            )

    def _error(self, problem: str, hint: str = "") -> DatasetError:
        return DatasetError(f"{self._path}: {problem}", hint=hint)
