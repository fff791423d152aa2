"""Data sets for evaluation: they are downloaded only on request, after their terms were shown."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from posezoo.download.archive import unpack_archive
from posezoo.download.context import DownloadContext, Sleep
from posezoo.download.file_download import download_file
from posezoo.download.options import DownloadOptions
from posezoo.download.source_types import list_candidates
from posezoo.errors import ArchiveError
from posezoo.events import Listener, ignore_event
from posezoo.files.postprocess_state import PostprocessRecord
from posezoo.spec.model import Digest, HttpSource, SourceFile


@dataclass(frozen=True, slots=True)
class DatasetArchive:
    """A zip file of a data set.

    Attributes:
        file: its declaration.
        members: the prefix of the members to unpack.
    """

    file: SourceFile
    members: str


@dataclass(frozen=True, slots=True)
class PublishedDataset:
    """A published data set.

    Attributes:
        archives: the files to download.
        terms: the terms of use, as lines.
    """

    archives: tuple[DatasetArchive, ...]
    terms: tuple[str, ...]

    @property
    def size(self) -> int:
        """The size of the download in bytes."""
        return sum(archive.file.size or 0 for archive in self.archives)


def _coco(name: str, size: int, sha256: str, members: str) -> DatasetArchive:
    # The S3 bucket supports https; the project's own host has no certificate.
    hosts = ("https://s3.amazonaws.com/images.cocodataset.org", "http://images.cocodataset.org")
    file = SourceFile(
        name.split("/")[-1],
        size,
        Digest("sha256", sha256),
        tuple(HttpSource(f"{host}/{name}") for host in hosts),
    )
    return DatasetArchive(file, members)


#: COCO publishes no checksums: these are the same in several projects that have the archives.
DATASETS: Mapping[str, PublishedDataset] = MappingProxyType(
    {
        "coco-val2017": PublishedDataset(
            archives=(
                _coco(
                    "annotations/annotations_trainval2017.zip",
                    252907541,
                    "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
                    "annotations/person_keypoints_val2017.json",
                ),
                _coco(
                    "zips/val2017.zip",
                    815585330,
                    "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
                    "val2017/",
                ),
            ),
            terms=(
                "COCO val2017: 5000 photos from Flickr, annotated by the COCO Consortium.",
                "Annotations: Creative Commons Attribution 4.0.",
                "Photos: their copyright is not the consortium's. Each has the license that the annotations",
                "name for it, some of which allow no commercial use or no changes; Flickr's terms hold.",
                "In full: https://cocodataset.org/#termsofuse",
            ),
        ),
    }
)


def download_dataset(
    dataset: PublishedDataset,
    folder: Path,
    download_options: DownloadOptions,
    listener: Listener = ignore_event,
    *,
    name: str = "",
    sleep: Sleep = time.sleep,
) -> tuple[Path, ...]:
    """Download a data set to a folder; existing files are kept, interrupted downloads are resumed.

    An archive is removed after it is unpacked; its record says that it is not needed again.

    Args:
        folder: the folder to unpack the archives into.
        download_options: attempts and time limits; caches and mirrors are for models.
        name: the name in events.
        sleep: waits between attempts; its argument is in seconds.

    Raises:
        DownloadError: an archive cannot be downloaded, or is not the expected one.
        ArchiveError: an archive cannot be unpacked.
        OutputError: a file cannot be written.
    """
    files: list[Path] = []
    with DownloadContext(name, download_options, listener, base=folder, sleep=sleep) as context:
        for archive in dataset.archives:
            path, digest = folder / archive.file.name, archive.file.checksum
            name_of_digest = f"{digest.algorithm}:{digest.value}" if digest is not None else ""
            record = PostprocessRecord(path, {"archive": name_of_digest})
            old_record = PostprocessRecord(path, {"archive": str(digest)})  # the format of earlier versions
            for present in (record, old_record):
                if present.is_up_to_date():  # unpacked before, and no file was removed or changed
                    unpacked = list(present.outputs())
                    break
            else:
                download_file(archive.file, path, list_candidates(archive.file, context), context)
                unpacked = unpack_archive(path, "zip", partial(_place, folder, archive.members))
                if not unpacked:
                    raise ArchiveError(f"{path.name}: holds nothing below {archive.members}")
                record.write(unpacked, sizes_only=True)
            with suppress(OSError):
                path.unlink()
            files += unpacked
    return tuple(files)


def _place(folder: Path, members: str, member: str) -> Path | None:
    return folder / member if member.startswith(members) else None
