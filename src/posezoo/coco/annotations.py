"""From a file of annotations in COCO's format to a data set, with every claim checked.

The format: https://cocodataset.org/#format-data. An annotation may have ``keypoints_3d``, which is ours: for
each keypoint x, y, z in mm from the camera and 1, or 0 where nothing is known.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.coco.coco_dataset import CocoDataset, DatasetImage, ImageLicense, PersonAnnotation
from posezoo.errors import DatasetError

#: The share of a box that a person fills, where a set has no outlines (CrowdPose's: crowdposetools).
FILLED = 0.53

_KINDS = {int: "a whole number", str: "a text", list: "a list", dict: "an object"}


def read_coco_dataset(annotations: Path, images: Path, *, keypoints: bool = True) -> CocoDataset:
    """The data set that a file of annotations and a folder of images make; no image is looked at.

    Args:
        annotations: JSON in COCO's format, such as ``person_keypoints_val2017.json``.
        images: the folder that its file names start at.
        keypoints: whether they are needed; a set of boxes will do, else.

    Raises:
        DatasetError: the file cannot be read, says something that cannot be meant, or has no keypoints where
            they are needed; ids repeat; or there are no pictures or no people.
    """
    reader = _AnnotationParser(annotations, _content(annotations))
    category, names = reader.read_person_category(keypoints)
    people = reader.read_annotations(category, len(names))
    pictures = reader.read_images(images, people)
    if not pictures:
        raise DatasetError(f"{annotations}: has no images")
    known = {picture.id for picture in pictures}
    for image in people.keys() - known:
        raise DatasetError(
            f"{annotations}: annotation {people[image][0].id} is of image {image}, which is not listed"
        )
    return CocoDataset(annotations.stem, annotations, images, names, pictures)


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        hint = "name the file of annotations" if path.is_dir() else ""
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise DatasetError(
            f"{path}: is no COCO annotations: expected an object with images, annotations and categories",
            hint="a list is what results look like" if isinstance(content, list) else "",
        )
    return content


class _AnnotationParser:
    """The parts of one file."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self._path, self._content = path, content

    def read_person_category(self, keypoints: bool) -> tuple[int, tuple[str, ...]]:
        """The number of the category that people are, and the names of its keypoints."""
        kinds = [
            (self._get(each, "id", int, where), str(each.get("name", "")), self._names(each, where))
            for where, each in self._items("categories")
        ]
        labelled = [kind for kind in kinds if kind[2]]
        people = [each for each in labelled or kinds if each[1] == "person"] or (
            labelled if len(labelled) == 1 else []
        )
        if not people:
            said = ", ".join(name for _, name, _ in kinds) or "none"
            raise DatasetError(f"{self._path}: no category is person: there is {said}")
        category, _, names = people[0]
        if keypoints and not names:
            raise DatasetError(
                f"{self._path}: has no keypoints: its category person names none",
                hint="COCO's are in person_keypoints_*.json, not in instances_*.json",
            )
        return category, names

    def _names(self, category: Mapping[str, Any], where: str) -> tuple[str, ...]:
        names = category.get("keypoints", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._error(f"{where}.keypoints: expected a list of names")
        if len(set(names)) < len(names):
            raise self._error(f"{where}.keypoints: a name stands there twice")
        return tuple(names)

    def read_annotations(self, category: int, joints: int) -> dict[int, list[PersonAnnotation]]:
        """All of a category, by the number of their image."""
        found: dict[int, list[PersonAnnotation]] = {}
        ids = []
        for where, each in self._items("annotations"):
            ids.append(self._get(each, "id", int, where))
            if self._get(each, "category_id", int, where) == category:
                image = self._get(each, "image_id", int, where)
                found.setdefault(image, []).append(self._person(each, where, joints))
        self._refuse_repeated("annotations", ids)
        if not found:
            raise DatasetError(f"{self._path}: has no annotations of people")
        return found

    def _person(self, each: Mapping[str, Any], where: str, joints: int) -> PersonAnnotation:
        bbox = self._numbers(each.get("bbox"), 4, f"{where}.bbox")
        given = each.get("keypoints", [] if not joints else None)
        points = np.array(self._numbers(given, 3 * joints, f"{where}.keypoints"), np.float64)
        keypoints = points.reshape(joints, 3)
        area = each.get("area", FILLED * bbox[2] * bbox[3])
        (area,) = self._numbers([area], 1, f"{where}.area")
        labelled = each.get("num_keypoints", int((keypoints[:, 2] > 0).sum()))
        if isinstance(labelled, bool) or not isinstance(labelled, int):
            raise self._error(f"{where}.num_keypoints: expected a whole number, got {labelled!r}")
        if labelled and not (keypoints[:, 2] > 0).any():
            raise self._error(f"{where}: num_keypoints is {labelled}, but none is labelled")
        crowd = each.get("iscrowd", 0)
        if crowd not in (0, 1):
            raise self._error(f"{where}.iscrowd: expected 0 or 1, got {crowd!r}")
        left, top, width, height = bbox
        box, space = (left, top, width, height), self._space(each, where, joints)
        return PersonAnnotation(each["id"], keypoints, box, area, bool(crowd), labelled, space)

    def _space(self, each: Mapping[str, Any], where: str, joints: int) -> NDArray[np.float64]:
        if "keypoints_3d" not in each:
            return np.zeros((0, 4))
        numbers = self._numbers(each["keypoints_3d"], 4 * joints, f"{where}.keypoints_3d")
        return np.array(numbers, np.float64).reshape(joints, 4)

    def read_images(
        self, folder: Path, people: Mapping[int, Sequence[PersonAnnotation]]
    ) -> tuple[DatasetImage, ...]:
        """All images, with who is in them."""
        licenses = self._licenses()
        found = tuple(
            self._picture(each, where, folder, people, licenses) for where, each in self._items("images")
        )
        self._refuse_repeated("images", [each.id for each in found])
        return found

    def _picture(
        self,
        each: Mapping[str, Any],
        where: str,
        folder: Path,
        people: Mapping[int, Sequence[PersonAnnotation]],
        licenses: Mapping[int, ImageLicense],
    ) -> DatasetImage:
        number = self._get(each, "id", int, where)
        name = self._get(each, "file_name", str, where)
        if not name or "\0" in name:
            raise self._error(f"{where}.file_name: expected a name, got {name!r}")
        sides = each.get("width"), each.get("height")
        if sides != (None, None) and not all(type(side) is int and side > 0 for side in sides):
            raise self._error(
                f"{where}: expected width and height above 0, got {sides[0]!r} and {sides[1]!r}"
            )
        size = None if sides == (None, None) else (int(sides[0] or 0), int(sides[1] or 0))
        terms = each.get("license")
        license = licenses.get(terms) if isinstance(terms, int) else None
        return DatasetImage(number, folder / name, name, size, tuple(people.get(number, ())), license)

    def _licenses(self) -> dict[int, ImageLicense]:
        if "licenses" not in self._content:
            return {}
        return {
            self._get(each, "id", int, where): ImageLicense(
                str(each.get("name", "")), str(each.get("url", ""))
            )
            for where, each in self._items("licenses")
        }

    def _items(self, key: str) -> list[tuple[str, Mapping[str, Any]]]:
        items = self._content.get(key)
        if not isinstance(items, list):
            raise DatasetError(
                f"{self._path}: is no COCO annotations: {key} is {'no list' if items else 'missing'}"
            )
        for place, each in enumerate(items):
            if not isinstance(each, dict):
                raise self._error(f"{key}[{place}]: expected an object")
        return [(f"{key}[{place}]", each) for place, each in enumerate(items)]

    def _get(self, each: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
        value = each.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            got = "nothing" if value is None else repr(value)[:40]
            raise self._error(f"{where}.{key}: expected {_KINDS[kind]}, got {got}")
        return value

    def _numbers(self, value: object, count: int, where: str) -> list[float]:
        if not isinstance(value, list) or len(value) != count:
            got = f"{len(value)}" if isinstance(value, list) else "none"
            raise self._error(f"{where}: expected {count} numbers, got {got}")
        for each in value:
            if type(each) not in (int, float) or not math.isfinite(each):
                raise self._error(f"{where}: expected numbers, got {each!r:.40}")
        return value

    def _refuse_repeated(self, key: str, ids: Sequence[int]) -> None:
        repeated = [each for each, count in Counter(ids).items() if count > 1]
        if repeated:
            said = ", ".join(map(str, repeated[:5])) + (", ..." if len(repeated) > 5 else "")
            raise DatasetError(
                f"{self._path}: ids of {key} repeat: {said}",
                hint="give each its own: others refer to them",
            )

    def _error(self, problem: str) -> DatasetError:
        return DatasetError(f"{self._path}: {problem}")
