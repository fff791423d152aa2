"""A data set comes in large archives over connections that break, and is unpacked once."""

import numpy as np
import pytest

from fakes.files import declared, zipped
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import ArchiveError
from posezoo.core.events import WarningIssued
from posezoo.measure.published_datasets import (
    DATASETS,
    DatasetArchive,
    PublishedDataset,
    download_dataset,
)

NOISE = np.random.default_rng(1).bytes(50_000)


PHOTOS = zipped({"val/": b"", "val/1.jpg": NOISE, "val/2.jpg": NOISE[::-1]})
TRUTH = zipped({"annotations/train.json": b"[1]", "annotations/val.json": b"[2]"})


def dataset(*archives):
    """Of name, content, wanted members and addresses."""
    return PublishedDataset(
        tuple(
            DatasetArchive(declared(name, content, *urls), members)
            for name, content, members, urls in archives
        ),
        ("terms",),
    )


class Get:
    def __init__(self, folder):
        self.folder, self.told = folder, []

    def __call__(self, dataset, attempts=3):
        download_options = DownloadOptions(
            None, attempts=attempts, timeout_s=5, sleep=lambda s: None
        )
        return download_dataset(dataset, self.folder, download_options, self.told.append)

    @property
    def warnings(self):
        return "\n".join(event.message for event in self.told if isinstance(event, WarningIssued))


@pytest.fixture
def get(tmp_path):
    return Get(tmp_path / "set")


def test_only_the_needed_members_are_unpacked_and_the_archives_are_removed(server, get):
    url, other = server.serve("truth.zip", TRUTH), server.serve("val.zip", PHOTOS)
    files = get(
        dataset(
            ("truth.zip", TRUTH, "annotations/val.json", [url]),
            ("val.zip", PHOTOS, "val/", [other]),
        )
    )
    assert sorted(path.relative_to(get.folder).as_posix() for path in files) == [
        "annotations/val.json",
        "val/1.jpg",
        "val/2.jpg",
    ]
    assert (get.folder / "val" / "1.jpg").read_bytes() == NOISE
    assert not list(get.folder.rglob("*.zip*part")) + list(get.folder.glob("*.zip"))


def test_what_is_there_does_not_come_again_and_what_is_gone_does(server, get):
    requested = dataset(("val.zip", PHOTOS, "val/", [server.serve("val.zip", PHOTOS)]))
    get(requested)
    get(requested)
    assert server.asked("val.zip") == 1
    (get.folder / "val" / "2.jpg").unlink()
    get(requested)
    assert server.asked("val.zip") == 2
    assert (get.folder / "val" / "2.jpg").exists()


def test_an_archive_without_what_is_wanted_is_said(server, get):
    with pytest.raises(ArchiveError, match="contains nothing below test/"):
        get(dataset(("val.zip", PHOTOS, "test/", [server.serve("val.zip", PHOTOS)])))


def test_every_data_set_that_we_name_is_pinned_and_states_its_terms():
    for each in DATASETS.values():
        assert each.terms
        for archive in each.archives:
            assert archive.file.is_pinned
            assert not archive.file.is_weakly_pinned
            assert str(archive.file.sources[0]).startswith("https://")
