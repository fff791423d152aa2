"""Read annotations in COCO's format, as annotation tools write them.

The format: https://cocodataset.org/#format-data. A value is refused only if a figure would be wrong
with it; the rest is a warning for each kind. An annotation may have ``keypoints_3d``, an extension
of posezoo: for each keypoint x, y, z in mm from the camera, and 1, or 0 if the position is unknown.
COCO-WholeBody (arXiv:2007.11858) and CrowdPose (arXiv:1812.00324) have more keys, which are read
too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from posezoo.core.arrays import Doubles
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import DatasetError, suggest
from posezoo.measure.coco.coco_dataset import (
    CocoDataset,
    DatasetImage,
    ImageId,
    ImageLicense,
    PersonAnnotation,
)
from posezoo.measure.coco.image_paths import ImageFolder
from posezoo.measure.coco.json_values import (
    are_shares,
    leaves_image,
    read_json,
    to_number,
    to_whole_number,
)
from posezoo.poses.keypoints import WHOLE_BODY

#: The share of a box that a person fills, if a data set has no areas (from CrowdPose:
#: crowdposetools).
FILLED = 0.53

#: The keys of COCO-WholeBody's keypoints, in their order; ``keypoints`` has those of the body.
_WHOLE_BODY_KEYS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")

# No image and no scene is so large; with larger numbers, a metric is not a number.
_LARGEST = 1e12

#: An object of the file.
_Entry = Mapping[str, Any]

# What is unusual, for warnings.
_COPIED = "is listed twice with the same values; read once"
_SAME_PERSON = (
    "has the box and the keypoints of an earlier one: both count, so that each is found once and"
    " missed once"
)
_NO_IMAGE = "is of an image that is not listed; left out"
_JOINED = (
    "has several boxes, and Label Studio writes all keypoints of an image as those of one person:"
    " give it a task for each person"
)


def read_coco_dataset(
    annotations: Path | str, images: Path | str, *, keypoints: bool = True, category: str = ""
) -> CocoDataset:
    """Read a data set from an annotation file and a folder of images; the images are not read.

    Args:
        annotations: JSON in COCO's format, such as ``person_keypoints_val2017.json``.
        images: the folder of the file names.
        category: the name of the category of people, if several have keypoints.

    Raises:
        DatasetError: the file cannot be read, has a value with which figures would be wrong, or has
            no keypoints although they are required; or there are no images, or annotations, but
            none of people.
    """
    parser = _open(Path(annotations))
    number, skeleton = parser.read_person_category(keypoints, category)
    people = parser.read_annotations(number, len(skeleton.keypoints))
    dataset = parser.read_dataset(Path(images), people, skeleton=skeleton)
    return replace(dataset, person_id=number)


def read_object_dataset(annotations: Path | str, images: Path | str) -> CocoDataset:
    """As ``read_coco_dataset``, also in its errors, with the objects of all categories, and without
    keypoints.
    """
    parser = _open(Path(annotations))
    categories = parser.read_categories()
    objects = parser.read_annotations(None, 0)
    return parser.read_dataset(Path(images), objects, categories=categories)


def _open(annotations: Path) -> _AnnotationParser:
    content = read_json(annotations, "name the file of annotations")
    if not isinstance(content, dict):
        hint = "this list looks like COCO results" if isinstance(content, list) else ""
        if _are_tasks(content):
            hint = "this list looks like Label Studio's own JSON: export it there as COCO"
        raise DatasetError(
            f"{annotations}: is not a COCO annotation file: expected an object with images,"
            " annotations and categories",
            hint=hint,
        )
    return _AnnotationParser(annotations, content)


def _are_tasks(content: object) -> bool:
    """Whether a list has the tasks of Label Studio, with the data and what was annotated."""
    first = content[0] if isinstance(content, list) and content else None
    return (
        isinstance(first, dict)
        and "image_id" not in first
        and not first.keys().isdisjoint(("annotations", "completions", "data"))
    )


class _Category(NamedTuple):
    id: int
    name: str
    where: str
    entry: _Entry

    @property
    def has_keypoints(self) -> bool:
        return bool(self.entry.get("keypoints"))


class _AnnotationParser:
    def __init__(self, path: Path, content: _Entry) -> None:
        self._path = path
        self._content = content
        self._noted: dict[str, list[str]] = {}

    def read_person_category(self, keypoints: bool, chosen: str) -> tuple[int, Skeleton]:
        categories = self._categories()
        person = self._choose(categories, chosen) if chosen else self._find_person(categories)
        skeleton = self._skeleton(person)
        if keypoints and not skeleton.keypoints:
            raise self._error(
                f"has no keypoints: its category {person.name} names none",
                hint="COCO's keypoints are in person_keypoints_*.json, not in instances_*.json",
            )
        return person.id, skeleton

    def _choose(self, categories: Sequence[_Category], name: str) -> _Category:
        names = [category.name for category in categories]
        matching = [category for category in categories if category.name.lower() == name.lower()]
        if not matching:
            hint = suggest(name, names) or f"its categories: {', '.join(names) or 'none'}"
            raise self._error(f"no category is called {name}", hint=hint)
        return max(matching, key=lambda category: category.has_keypoints)

    def _find_person(self, categories: Sequence[_Category]) -> _Category:
        labelled = [category for category in categories if category.has_keypoints]
        for category in labelled or categories:
            if category.name.lower() == "person":
                return category
        if len(labelled) == 1:
            return labelled[0]
        if labelled:
            names = [category.name for category in labelled]
            raise self._error(
                f"{len(names)} categories have keypoints: {', '.join(names)}",
                hint=f"choose one: --category {names[0]}",
            )
        names = [category.name for category in categories]
        hint = "--category NAME chooses the one of people"
        if not names:
            hint = 'write one: {"id": 1, "name": "person", "keypoints": ["nose", ...]}'
        elif not {*names}.isdisjoint(SKELETONS["coco-17"].keypoints):
            hint = "these are keypoints: annotate people as skeletons, since CVAT exports no points"
        raise self._error(
            f"no category is called person; the categories: {', '.join(names) or 'none'}", hint=hint
        )

    def read_categories(self) -> dict[str, int]:
        return {category.name.lower(): category.id for category in self._categories()}

    @cached_property
    def is_whole_body(self) -> bool:
        entries = self._items("annotations")
        return bool(entries) and _WHOLE_BODY_KEYS[-1] in entries[0][1]

    def _categories(self) -> list[_Category]:
        categories = []
        for where, entry in self._items("categories"):
            number = self._whole_number(entry, "id", where)
            categories.append(_Category(number, str(entry.get("name", "")), where, entry))
        return categories

    def _skeleton(self, category: _Category) -> Skeleton:
        if self.is_whole_body:
            return SKELETONS[WHOLE_BODY]
        where = f"{category.where}.keypoints"
        names = category.entry.get("keypoints") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._error(f"{where}: expected a list of names")
        if self._has_keypoints_of_coco(category):
            names = self._repair_names(names, category.where)
        for name in names:
            if names.count(name) > 1:
                raise self._error(f"{where}: {name} is listed {names.count(name)} times")
        sigmas = category.entry.get("sigmas") or ()
        if sigmas:  # not COCO's, but that of other data sets, such as mmpose's
            sigmas = self._numbers(sigmas, len(names), f"{category.where}.sigmas")
        return Skeleton("", tuple(names), sigmas=tuple(sigmas))

    def _repair_names(self, names: list[str], where: str) -> list[str]:
        """COCO's names, if there are none, or if some repeat and the others are COCO's."""
        of_coco = list(SKELETONS["coco-17"].keypoints)
        if not names:
            self._note("names no keypoints; COCO's 17 in their order are assumed", where)
            return of_coco
        is_repaired = len(names) == len(of_coco) and all(
            name == expected or names.count(name) > 1
            for name, expected in zip(names, of_coco, strict=True)
        )
        if is_repaired and names != of_coco:
            self._note("names keypoints alike; COCO's 17 in their order are assumed", where)
        return of_coco if is_repaired else names

    def _has_keypoints_of_coco(self, category: _Category) -> bool:
        size = 3 * len(SKELETONS["coco-17"].keypoints)
        lengths = set()
        for _, entry in self._items("annotations"):
            points = entry.get("keypoints")
            is_labelled = isinstance(points, list) and points
            if is_labelled and to_whole_number(entry.get("category_id")) == category.id:
                lengths.add(len(entry["keypoints"]))
        return lengths == {size}

    def read_annotations(
        self, category: int | None, num_keypoints: int
    ) -> dict[ImageId, list[PersonAnnotation]]:
        people: dict[ImageId, list[PersonAnnotation]] = {}
        seen: dict[object, _Entry] = {}
        others: set[int] = set()
        different: set[object] = set()
        for where, entry in self._items("annotations"):
            number = self._whole_number(entry, "category_id", where)
            if category not in (None, number):
                others.add(number)
                continue
            if not entry.get("bbox") and not entry.get("keypoints"):
                self._note("has neither bbox nor keypoints; left out", where)
                continue
            if self._is_copy(entry, where, seen):
                continue
            if entry.get("image_id") is None:
                raise self._error(f"{where}.image_id: expected the id of an image, got nothing")
            image = self._image_id(entry, "image_id")
            if image not in self._sizes:
                self._note(_NO_IMAGE, f"{where} (image_id {entry['image_id']!r:.40})")
                continue
            person = self._person(entry, where, num_keypoints)
            if leaves_image(person.bbox, self._sizes[image]):
                self._note(
                    "bbox leaves its image; it is left, top, width, height in pixels, not two"
                    " corners, nor a center",
                    where,
                )
            same = (image, number, person.bbox, person.keypoints.tobytes())
            if same in different:
                self._note(_SAME_PERSON, where)
            different.add(same)
            people.setdefault(image, []).append(person)
        if not people and (category is None or self._items("annotations")):
            raise self._no_annotations(category, others)
        self._note_joined_people(category)
        if people:  # else the photos show nobody
            self._require_pixels(list(chain.from_iterable(people.values())))
        return people

    def _note_joined_people(self, category: int | None) -> None:
        info = self._content.get("info")
        if not isinstance(info, dict) or info.get("contributor") != "Label Studio":
            return
        others = [each for _, each in self._items("annotations") if each["category_id"] != category]
        for image_id, boxes in Counter(str(each.get("image_id")) for each in others).items():
            if category is not None and boxes > 1:
                self._note(_JOINED, f"image_id {image_id:.40}")

    def _is_copy(self, entry: _Entry, where: str, seen: dict[object, _Entry]) -> bool:
        key = entry.get("id")
        earlier = entry if key is None else seen.setdefault(str(key), entry)
        if earlier is entry:
            return False
        is_copy = _is_same(earlier, entry)
        self._note(
            _COPIED if is_copy else "an annotation with this id is listed before; both count", where
        )
        return is_copy

    def _no_annotations(self, category: int | None, others: Collection[int]) -> DatasetError:
        if positions := self._noted.get(_NO_IMAGE):
            return self._error(
                f"has no annotations of its images: {_shorten(positions)}: is of another image",
                hint=f"image_id is an id of images, such as {next(iter(self._sizes))!r}",
            )
        if not others:
            return self._error("has no annotations" + " of people" * (category is not None))
        listed = ", ".join(map(str, sorted(others)[:5]))
        return self._error(
            f"has no annotations of people, whose category_id is {category}; it has annotations"
            f" with category_id {listed}",
            hint="category_id is the id of a category in the file, or --category names another",
        )

    def _require_pixels(self, people: Sequence[PersonAnnotation]) -> None:
        """Refuse positions that are shares of the image."""
        labelled = [person.keypoints[person.keypoints[:, 2] > 0, :2] for person in people]
        points = np.concatenate(labelled).ravel().tolist()
        for name, numbers in (
            ("bbox", list(chain.from_iterable(person.bbox for person in people))),
            ("keypoints", points),
        ):
            if numbers and are_shares(numbers):
                raise self._error(
                    f"all numbers of {name} are from 0 to 1",
                    hint="they are in pixels: multiply by the image's width and height",
                )

    def _person(self, entry: _Entry, where: str, num_keypoints: int) -> PersonAnnotation:
        left, top, width, height = self._numbers(entry.get("bbox"), 4, f"{where}.bbox")
        if width < 0 or height < 0:
            raise self._error(f"{where}.bbox: expected left, top, width and height of 0 or more")
        keypoints = self._keypoints(entry, where, num_keypoints)
        space = np.zeros((0, 4))
        if num_keypoints and "keypoints_3d" in entry:
            positions = self._numbers(
                entry["keypoints_3d"], 4 * num_keypoints, f"{where}.keypoints_3d"
            )
            space = np.array(positions, np.float64).reshape(num_keypoints, 4)
        crowd = entry.get("iscrowd")
        is_crowd = to_number(crowd or 0)
        if is_crowd not in (0, 1):
            raise self._error(f"{where}.iscrowd: expected 0 or 1, got {crowd!r:.40}")
        return PersonAnnotation(
            to_whole_number(entry.get("id")) or 0,
            keypoints,
            (left, top, width, height),
            self._area(entry, where, width * height),
            is_crowd=bool(is_crowd),
            num_keypoints=self._num_labelled(entry, where, keypoints),
            space=space,
            category=self._whole_number(entry, "category_id", where),
        )

    def _area(self, entry: _Entry, where: str, of_box: float) -> float:
        if entry.get("area") is None:
            return FILLED * of_box
        area = self._number(entry, "area", where)
        if area < 0:
            raise self._error(f"{where}.area: expected 0 or more, got {area}")
        # COCO's people fill 12 % to 87 % of their boxes.
        where = f"{where} (area {area:g}, bbox {of_box:.0f})"
        if area <= 0.01 * of_box:
            self._note(
                "area is far below that of bbox, so almost no prediction counts as right there:"
                " remove the key, or write square pixels",
                where,
            )
        elif area > 2 * of_box > 0:
            self._note(
                "area is far above that of bbox, so wrong predictions count as right there: remove"
                " the key, or write square pixels",
                where,
            )
        return area

    def _num_labelled(self, entry: _Entry, where: str, keypoints: Doubles) -> int:
        """The number of labelled keypoints as the file states it, which COCO's metrics use."""
        marked = int((keypoints[:, 2] > 0).sum())
        declared = entry.get("num_keypoints")
        if declared is None or not len(keypoints) or self.is_whole_body:
            return marked  # COCO-WholeBody states those of the body
        labelled = self._whole_number(entry, "num_keypoints", where)
        if bool(labelled) != bool(marked):
            self._note(
                "num_keypoints is not the number of labelled keypoints, and the metrics use it",
                where,
            )
        return labelled

    def _keypoints(self, entry: _Entry, where: str, count: int) -> Doubles:
        """(count, 3): all 0 if the entry has none."""
        flat: list[Any] = []
        for key in (_WHOLE_BODY_KEYS if self.is_whole_body else _WHOLE_BODY_KEYS[:1]) * bool(count):
            values = entry.get(key)
            if values is None and not self.is_whole_body:
                continue
            if not isinstance(values, list):
                raise self._error(f"{where}.{key}: expected a list of numbers")
            flat += values
        if not flat:
            return np.zeros((count, 3))
        if all(isinstance(point, list) and len(point) == 3 for point in flat):
            flat = list(chain.from_iterable(flat))
        where = f"{where}.keypoints"
        if len(flat) != 3 * count:
            raise self._error(
                f"{where}: expected {3 * count} numbers, three for each of the category's {count}"
                f" keypoints, got {len(flat)}"
            )
        flat[2::3] = self._visibilities(flat[2::3], count, where)
        for place, visibility in enumerate(flat[2::3]):
            if visibility <= 0:  # its position does not count, and may be no number
                point = flat[3 * place : 3 * place + 2]
                flat[3 * place : 3 * place + 2] = [to_number(value) or 0 for value in point]
        return np.array(self._numbers(flat, 3 * count, where), np.float64).reshape(count, 3)

    def _visibilities(self, values: list[Any], count: int, where: str) -> list[float]:
        # Some tools write true and false.
        numbers = [int(value) if isinstance(value, bool) else value for value in values]
        visible = self._numbers(numbers, count, where)
        if not {*visible} <= {-1, 0, 1, 2}:
            self._note("visibility is not 0, 1 or 2; all above 0 count as labelled", where)
        return visible

    def read_dataset(
        self,
        folder: Path,
        people: Mapping[ImageId, Sequence[PersonAnnotation]],
        *,
        skeleton: Skeleton | None = None,
        categories: Mapping[str, int] | None = None,
    ) -> CocoDataset:
        licenses = self._read_licenses()
        names = {where: self._file_name(entry, where) for where, entry in self._images}
        paths = ImageFolder(folder, [*names.values()])
        dataset_images = []
        for where, entry in self._images:
            number = self._image_id(entry, "id")
            name = names[where]
            dataset_images.append(
                DatasetImage(
                    number,
                    paths.find(name),
                    name,
                    self._sizes[number],
                    people=tuple(people.get(number, ())),
                    license=licenses.get(to_whole_number(entry.get("license"))),
                    crowd_index=self._crowding(entry, where),
                    is_labeled=entry.get("is_labeled") is not False,
                )
            )
        return CocoDataset(
            self._path.stem,
            self._path,
            folder,
            skeleton.keypoints if skeleton else (),
            images=tuple(dataset_images),
            skeleton=skeleton,
            categories=categories or {},
            warnings=tuple(self._warnings()),
        )

    @cached_property
    def _images(self) -> list[tuple[str, _Entry]]:
        images: dict[object, tuple[str, _Entry]] = {}
        for where, entry in self._items("images"):
            key = entry.get("id")
            if not isinstance(key, (int, float, str)):
                raise self._error(f"{where}.id: expected a whole number or a text, got {key!r:.40}")
            _, earlier = images.setdefault(key, (where, entry))
            if earlier is entry:
                continue
            if not _is_same(earlier, entry):
                raise self._error(
                    f"ids of images repeat: {key!r:.40}",
                    hint="give each its own id: other entries refer to it",
                )
            self._note(_COPIED, where)
        if not images:
            raise self._error("has no images")
        return [*images.values()]

    @cached_property
    def _has_numbers(self) -> bool:
        numbers = (to_whole_number(entry["id"]) for _, entry in self._images)
        is_text = any(isinstance(entry["id"], str) for _, entry in self._images)
        return not is_text and None not in numbers

    @cached_property
    def _sizes(self) -> dict[ImageId, tuple[int, int] | None]:
        return {self._image_id(entry, "id"): self._size(entry, at) for at, entry in self._images}

    def _image_id(self, entry: _Entry, key: str) -> ImageId:
        number = to_whole_number(entry.get(key)) if self._has_numbers else None
        return str(entry.get(key)) if number is None else number

    def _file_name(self, entry: _Entry, where: str) -> str:
        # COCO Annotator also writes ``path``.
        name = entry.get("file_name", entry.get("path"))
        if not isinstance(name, str):
            got = "nothing" if name is None else f"{name!r:.40}"
            raise self._error(f"{where}.file_name: expected a text, got {got}")
        if not name or "\0" in name:
            raise self._error(f"{where}.file_name: expected a name, got {name!r}")
        return name

    def _crowding(self, entry: _Entry, where: str) -> float | None:
        if entry.get("crowdIndex") is None:
            return None
        crowding = self._number(entry, "crowdIndex", where)
        if not 0 <= crowding <= 1:
            raise self._error(f"{where}.crowdIndex: expected 0 to 1, got {crowding}")
        return crowding

    def _read_licenses(self) -> dict[int | None, ImageLicense]:
        """The licenses with an id; figures do not need them, so all others are left out."""
        entries = self._content.get("licenses")
        licenses: dict[int | None, ImageLicense] = {}
        for entry in entries if isinstance(entries, list) else ():
            number = to_whole_number(entry.get("id")) if isinstance(entry, dict) else None
            if number is not None:
                name, url = (str(entry.get(key) or "") for key in ("name", "url"))
                licenses[number] = ImageLicense(name, url)
        return licenses

    def _size(self, entry: _Entry, where: str) -> tuple[int, int] | None:
        if entry.get("width") is None and entry.get("height") is None:
            return None
        width, height = (to_whole_number(entry.get(key)) or 0 for key in ("width", "height"))
        if width > 0 and height > 0:
            return width, height
        self._note(
            "width and height are not above 0; the size of the picture is not checked", where
        )
        return None

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

    def _whole_number(self, entry: _Entry, key: str, where: str) -> int:
        number = to_whole_number(entry.get(key))
        if number is None:
            got = "nothing" if entry.get(key) is None else f"{entry[key]!r:.40}"
            raise self._error(f"{where}.{key}: expected a whole number, got {got}")
        return number

    def _number(self, entry: _Entry, key: str, where: str) -> float:
        return self._numbers([entry[key]], 1, f"{where}.{key}")[0]

    def _numbers(self, values: object, count: int, where: str) -> list[float]:
        if not isinstance(values, list) or len(values) != count:
            got = f"{len(values)}" if isinstance(values, list) else "none"
            raise self._error(f"{where}: expected {count} numbers, got {got}")
        numbers = []
        for value in values:
            number: Any = to_number(value) if isinstance(value, str) else value
            if type(number) not in (int, float) or not abs(number) <= _LARGEST:
                raise self._error(f"{where}: expected numbers, got {value!r:.40}")
            numbers.append(number)
        return numbers

    def _note(self, problem: str, where: str) -> None:
        self._noted.setdefault(problem, []).append(where)

    def _warnings(self) -> Iterable[str]:
        for problem, positions in self._noted.items():
            yield f"{self._path}: {_shorten(positions)}: {problem}"

    def _error(self, problem: str, hint: str = "") -> DatasetError:
        return DatasetError(f"{self._path}: {problem}", hint=hint)


def _shorten(positions: Sequence[str]) -> str:
    more = f" and {len(positions) - 1} more" if len(positions) > 1 else ""
    return f"{positions[0]}{more}"


def _is_same(entry: _Entry, other: _Entry) -> bool:
    """Whether two entries have the same values; NaN is the same as NaN here."""
    return repr(entry) == repr(other)
