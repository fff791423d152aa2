from __future__ import annotations

import os
from pathlib import Path

import pytest

from posezoo.core.errors import OutputError
from posezoo.core.user_folders import StorePath, find_user_folder, show_addresses


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_working_copy_of_a_path_in_a_store_is_a_plain_path_in_the_cache(home):
    folder = StorePath("s3://zoo/models").working_copy
    assert type(folder) is type(Path())
    assert folder == find_user_folder("cache") / "stores/s3/zoo/models"
    assert StorePath.of(folder / "net" / "net.xml") == StorePath("s3://zoo/models/net/net.xml")


@pytest.mark.parametrize("path", ["/local/net.xml", "net.xml", ".cache/posezoo/stores"])
def test_a_path_elsewhere_is_no_working_copy(home, path):
    assert StorePath.of(Path(path)) is None
    assert StorePath.of(find_user_folder("cache") / "stores") is None


def test_texts_show_addresses_instead_of_working_copies(home):
    xml = StorePath("sftp://ann@host:2222/zoo").working_copy / "net.xml"
    shown = "sftp://ann@host:2222/zoo/net.xml"
    assert show_addresses(f"{xml}: missing, like {xml} and /a") == (
        f"{shown}: missing, like {shown} and /a"
    )
    error = OutputError(f"{xml}: cannot be written", hint=f"remove {xml}")
    assert (error.problem, error.hint) == (f"{shown}: cannot be written", f"remove {shown}")


def test_a_user_without_a_home_folder_has_no_working_copies(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(Path, "home", _without_home)
    assert StorePath.of(Path("/a")) is None
    assert show_addresses("/a: missing") == "/a: missing"
    with pytest.raises(RuntimeError):
        find_user_folder("cache")


def _without_home() -> Path:
    raise RuntimeError("no home")


def test_what_is_measured_lies_in_the_folder_for_data(home, monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert find_user_folder("data") == Path(os.environ["HOME"]) / ".local" / "share" / "posezoo"
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert find_user_folder("data") == Path("/srv/data/posezoo")
