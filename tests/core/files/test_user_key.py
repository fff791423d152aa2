"""One key of the user, which every process on the machine finds."""

import stat
import subprocess
import sys

import pytest

from fakes.waiting import HANG_S
from posezoo.core.files.user_key import user_key

SHOW = "from posezoo.core.files.user_key import user_key; print(user_key().hex())"


@pytest.fixture
def key_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "posezoo" / "records.key"


def start():
    return subprocess.Popen([sys.executable, "-c", SHOW], stdout=subprocess.PIPE)


def shown(process):
    said, _ = process.communicate(timeout=HANG_S)
    assert process.returncode == 0
    return bytes.fromhex(said.decode())


def test_processes_that_start_at_once_have_one_key(key_file):
    keys = {shown(process) for process in [start() for _ in range(4)]}
    assert keys == {key_file.read_bytes()}
    assert [path.name for path in key_file.parent.iterdir()] == ["records.key"]


def test_only_the_user_can_read_it(key_file):
    assert user_key() == key_file.read_bytes()
    assert sys.platform == "win32" or stat.S_IMODE(key_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_damaged_key_is_made_again(key_file, content):
    key_file.parent.mkdir()
    key_file.write_bytes(content)
    assert user_key() == key_file.read_bytes() != content


def test_where_it_cannot_be_kept_the_process_has_one_of_its_own(key_file):
    key_file.parent.write_bytes(b"in the way")
    assert user_key() == user_key() != shown(start())


def test_a_user_without_a_home_folder_has_one_in_each_process(monkeypatch):
    from posezoo.core.files import user_key as module
    from posezoo.core.settings import SettingsError

    def find_none(_kind):
        raise SettingsError("this user has no home folder")

    monkeypatch.setattr(module, "user_folder", find_none)
    assert len(user_key()) == 32
    assert user_key() == user_key()
