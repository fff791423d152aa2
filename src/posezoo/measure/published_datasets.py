"""Published data sets for evaluation: each is downloaded on request, after its terms were shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.declarations.sources import HttpSource
from posezoo.core.download.archive import unpack_archive
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.file_download import download_file
from posezoo.core.download.made_files import Listing
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import ArchiveError
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.manifest import read_manifest
from posezoo.core.layout import require_inside
from posezoo.core.values import frozen


@frozen
class DatasetArchive:
    """A zip file of a data set."""

    file: SourceFile
    members: str  # the prefix of the members to unpack


@frozen
class PublishedDataset:
    """A published data set."""

    archives: tuple[DatasetArchive, ...]
    terms: tuple[str, ...]  # the terms of use, as lines

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
DATASETS: Mapping[str, PublishedDataset] = {
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
            "Photos: their copyright is not the consortium's. Each has the license that the"
            " annotations",
            "name for it, some of which allow no commercial use or no changes; Flickr's terms"
            " apply.",
            "In full: https://cocodataset.org/#termsofuse",
        ),
    )
}


def download_dataset(
    dataset: PublishedDataset,
    folder: Path,
    download_options: DownloadOptions,
    listener: Listener = ignore_event,
    *,
    name: str = "",
) -> tuple[Path, ...]:
    """Download and unpack a data set into a folder; existing files are kept, interrupted downloads
    resumed.

    An archive is removed after it is unpacked, which the manifest says.
    """
    files: list[Path] = []
    with DownloadContext(name, download_options, listener, roots=[folder]) as context:
        for archive in dataset.archives:
            files += _unpack(archive, folder, context)
            with suppress(OSError):
                (folder / archive.file.name).unlink()
    return tuple(files)


def _unpack(archive: DatasetArchive, folder: Path, context: DownloadContext) -> Iterable[Path]:
    """Download and unpack an archive, unless none of its files was removed or changed since."""
    path = folder / archive.file.name
    digest = archive.file.checksum
    name_of_digest = f"{digest.algorithm}:{digest.value}" if digest else ""
    listing = Listing(folder, archive.file.name, {"archive": name_of_digest})
    if listing.is_up_to_date():
        return [folder / name for name in listing.list_members(read_manifest(folder))]
    require_inside(folder / archive.members / "file", [folder])
    download_file(archive.file, path, context)

    def place(member: str) -> Path | None:
        return folder / member if member.startswith(archive.members) else None

    unpacked = unpack_archive(path, "zip", place, listing=listing, listener=context.emit)
    if not unpacked:
        raise ArchiveError(f"{path.name}: contains nothing below {archive.members}")
    return unpacked
