import os
from pathlib import Path

import pytest

from posezoo.core.errors import SettingsError
from posezoo.core.files.result_files import _is_in_cache
from posezoo.core.settings import user_folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_user_without_a_home_folder_has_no_folders(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(Path, "home", _without_home)
    assert not _is_in_cache(Path("/a"))
    with pytest.raises(SettingsError):
        user_folder("cache")


def _without_home():
    raise RuntimeError("no home")


def test_what_is_measured_lies_in_the_folder_for_data(home, monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert user_folder("data") == Path(os.environ["HOME"]) / ".local" / "share" / "posezoo"
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert user_folder("data") == Path("/srv/data/posezoo")
