"""The folder of an export: complete files, earlier ones kept, files of others never touched."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes.command import read_json
from fakes.exports import files_below
from fakes.small_disk import small_disk
from posezoo.core.errors import OutputError
from posezoo.export import export_writer
from posezoo.export.export_writer import MANIFEST, write_export
from posezoo.export.target_type import ExportFile


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "source.bin"
    path.write_bytes(b"weights")
    return path


def write(folder, files, **options):
    """Write files from their bytes or paths by name."""
    return write_export(
        folder,
        lambda _present: [ExportFile(name, content) for name, content in files.items()],
        **options,
    )


def test_files_are_copies_that_can_be_changed_without_changing_the_ir(out, weights):
    write(out, {"net.bin": weights})
    (out / "net.bin").write_bytes(b"changed in place")
    assert weights.read_bytes() == b"weights"


def test_a_second_export_writes_only_what_changed(out):
    folder = out
    write(folder, {"a": b"a", "b": b"b"})
    before = (folder / "a").stat().st_mtime_ns, (folder / MANIFEST).stat().st_mtime_ns
    assert write(folder, {"a": b"a", "b": b"b"}).unchanged == ("a", "b")
    assert ((folder / "a").stat().st_mtime_ns, (folder / MANIFEST).stat().st_mtime_ns) == before
    changes = write(folder, {"a": b"a", "b": b"new"})
    assert (changes.changed, changes.unchanged) == (("b",), ("a",))
    assert (folder / "a").stat().st_mtime_ns == before[0]


@pytest.mark.parametrize("existing", ["file", "folder", "dangling link"])
def test_what_no_export_wrote_is_never_replaced(tmp_path, existing):
    path = tmp_path / "config.json"
    if existing == "file":
        path.write_text("mine")
    elif existing == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(OutputError, match=r"config.json: was not written by an export"):
        write(tmp_path, {"a": b"a", "config.json": b"{}"})
    assert [each.name for each in tmp_path.iterdir()] == ["config.json"]


def test_a_file_that_the_user_changed_is_not_replaced_by_new_content(tmp_path):
    write(tmp_path, {"config.json": b"{}"})
    (tmp_path / "config.json").write_text("mine")
    with pytest.raises(OutputError, match="was changed since it was exported"):
        write(tmp_path, {"config.json": b"{new}"})
    assert (tmp_path / "config.json").read_text() == "mine"


def test_weights_that_changed_in_the_export_are_an_error(out, weights):
    write(out, {"net.bin": weights})
    (out / "net.bin").write_bytes(b"damaged")
    with pytest.raises(OutputError, match=r"net.bin: was changed since it was exported"):
        write(out, {"net.bin": weights})


def test_a_file_with_the_right_bytes_is_accepted_whoever_wrote_it(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    assert write(tmp_path, {"a": b"a"}).unchanged == ("a",)


def test_a_version_that_no_export_wrote_is_refused(tmp_path):
    write(tmp_path, {"net/1/net.xml": b"x"}, versioned=["net"])
    # The user may add to our versions.
    (tmp_path / "net" / "1" / "mapping_config.json").write_text("{}")
    assert write(tmp_path, {"net/1/net.xml": b"x"}, versioned=["net"]).unchanged == (
        "net/1/net.xml",
    )
    shutil.rmtree(tmp_path / "net" / "1")
    other = tmp_path / "net" / "2" / "other.xml"
    other.parent.mkdir(parents=True)
    other.write_text("<net/>")
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(OutputError, match=r"net/2: this version is not from an export") as refusal:
        write(tmp_path, {"net/1/net.xml": b"x"}, versioned=["net"])
    assert "choose another folder" in refusal.value.hint
    assert files_below(tmp_path) == {"net/2/other.xml": b"<net/>"}


def test_a_new_version_appears_by_one_rename(out, weights, monkeypatch):
    write(out, {"net/1/net.bin": weights})
    moved, replace = [], os.replace
    monkeypatch.setattr(
        export_writer.os, "replace", lambda *paths: moved.append(paths[1]) or replace(*paths)
    )
    write(out, {"net/2/net.bin": weights, "net/2/net.xml": b"<net/>"})
    assert [path.relative_to(out).as_posix() for path in moved if MANIFEST not in path.name] == [
        "net/2"
    ]


@pytest.fixture
def disk_of_64_kb(tmp_path):
    with small_disk(tmp_path / "disk", "64k") as disk:
        yield disk


def test_a_full_disk_leaves_nothing_half_written(disk_of_64_kb, tmp_path):
    write(disk_of_64_kb, {"config.json": b"{}"})
    before = files_below(disk_of_64_kb)
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(200_000))
    with pytest.raises(
        OutputError, match=r"net/1/net.bin: cannot be written: No space left on device"
    ) as error:
        write(disk_of_64_kb, {"config.json": b"{new}", "net/1/net.bin": large})
    assert "free some space" in error.value.hint
    assert files_below(disk_of_64_kb) == before
    assert sorted(path.name for path in disk_of_64_kb.iterdir()) == ["config.json", MANIFEST]


def test_exports_at_the_same_time_know_each_others_files(tmp_path):
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda number: write(tmp_path, {f"net{number}/net.xml": b"x"}), range(8)))
    assert len(read_json(tmp_path / MANIFEST)["files"]) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"net{number}" for number in range(8)),
        MANIFEST,
    ]


def test_a_source_that_changes_while_it_is_copied_is_noticed(out, weights, monkeypatch):
    copy = shutil.copyfile
    monkeypatch.setattr(
        export_writer.shutil,
        "copyfile",
        lambda source, part: (source.write_bytes(b"new"), copy(source, part))[1],
    )
    with pytest.raises(OutputError, match="its bytes changed while it was written"):
        write(out, {"net.bin": weights})
    assert list(out.iterdir()) == []
