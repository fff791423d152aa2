"""posezoo dataset: show the content of a data set of images with annotated people, or download one.

``posezoo dataset info --format json``::

    name, annotations, images         str
    pictures, people, crowds          int     images; people with at least one labelled keypoint;
                                              crowds
    labelled                          object  how often each keypoint is labelled
    missing                           list of str  images that do not exist
    licenses                          list    name, url and number of pictures; name is "" if not
                                              stated

The exit code is 1 if an image is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.console import printing
from posezoo.console.json_projection import Json, project
from posezoo.console.labels import format_megabytes
from posezoo.console.report import align_columns, print_result
from posezoo.core.errors import DatasetError, DownloadError, suggest
from posezoo.measure.verbs.dataset_flags import (
    DATASET_FLAGS,
    DatasetArgs,
    default_dataset_dir,
    read_dataset,
)

if TYPE_CHECKING:
    from posezoo.measure.coco import CocoDataset

EXAMPLES = """
posezoo dataset info --annotations people.json --images photos
posezoo dataset get coco-val2017
posezoo dataset get coco-val2017 --accept_terms --output coco
"""

FLAGS = (
    Flag(
        "what",
        "info: count images, people and keypoints, and list missing images; get: download the data"
        " set NAME",
        choices=("info", "get"),
    ),
    Flag("name NAME", "with get: the data set, coco-val2017", nargs="?"),
    *DATASET_FLAGS,
    Flag(
        "--accept_terms",
        "with get: accept the terms of use; without this flag, they are shown and nothing is"
        " downloaded",
    ),
    flags.output_flag(
        "with get: the folder of the data set",
        "datasets/NAME in your cache folder",
        output=None,
    ),
    f"attempts {flags.HTTP} {flags.FORMAT}",
)


class _DatasetArgs(DatasetArgs, flags.FormatArgs):
    what: str
    name: str | None
    accept_terms: bool
    output: Path | None


def run(args: _DatasetArgs) -> int:
    """Show a data set, or download one."""
    if (args.what == "get") != (args.name is not None):
        args.parser.error(
            "posezoo dataset get NAME, or posezoo dataset info --annotations FILE --images DIR"
        )
    if args.name is not None:
        return _get(args, args.name)
    with flags.console_from_args(args) as console:
        facts = _facts(read_dataset(args, console, keypoints=False))
    print_result(args.format, facts, *_text_lines(facts))
    return 1 if facts["missing"] else 0


def _text_lines(facts: Json) -> list[str]:
    images = f"{facts['pictures']} ({facts['with_people']} with people) below {facts['images']}"
    others = f"{facts['without_keypoints']} more without keypoints, {facts['crowds']} crowds"
    counts = ", ".join(f"{name} {count}" for name, count in facts["labelled"].items())
    rows = [
        ("annotations", f"{facts['annotations']}"),
        ("images", images),
        ("people", f"{facts['people']}, {others}"),
        ("keypoints", counts or "none"),
        ("missing", f"{len(facts['missing'])} images"),
    ]
    for terms in facts["licenses"]:
        text = f"{terms['name'] or 'not stated'}: {terms['pictures']} images {terms['url']}"
        rows.append(("license", text.rstrip()))
    missing = [f"missing: {name}" for name in facts["missing"]]
    return [*align_columns(rows), *missing]


def _get(args: _DatasetArgs, name: str) -> int:
    from posezoo.core.pipeline.zoo_context import download_options
    from posezoo.measure.published_datasets import DATASETS, download_dataset

    if name not in DATASETS:
        raise DatasetError(
            f"no data set is called {name}; available: {', '.join(DATASETS)}",
            hint=suggest(name, DATASETS),
        )
    dataset = DATASETS[name]
    folder = args.output or default_dataset_dir(name)
    settings = flags.settings_from_args(args)
    with flags.console_from_args(args) as console:
        if not args.quiet or not args.accept_terms:
            for line in dataset.terms:
                printing.print_to_stderr(line)
        if not args.accept_terms:
            raise DownloadError(
                f"{name}: {format_megabytes(dataset.size)} are downloaded only on these terms",
                hint=f"posezoo dataset get {name} --accept_terms",
            )
        options = replace(download_options(settings), cache_dir=None, mirrors=())
        files = download_dataset(dataset, folder, options, console, name=name)
    answer = {"name": name, "folder": folder, "files": len(files)}
    print_result(args.format, answer, folder)
    return 0


def _facts(dataset: CocoDataset) -> Json:
    people = [person for image in dataset.images for person in image.people]
    unlabelled = [each for each in people if not each.num_keypoints and not each.is_crowd]
    labelled = {}
    for joint, name in enumerate(dataset.keypoints):
        labelled[name] = sum(bool(person.keypoints[joint, 2]) for person in people)
    return {
        **project(dataset, "name annotations images=folder"),
        "pictures": len(dataset.images),
        "with_people": sum(bool(picture.people) for picture in dataset.images),
        "people": dataset.person_count(keypoints=bool(dataset.keypoints)),
        "without_keypoints": len(unlabelled) if dataset.keypoints else 0,
        "crowds": sum(person.is_crowd for person in people),
        "labelled": labelled,
        "missing": [picture.file_name for picture in dataset.missing_images()],
        "licenses": list(_count_licenses(dataset)),
    }


def _count_licenses(dataset: CocoDataset) -> Iterator[dict[str, object]]:
    counts = Counter(picture.license for picture in dataset.images)
    for terms, count in counts.most_common():
        name = terms.name if terms else ""
        yield {"name": name, "url": terms.url if terms else "", "pictures": count}
