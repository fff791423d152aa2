"""What each of many files costs: one sync, and no second look at what was found once."""

import os
from collections import Counter
from hashlib import sha384
from pathlib import Path

import pytest

from fakes.command import assert_success, posezoo
from fakes.counted_run import count_run
from fakes.zoo import model_yml, published_file, write_model

NAMES = tuple(f"{number}.bin" for number in range(5))
BODIES = {name: name.encode() * 1000 for name in NAMES}

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="asks /proc which file a descriptor is of"
)


@pytest.fixture
def words(tmp_path, server):
    """The command that downloads the five files of a model."""
    files = [published_file(name, body, server.serve(name, body)) for name, body in BODIES.items()]
    write_model(tmp_path / "models", "net", model_yml(files=files))
    folders = {"models_dir": "models", "weights_dir": "out", "cache_dir": "cache"}
    places = [word for flag, name in folders.items() for word in (f"--{flag}", tmp_path / name)]
    return ["download", "net", *places]


@pytest.fixture
def steps(monkeypatch):
    """How often each kind of file is synced, and gets its name."""
    seen = Counter()
    fsync, rename = os.fsync, os.replace

    def count_sync(handle):
        path = Path(f"/proc/self/fd/{handle}").readlink()
        seen["synced folders" if path.is_dir() else "synced files"] += 1
        fsync(handle)

    def count_rename(old, new):
        seen["written manifests"] += Path(new).name == "provenance.json"
        rename(old, new)

    monkeypatch.setattr(os, "fsync", count_sync)
    monkeypatch.setattr(os, "replace", count_rename)
    return seen


@needs_proc
def test_each_file_is_synced_once_and_the_manifest_written_before_and_after_all(
    words, steps, tmp_path
):
    ended = posezoo(*words)
    assert_success(ended)
    assert steps == {"synced files": 5, "synced folders": 1, "written manifests": 2}
    for name, body in BODIES.items():
        path = tmp_path / "out" / "public" / "net" / name
        digest = sha384(body).hexdigest()
        assert path.read_bytes() == body
        assert (tmp_path / "cache" / "1" / digest[:2] / digest[2:]).read_bytes() == body


@needs_proc
def test_files_from_the_cache_are_written_the_same_way(words, steps, server, tmp_path):
    assert_success(posezoo(*words))
    (tmp_path / "out").rename(tmp_path / "moved")
    server.requests.clear()
    steps.clear()
    assert_success(posezoo(*words))
    assert server.requests == []
    assert steps == {"synced files": 5, "synced folders": 1, "written manifests": 2}


def test_a_second_download_reads_each_file_once_and_writes_nothing(words, tmp_path):
    assert_success(posezoo(*words))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    run = count_run(*map(str, words))
    opened = {Path(path): times for path, times in run.opens.items()}
    read = {
        path.name: times for path, times in opened.items() if path.is_relative_to(tmp_path / "out")
    }
    assert read == {**dict.fromkeys(NAMES, 1), "provenance.json": 1}
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
