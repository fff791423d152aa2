"""What files declare is kept until they change, and a kept file is never trusted with more than values."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from fakes.zoo import model_yml, write_model
from posezoo import parsed_files
from posezoo.parsed_files import read_parsed
from posezoo.registry import Registry
from posezoo.spec.model import Digest, License

MODULES = ("posezoo.spec.model",)
DECLARED = License(spdx="MIT", text="MIT.txt")


@pytest.fixture
def cache(monkeypatch) -> Path:
    """The folder of kept values; files count as settled at once."""
    monkeypatch.setattr(parsed_files, "_SETTLED_NS", -1)
    folder = Path(os.environ["HOME"], ".cache", "posezoo")
    folder.mkdir(parents=True)
    return folder / "parsed"


class Reader:
    """Reads a file, and counts how often."""

    def __init__(self, path: Path, value: object = DECLARED) -> None:
        self.path = path
        self.value = value
        self.times = 0
        path.write_text("a: 1\n")

    def read(self, beside: tuple[Path, ...] = ()) -> object:
        """As another process does, which remembers nothing."""
        parsed_files._read_before.clear()
        return read_parsed(self.path, self._parse, MODULES, beside)

    def _parse(self) -> object:
        self.times += 1
        return self.value


@pytest.fixture
def reader(tmp_path) -> Reader:
    return Reader(tmp_path / "model.yml")


def test_an_unchanged_file_is_not_parsed_again(cache, reader):
    assert reader.read() == reader.read() == DECLARED
    assert reader.times == 1


def test_a_file_of_the_same_size_and_time_is_parsed_again_if_it_was_changed(cache, reader):
    reader.read()
    status = reader.path.stat()
    reader.path.write_text("a: 2\n")
    os.utime(reader.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    reader.read()
    assert reader.times == 2


def test_a_file_beside_it_that_appears_counts_as_a_change(cache, reader, tmp_path):
    beside = (tmp_path / "pre-convert.py",)
    reader.read(beside)
    beside[0].touch()
    reader.read(beside)
    assert reader.times == 2


def test_a_file_that_changed_a_moment_ago_is_not_kept(cache, reader, monkeypatch):
    monkeypatch.setattr(parsed_files, "_SETTLED_NS", 10**12)
    reader.read()
    reader.read()
    assert reader.times == 2
    assert not cache.exists()


def test_other_code_parses_again(cache, reader, monkeypatch):
    reader.read()
    monkeypatch.setattr(parsed_files, "_code_state", lambda: 1)
    reader.read()
    assert reader.times == 2


def test_nothing_is_written_for_a_user_without_a_cache_folder(cache, reader, monkeypatch):
    opened = []
    monkeypatch.setattr(parsed_files, "open", lambda *args, **_: opened.append(args), raising=False)
    cache.parent.rmdir()
    reader.read()
    assert not cache.parent.exists()
    assert opened == []


def test_only_the_user_can_read_what_is_kept(cache, reader):
    reader.read()
    (kept,) = cache.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"\x80\x05.", b"not a pickle"])
def test_a_damaged_kept_value_is_replaced(cache, reader, content):
    reader.read()
    (kept,) = cache.iterdir()
    kept.write_bytes(content)
    reader.read()
    reader.read()
    assert reader.times == 2


class Attack:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, function: object, path: Path) -> None:
        self.call = (function, (path,))

    def __reduce__(self) -> object:
        return self.call


@pytest.mark.parametrize("function", [os.mkdir, Path.touch, Digest.__new__])
def test_a_kept_value_that_calls_a_function_is_not_loaded(cache, reader, tmp_path, function):
    reader.read()
    (kept,) = cache.iterdir()
    key = kept.read_bytes()[: -len(pickle.dumps(DECLARED))]
    kept.write_bytes(key + pickle.dumps(Attack(function, tmp_path / "made")))
    assert reader.read() == DECLARED
    assert not (tmp_path / "made").exists()


def test_a_value_of_another_class_is_not_kept(cache, tmp_path):
    reader = Reader(tmp_path / "model.yml", value={1, complex(2)})
    reader.read()
    assert not cache.exists()


def test_a_folder_that_cannot_be_written_costs_only_time(cache, reader):
    cache.write_text("a file is in the way")
    assert reader.read() == DECLARED


def test_the_models_of_a_kept_registry_are_the_same(cache, tmp_path):
    write_model(tmp_path, "pose", model_yml())
    read = Registry([tmp_path]).select()
    (kept,) = cache.iterdir()
    parsed_files._read_before.clear()
    assert Registry([tmp_path]).select() == read
    assert b"posezoo.spec.model" in kept.read_bytes()


def test_a_name_that_becomes_ambiguous_is_noticed_though_its_model_is_kept(cache, tmp_path):
    write_model(tmp_path, "pose", model_yml())
    Registry([tmp_path]).select()
    write_model(tmp_path, "pose", model_yml(), family="intel")
    assert "is also used by" in str(Registry([tmp_path]).select().problems)
