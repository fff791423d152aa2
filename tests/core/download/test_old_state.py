"""State that an earlier posezoo left on disk (tests/golden/state) is read by this one.

The samples are never changed: a new format is written beside them, and both are read.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.files import declared, model
from posezoo.core.declarations.model import Digest, ModelSpec, SourceFile, UnpackArchive
from posezoo.core.download.model_download import download_model
from posezoo.core.download.options import DownloadOptions
from posezoo.core.events import Event, FileUpToDate
from posezoo.core.ir.provenance import SHIFT, OutputCheck, read_provenance
from posezoo.core.layout import ModelLayout
from posezoo.core.lockfile.entries import format_entries, read_entries
from posezoo.measure.published_datasets import DatasetArchive, PublishedDataset, download_dataset

STATE = Path(__file__).resolve().parents[2] / "golden" / "state"
WEIGHTS = bytes(range(256)) * 16


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the model's files lie, with the folder of what is remembered of them."""
    folder = tmp_path / "public" / "pose"
    (folder / ".posezoo").mkdir(parents=True)
    return folder


def leave(name: str, folder: Path, about: Path | None = None, source: str = "") -> None:
    """Put a sample into a model's folder; times and inodes are those of the file that it is about."""
    text = (STATE / name).read_text("utf-8").replace("SOURCE", source)
    if about is not None:
        status = about.stat()
        text = text.replace("MTIME", str(status.st_mtime_ns)).replace("INODE", str(status.st_ino))
    (folder / ".posezoo" / name).write_text(text, "utf-8")


def up_to_date(spec: ModelSpec, root: Path) -> list[str]:
    """Download the model and return the names of the files that were kept."""
    told: list[Event] = []
    download_model(
        spec,
        ModelLayout(root, root),
        DownloadOptions(cache_dir=None, attempts=1),
        listener=told.append,
    )
    return [event.model_file for event in told if isinstance(event, FileUpToDate)]


def test_a_stamp_of_an_earlier_version_is_believed(folder, tmp_path):
    # Other bytes than declared: only a stamp that is believed makes the file a good one.
    (folder / "net.pth").write_bytes(bytes(len(WEIGHTS)))
    leave("net.pth.stamp", folder, folder / "net.pth")
    assert up_to_date(model(declared("net.pth", WEIGHTS)), tmp_path) == ["net.pth"]


def test_a_download_that_ended_early_is_resumed(folder, tmp_path, server):
    url = server.serve("net.pth", WEIGHTS, etag='"v1"')
    (folder / ".net.pth.part").write_bytes(WEIGHTS[:3000])
    leave("net.pth.part", folder, source=url)
    assert up_to_date(model(declared("net.pth", WEIGHTS, url)), tmp_path) == []
    assert (folder / "net.pth").read_bytes() == WEIGHTS
    (request,) = server.requests
    assert (request.headers["Range"], request.headers["If-Range"]) == ("bytes=3000-", '"v1"')


def test_where_a_file_came_from_is_recorded_after_a_kill_beside_what_was_known(folder, tmp_path):
    (folder / "net.pth").write_bytes(WEIGHTS)
    leave("net.pth.came", folder)
    (folder / "other.pth").write_bytes(b"0")
    known = (STATE / "provenance.json").read_bytes()
    (folder / "provenance.json").write_bytes(known)
    up_to_date(model(declared("net.pth", WEIGHTS), declared("other.pth", b"0")), tmp_path)
    files = json.loads((folder / "provenance.json").read_bytes())["files"]
    assert files["other.pth"] == json.loads(known)["files"]["other.pth"]
    assert files["net.pth"] == json.loads((STATE / "net.pth.came").read_bytes())
    assert not (folder / ".posezoo" / "net.pth.came").exists()


def test_an_archive_that_was_removed_after_it_was_unpacked_counts_as_here(folder, tmp_path):
    (folder / "graph.pb").write_bytes(b"graph")
    leave("net.zip.made", folder, folder / "graph.pb")
    archive = SourceFile("net.zip", 119, Digest("sha384", "ab" * 48), ())
    spec = replace(model(archive), postprocessing=(UnpackArchive("net.zip", "zip"),))
    assert up_to_date(spec, tmp_path) == ["net.zip"]


def test_an_unpacked_data_set_is_not_downloaded_again(folder):
    (folder / "val").mkdir()
    photos = [folder / "val" / "1.jpg", folder / "val" / "2.jpg"]
    photos[0].write_bytes(b"photo")
    photos[1].write_bytes(b"")
    leave("val.zip.unpacked.json", folder)
    archive = SourceFile("val.zip", 1000, Digest("sha256", "cd" * 32), ())
    dataset = PublishedDataset((DatasetArchive(archive, "val/"),), ())
    assert (
        list(download_dataset(dataset, folder, DownloadOptions(cache_dir=None, attempts=1)))
        == photos
    )


def test_a_lock_is_read_and_written_as_it_was():
    entries = read_entries(STATE / "posezoo.lock")
    assert format_entries(entries.values()) == (STATE / "posezoo.lock").read_bytes()
    assert [entry.origin for entry in entries.values()] == [
        "made",
        "registry",
        "published",
        "first_use",
    ]


def test_the_record_beside_an_ir_is_read_whole():
    record = read_provenance(STATE / "ir-provenance.json")
    assert record is not None
    assert set(record.key) == {"conversion_format", "openvino", "sources", "arguments"}
    assert record.contents[".xml"].size == record.contents[".bin"].size == 1
    assert record.checks == (OutputCheck("output", 0.0, 0.1, "LiteRT"),)
    assert record.complexity == {"gflops": 1.0, "mparams": 1.0}
    assert record.shift == dict.fromkeys(SHIFT, 1.0)
