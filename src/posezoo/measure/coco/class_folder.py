"""Data sets of classified images: a folder for each class, or a list of images and classes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from posezoo.core.errors import DatasetError, os_reason
from posezoo.core.regular_files import read_regular_text
from posezoo.measure.coco.coco_dataset import CocoDataset, DatasetImage, PersonAnnotation

#: The number of ImageNet's classes, whose folders are in their order.
IMAGENET = 1000

_WORDNET_ID = re.compile(r"n\d{8}")

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}


def read_class_dataset(images: Path | str, annotations: Path | str | None = None) -> CocoDataset:
    """Read a data set in which each image has one class; the images are not read.

    Args:
        images: without a list, it has a folder for each class, with its name or number, or
            ImageNet's 1,000 folders such as ``n01440764``.
        annotations: a list of lines: an image, and the number or the name of its class, as
            ImageNet's ``val.txt``.

    Raises:
        DatasetError: the list or the folder cannot be read, or there are no images.
    """
    images = Path(images)
    source = images if annotations is None else Path(annotations)
    rows = _list_folders(images) if annotations is None else _read_list(source)
    if not rows:
        raise DatasetError(
            f"{source}: has no images with a class",
            hint="expected a folder of images for each class, or a list of images and classes",
        )
    names = sorted({name for _, name in rows})
    numbers = {name: place for place, name in enumerate(names)}
    categories = numbers
    if len(names) == IMAGENET and all(map(_WORDNET_ID.fullmatch, names)):
        categories = {str(place): place for place in numbers.values()}
    dataset_images = []
    for number, (file_name, name) in enumerate(rows, 1):
        label = PersonAnnotation(
            number,
            np.zeros((0, 3)),
            bbox=(0, 0, 0, 0),
            area=0,
            is_crowd=False,
            num_keypoints=0,
            category=numbers[name],
        )
        path = images / file_name
        dataset_images.append(DatasetImage(number, path, file_name, None, people=(label,)))
    return CocoDataset(
        source.stem,
        source,
        images,
        (),
        images=tuple(dataset_images),
        categories=categories,
        is_classified=True,
    )


def _list_folders(images: Path) -> list[tuple[str, str]]:
    try:
        paths = sorted(images.glob("*/*"))
    except OSError as error:
        raise DatasetError(f"{images}: cannot be read: {os_reason(error)}") from error
    names = (path.relative_to(images) for path in paths if path.suffix.lower() in SUFFIXES)
    return [(name.as_posix(), name.parent.name.lower()) for name in names]


def _read_list(path: Path) -> list[tuple[str, str]]:
    try:
        lines = read_regular_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else "is not UTF-8"
        raise DatasetError(f"{path}: cannot be read: {reason}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, _, label = line.strip().partition(" ")
        if not label.strip() or line.startswith(("{", "[")):  # JSON
            raise DatasetError(f"{path}:{number}: expected the name of an image, and its class")
        rows.append((name, label.strip().lower()))
    return rows
