"""A file, its cache entry and a mirror are copies of each other, and a cache that fails costs no download."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from fakes.files import declared, model, put
from posezoo.core.download.digest_store import remove_stale_staging
from posezoo.core.download.model_download import download_model
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import entry_path
from posezoo.core.errors import OutputError
from posezoo.core.events import CachedFileUsed
from posezoo.core.layout import ModelLayout

WEIGHTS = bytes(range(256)) * 256


@pytest.fixture
def file(server):
    return declared("net.tflite", WEIGHTS, server.serve("net", WEIGHTS))


@pytest.fixture
def elsewhere(disk):
    """Another file system than that of the tests."""
    subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
    return disk


def kept(cache, file):
    return cache / entry_path(file.checksum)


def test_a_change_of_a_file_leaves_its_copies_in_the_cache_and_a_mirror(fetch, file, tmp_path):
    cache = tmp_path / "cache"
    mirror = put(tmp_path / "mirror", WEIGHTS, file)
    target = fetch(file, cache=cache, mirrors=(f"{tmp_path / 'mirror'}",))
    for _ in range(2):
        with open(target, "ab") as stream:
            stream.write(b"x\n")
        assert kept(cache, file).read_bytes() == mirror.read_bytes() == WEIGHTS
        assert fetch(file, cache=cache).read_bytes() == WEIGHTS


def test_across_file_systems_it_is_copied(server, file, fetch, tmp_path, elsewhere):
    fetch.folder = elsewhere
    fetch(file, cache=tmp_path / "cache").unlink()
    assert kept(tmp_path / "cache", file).read_bytes() == WEIGHTS
    assert fetch(file, cache=tmp_path / "cache").read_bytes() == WEIGHTS
    assert server.asked("net") == 1
    assert fetch.left() == ["net.tflite"]
    assert fetch.warnings == ""


def test_an_entry_that_is_a_link_to_somewhere_is_read_not_linked(file, fetch, tmp_path):
    entry_path = put(tmp_path / "cache", b"", file)
    entry_path.unlink()
    (tmp_path / "elsewhere").write_bytes(WEIGHTS)
    entry_path.symlink_to(tmp_path / "elsewhere")
    target = fetch(file, cache=tmp_path / "cache")
    assert target.read_bytes() == WEIGHTS
    assert not target.is_symlink()
    assert not target.samefile(tmp_path / "elsewhere")


def test_a_full_cache_leaves_the_file_and_one_warning(server, fetch, disk, tmp_path):
    weights = WEIGHTS * 4
    file = declared("net.tflite", weights, server.serve("n", weights))
    assert fetch(file, cache=disk / "cache").read_bytes() == weights
    assert fetch.warnings.count("the cache cannot be written: No space left on device") == 1
    assert [path for path in disk.rglob("*") if path.is_file()] == []


def test_a_full_target_leaves_the_earlier_file_and_names_the_place(server, fetch, disk, tmp_path):
    weights = WEIGHTS * 4
    file = declared("net.tflite", weights)
    put(tmp_path / "cache", weights, file)
    fetch.folder = disk
    (disk / "net.tflite").write_bytes(b"of last year")
    with pytest.raises(OutputError, match=r"net\.tflite: cannot be written: No space left"):
        fetch(file, cache=tmp_path / "cache")
    assert (disk / "net.tflite").read_bytes() == b"of last year"
    assert fetch.left() == ["net.tflite"]
    assert kept(tmp_path / "cache", file).read_bytes() == weights


def test_a_read_only_cache_gives_what_it_has(file, fetch, disk, server):
    put(disk, WEIGHTS[:1000], small := declared("small", WEIGHTS[:1000]))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert fetch(small, cache=disk).read_bytes() == WEIGHTS[:1000]
    assert fetch.warnings == ""
    assert fetch(file, cache=disk).read_bytes() == WEIGHTS
    assert "the cache cannot be written: Read-only file system" in fetch.warnings


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/nowhere/else")]
)
def test_what_is_in_the_way_in_the_cache_is_replaced_or_named(server, file, fetch, tmp_path, make):
    path = kept(tmp_path / "cache", file)
    path.parent.mkdir(parents=True)
    make(path)
    assert fetch(file, cache=tmp_path / "cache").read_bytes() == WEIGHTS
    assert path.is_file() or "the cache cannot be written: Is a directory" in fetch.warnings


def test_two_targets_and_one_cache_fetch_once(server, fetch, tmp_path):
    file = declared("net.tflite", WEIGHTS, server.serve("net", WEIGHTS, silence_s=0.3))
    events = []
    threads = []
    for name in ("a", "b", "c"):
        layout = ModelLayout(tmp_path / name, tmp_path / name)
        how = {"listener": events.append}
        args = (model(file), layout, DownloadOptions(tmp_path / "cache"))
        threads.append(threading.Thread(target=download_model, args=args, kwargs=how))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked("net") == 1
    assert sum(isinstance(event, CachedFileUsed) for event in events) == 2
    for name in ("a", "b", "c"):
        assert (tmp_path / name / "public" / "pose" / "net.tflite").read_bytes() == WEIGHTS
    assert list((tmp_path / "cache" / "1" / "staging").iterdir()) == []


def test_what_a_killed_run_left_in_the_cache_is_removed(tmp_path):
    staging = tmp_path / "1" / "staging"
    staging.mkdir(parents=True)
    names = ["a" * 96 + ".new", "b" * 96 + ".lock", "tmpabc"]  # the last one is Open Model Zoo's
    for name in names:
        (staging / name).write_bytes(b"half")
    remove_stale_staging(tmp_path)
    assert [path.name for path in staging.iterdir()] == ["tmpabc"]
