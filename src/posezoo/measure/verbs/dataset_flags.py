"""The flags that name a data set of annotated images, and the data set that they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli.flags import Flag
from posezoo.cli.parsers import Args
from posezoo.core.errors import DatasetError
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.settings import user_folder

if TYPE_CHECKING:
    from posezoo.measure.coco import CocoDataset

#: The paths in COCO's archives of 2017.
ANNOTATIONS = Path("annotations/person_keypoints_val2017.json")
IMAGES = Path("val2017")

DEFAULT_DATASET = "coco-val2017"

DATASET_FLAGS = (
    Flag(
        "--annotations FILE",
        "JSON file in COCO's format with the keypoints of the people in --images, or the boxes of"
        " objects; for a classifier, a list of images and classes, such as ImageNet's val.txt",
        needs="images",
    ),
    Flag(
        "--images DIR",
        "the folder of the annotated images; without --annotations, for a classifier, it has a"
        " folder for each class",
    ),
    Flag(
        "--coco_home DIR",
        "instead of --annotations and --images: a folder that contains the file"
        " annotations/person_keypoints_val2017.json and the folder val2017 (default: the one that"
        " posezoo dataset get writes)",
        excludes="annotations images",
    ),
    Flag(
        "--category NAME",
        "the category of people in the annotations, if several categories have keypoints, or none"
        " is called person",
        default="",
    ),
)


class DatasetArgs(Args):
    """The values of ``DATASET_FLAGS``."""

    annotations: Path | None
    images: Path | None
    coco_home: Path | None
    category: str


def read_dataset(
    args: DatasetArgs, listener: Listener, *, keypoints: bool = True, task: str = ""
) -> CocoDataset:
    """The data set that the flags name, or the default one, of people, objects (``detection``) or
    images with one class (``classification``); its warnings are reported.
    """
    from posezoo.measure import coco

    annotations = args.annotations
    images = args.images
    if task == "classification" and images is not None:
        return coco.read_class_dataset(images, annotations)
    if images and not annotations:
        args.parser.error("--images requires --annotations")
    if annotations and not images:  # for a file of results, which reads none
        images = annotations.parent
    if images is None or annotations is None:
        home = args.coco_home or default_dataset_dir(DEFAULT_DATASET)
        annotations = home / ANNOTATIONS
        images = home / IMAGES
        if not annotations.is_file():
            raise DatasetError(
                f"{annotations}: does not exist",
                hint=(
                    "name --annotations and --images, or --coco_home; "
                    f"or posezoo dataset get {DEFAULT_DATASET}"
                ),
            )
    dataset = coco.read_task_dataset(
        annotations, images, task, keypoints=keypoints, category=args.category
    )
    for warning in dataset.warnings:
        listener(WarningIssued(warning))
    return dataset


def default_dataset_dir(name: str) -> Path:
    """The default folder of a data set."""
    return user_folder("cache") / "datasets" / name
