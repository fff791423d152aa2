"""coco-val2017 with a few photos, at COCO's address, for processes that a test starts.

``python -m fakes.small_coco FOLDER VERB ...`` runs posezoo, which expects the archives in the folder.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from posezoo.cli.main import main
from posezoo.core.declarations.model import SourceFile
from posezoo.core.declarations.sources import HttpSource
from posezoo.core.files.verified_files import compute_digest
from posezoo.measure import published_datasets
from posezoo.measure.published_datasets import DatasetArchive, PublishedDataset
from posezoo.measure.verbs.dataset_flags import ANNOTATIONS, IMAGES

HOST = "s3.amazonaws.com"
#: The archives, and what is unpacked of each.
MEMBERS = {"annotations.zip": "annotations/", "val2017.zip": "val2017/"}


def write_archives(folder: Path, photos: Path, count: int) -> Mapping[str, bytes]:
    """Write the archives of the first annotated photos; their content by name."""
    annotated = json.loads((photos / "person_keypoints.json").read_text("utf-8"))
    images = annotated["images"][:count]
    known = {image["id"] for image in images}
    people = [each for each in annotated["annotations"] if each["image_id"] in known]
    text = json.dumps({**annotated, "images": images, "annotations": people})
    with zipfile.ZipFile(folder / "annotations.zip", "w") as archive:
        archive.writestr(ANNOTATIONS.as_posix(), text)
    with zipfile.ZipFile(folder / "val2017.zip", "w") as archive:
        for image in images:
            name = image["file_name"]
            archive.writestr((IMAGES / name).as_posix(), (photos / name).read_bytes())
    return {name: (folder / name).read_bytes() for name in MEMBERS}


def _published(folder: Path) -> PublishedDataset:
    archives = []
    for name, members in MEMBERS.items():
        path = folder / name
        source = HttpSource(f"https://{HOST}/coco/{name}")
        size = path.stat().st_size
        file = SourceFile(name, size, compute_digest(path, "sha256"), (source,))
        archives.append(DatasetArchive(file, members))
    return PublishedDataset(tuple(archives), ("the terms of COCO",))


if __name__ == "__main__":
    dataset = _published(Path(sys.argv.pop(1)))
    published_datasets.DATASETS = {"coco-val2017": dataset}
    sys.exit(main())
