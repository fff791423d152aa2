"""posezoo dataset: sets of images with annotated people: what is in one, and how to get one.

``posezoo dataset info --format json``::

    name, annotations, images         str
    pictures, people, crowds          int     people are those of whom a keypoint is labelled
    labelled                          object  how many of each keypoint
    missing                           list of str  images that are not there
    licenses                          list    name, url and pictures of each; a name of "" says nothing

Exit code 1 where an image is missing.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags, run_main
from posezoo.cli.report import Console
from posezoo.cli.terminal_text import align_columns
from posezoo.errors import DatasetError, DownloadError, escape_control_characters, suggest
from posezoo.settings import user_folder

if TYPE_CHECKING:
    from posezoo.coco import CocoDataset

EXAMPLES = """
posezoo dataset info --annotations people.json --images photos
posezoo dataset get coco-val2017
posezoo dataset get coco-val2017 --accept_terms --output_dir coco
"""

#: How COCO's archives of 2017 unfold below a folder.
ANNOTATIONS, IMAGES = Path("annotations/person_keypoints_val2017.json"), Path("val2017")

#: The set that is measured on where none is named.
USUAL = "coco-val2017"


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(verbs, "dataset", "look at a set of annotated images, or fetch one", EXAMPLES)
    parser.add_argument("what", choices=("info", "get"), help="what to do with it")
    parser.add_argument("name", nargs="?", metavar="NAME", help="with get: coco-val2017")
    add_dataset_flags(parser)
    parser.add_argument(
        "--accept_terms", action="store_true", help="with get: fetch it on the terms that are shown"
    )
    flags.add_output_dir_flag(parser, "with get: where it goes", "datasets/NAME in your cache folder")
    flags.add_flags(parser, "attempts", *flags.HTTP)
    flags.add_format_flags(parser)
    return parser


def add_dataset_flags(parser: argparse.ArgumentParser) -> None:
    """Which data set."""
    parser.add_argument(
        "--annotations", type=Path, metavar="FILE", help="people's keypoints in COCO's format, as JSON"
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="the folder of the images in it")
    parser.add_argument(
        "--coco_home",
        type=Path,
        metavar="DIR",
        help="in place of both: a folder with annotations/person_keypoints_val2017.json and val2017 "
        "(default: where posezoo dataset get puts it)",
    )


def refuse_invalid_flags(args: argparse.Namespace) -> None:
    """Wrong usage ends with 2."""
    if (args.annotations is None) != (args.images is None):
        args.parser.error("--annotations and --images go together")
    if args.annotations is not None and args.coco_home is not None:
        args.parser.error("either --annotations and --images, or --coco_home")


def read_dataset(args: argparse.Namespace, *, keypoints: bool = True) -> CocoDataset:
    """The data set that is named, else the usual one.

    Raises:
        DatasetError: it is not there, or none.
    """
    from posezoo import coco

    annotations, images = args.annotations, args.images
    if annotations is None:
        home = args.coco_home or default_dataset_dir(USUAL)
        annotations, images = home / ANNOTATIONS, home / IMAGES
        if not annotations.is_file():
            raise DatasetError(
                f"{annotations}: there is no such file",
                hint=f"name --annotations and --images, or --coco_home; or posezoo dataset get {USUAL}",
            )
    return coco.read_coco_dataset(annotations, images, keypoints=keypoints)


def default_dataset_dir(name: str) -> Path:
    """Where a data set lies unless somebody says otherwise."""
    return user_folder("cache") / "datasets" / name


def run(args: argparse.Namespace) -> int:
    """Look at a set, or fetch one."""
    refuse_invalid_flags(args)
    if (args.what == "get") != (args.name is not None):
        args.parser.error("posezoo dataset get NAME, or posezoo dataset info --annotations FILE --images DIR")
    return _get(args) if args.what == "get" else _info(args)


def _get(args: argparse.Namespace) -> int:
    from posezoo.download.dataset_download import DATASETS, download_dataset
    from posezoo.pipeline.zoo_context import download_options

    if args.name not in DATASETS:
        raise DatasetError(
            f"no data set is called {args.name}: there is {', '.join(DATASETS)}",
            hint=suggest(args.name, DATASETS),
        )
    dataset, folder = DATASETS[args.name], args.output_dir or default_dataset_dir(args.name)
    settings = flags.settings_from_args(args)
    with Console(quiet=args.quiet) as console:
        for line in dataset.terms if not (args.quiet and args.accept_terms) else ():
            run_main.print_to_stderr(line)
        if not args.accept_terms:
            raise DownloadError(
                f"{args.name}: {dataset.size / 1e6:.0f} MB are fetched only on these terms",
                hint=f"posezoo dataset get {args.name} --accept_terms",
            )
        options = replace(download_options(settings), cache_dir=None, mirrors=())
        files = download_dataset(dataset, folder, options, console, name=args.name)
    answer = {"name": args.name, "folder": str(folder), "files": len(files)}
    print(json.dumps(answer, indent=2) if args.format == "json" else folder)
    return 0


def _info(args: argparse.Namespace) -> int:
    dataset = read_dataset(args, keypoints=False)
    found = _found(dataset)
    if args.format == "json":
        print(json.dumps(found, indent=2))
    else:
        _print(found)
    return 1 if found["missing"] else 0


def _found(dataset: CocoDataset) -> dict[str, Any]:
    people = [person for image in dataset.images for person in image.people]
    labelled = {
        name: sum(bool(person.keypoints[joint, 2]) for person in people)
        for joint, name in enumerate(dataset.keypoints)
    }
    terms = Counter(picture.license for picture in dataset.images)
    return {
        "name": dataset.name,
        "annotations": str(dataset.annotations),
        "images": str(dataset.folder),
        "pictures": len(dataset.images),
        "with_people": sum(bool(picture.people) for picture in dataset.images),
        "people": dataset.person_count(keypoints=bool(dataset.keypoints)),
        "without_keypoints": sum(not each.num_keypoints and not each.is_crowd for each in people),
        "crowds": sum(person.is_crowd for person in people),
        "labelled": labelled,
        "missing": [picture.file_name for picture in dataset.missing_images()],
        "licenses": [
            {"name": each.name if each else "", "url": each.url if each else "", "pictures": count}
            for each, count in terms.most_common()
        ],
    }


def _print(found: dict[str, Any]) -> None:
    rows = [
        ("annotations", found["annotations"]),
        ("images", f"{found['pictures']} ({found['with_people']} with people) below {found['images']}"),
        (
            "people",
            f"{found['people']}, {found['without_keypoints']} more without keypoints, "
            f"{found['crowds']} crowds",
        ),
        ("keypoints", ", ".join(f"{name} {count}" for name, count in found["labelled"].items()) or "none"),
        ("missing", f"{len(found['missing'])} images"),
    ]
    rows += [
        ("licence", f"{each['name'] or 'not stated'}: {each['pictures']} images {each['url']}".rstrip())
        for each in found["licenses"]
    ]
    print(*align_columns(rows), sep="\n")
    for name in found["missing"]:
        print(f"missing: {escape_control_characters(name)}")
