import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from core.convert.test_conversion import tiny
from fakes.conversion import convert_model
from fakes.files import give_away
from fakes.waiting import wait_until
from posezoo.core.errors import OutputError
from posezoo.core.files import staging
from posezoo.core.files.staging import (
    MARK,
    PREFIX,
    remove_stale_staging_dirs,
    staging_dir,
)

pytest.importorskip("fcntl", reason="needs folders that can be locked")

WORK_UNTIL_TOLD = """
import sys
from pathlib import Path
from posezoo.core.files.staging import staging_dir
with staging_dir(Path(sys.argv[1])) as folder:
    (folder / "half.xml").write_text("half")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_the_folder_of_a_running_conversion_is_left_alone_and_that_of_a_killed_one_removed(
    tmp_path,
):
    spec, layout = tiny(tmp_path)
    command = [sys.executable, "-c", WORK_UNTIL_TOLD, str(layout.model_dir(spec))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        folder = Path(other.stdout.readline().strip())
        os.utime(folder, (0, 0))  # however old it looks
        convert_model(spec, layout, self_check=False)
        assert (folder / "half.xml").exists()
        other.kill()
    convert_model(spec, layout, self_check=False)
    assert not folder.exists()


@pytest.mark.parametrize("removed", range(4))
def test_a_folder_whose_removal_was_killed_is_removed_later(tmp_path, monkeypatch, removed):
    unlink = Path.unlink
    left = [True] * removed

    def unlink_until_killed(path, **flags):
        if not left:
            raise OSError
        left.pop()
        unlink(path, **flags)

    with monkeypatch.context() as patch, staging_dir(tmp_path) as folder:
        (folder / "FP16" / "deep").mkdir(parents=True)
        for name in ("a.xml", "FP16/b.xml", "FP16/deep/c.xml"):
            (folder / name).touch()
        patch.setattr(Path, "unlink", unlink_until_killed)
    assert folder.exists()
    remove_stale_staging_dirs(tmp_path)
    assert not folder.exists()


@pytest.mark.parametrize("is_renewed", [True, False])
def test_without_locks_a_folder_in_use_is_kept_however_old_it_looked(
    tmp_path, monkeypatch, is_renewed
):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(staging, "_RENEWED_EACH_S", 0.01 if is_renewed else 1000)
    with staging_dir(tmp_path) as folder:
        (folder / "video.mp4").write_text("half")
        old = (0, 0) if is_renewed else (time.time(), time.time())
        os.utime(folder / "video.mp4", old)  # where nobody renews, what is written decides
        os.utime(folder / MARK, (0, 0))
        os.utime(folder, (0, 0))
        wait_until(lambda: not is_renewed or folder.stat().st_mtime > 0)
        remove_stale_staging_dirs(tmp_path)
        assert (folder / "video.mp4").exists()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_another_user_stays_however_old_it_is(tmp_path):
    for name in ("mine", "theirs"):
        (tmp_path / f"{PREFIX}{name}").mkdir()
        os.utime(tmp_path / f"{PREFIX}{name}", (0, 0))
    give_away(tmp_path / f"{PREFIX}theirs")
    remove_stale_staging_dirs(tmp_path)
    assert [folder.name for folder in tmp_path.iterdir()] == [f"{PREFIX}theirs"]


def test_a_new_folder_that_another_process_removes_at_once_is_made_again(tmp_path, monkeypatch):
    make = tempfile.mkdtemp
    made = []

    def make_and_lose_the_first(**where):
        made.append(make(**where))
        if len(made) == 1:
            remove_stale_staging_dirs(tmp_path)
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", make_and_lose_the_first)
    with staging_dir(tmp_path) as folder:
        assert [str(folder)] == made[1:]


def test_a_folder_of_the_user_and_a_link_stay(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows, where links are followed
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / MARK).touch()
    (tmp_path / f"{PREFIX}mine").mkdir()
    (tmp_path / f"{PREFIX}mine" / "notes").write_text("mine")
    (tmp_path / f"{PREFIX}aaaaaaaa").symlink_to(tmp_path / "docs")
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    remove_stale_staging_dirs(tmp_path)
    assert (tmp_path / f"{PREFIX}mine" / "notes").exists()
    assert (tmp_path / "docs" / MARK).exists()


def test_a_folder_that_cannot_be_made_is_reported_in_one_line(tmp_path):
    (tmp_path / "irs").write_text("a file where a folder should be")
    with (
        pytest.raises(OutputError, match=r"irs/public: cannot be written to: ") as caught,
        staging_dir(tmp_path / "irs" / "public"),
    ):
        raise AssertionError("there is nothing to work in")
    assert caught.value.hint == "move away the file that stands where a folder is needed"


@pytest.mark.parametrize("is_stale", [False, True])
def test_folders_of_any_depth_and_permissions_are_removed_and_links_are_not_followed(
    tmp_path, is_stale
):
    outside, parent = tmp_path / "outside", tmp_path / "parent"
    (outside / "inner").mkdir(parents=True)
    (outside / "inner" / "file").write_text("mine")
    outside.chmod(0o755)

    def fill(folder):
        closed = folder / "made" / "closed" / "inner"
        closed.mkdir(parents=True)
        (closed / "file").write_text("x")
        (folder / "made" / "link").symlink_to(outside)
        (closed / "link").symlink_to(outside)
        for path in (closed / "file", closed, closed.parent):
            path.chmod(0)
        # A path of 3000 folders is too long for the system: each one is moved into the next.
        deep = folder / "made" / "0"
        deep.mkdir()
        for number in range(1, 3000):
            above = folder / "made" / str(number)
            above.mkdir()
            deep.rename(above / "d")
            deep = above

    if is_stale:
        parent.mkdir()
        stale = parent / f"{PREFIX}stale"
        stale.mkdir()
        (stale / MARK).touch()
        fill(stale)
        remove_stale_staging_dirs(parent)
    else:
        with staging_dir(parent) as folder:
            fill(folder)
    assert list(parent.iterdir()) == []
    assert (outside / "inner" / "file").read_text() == "mine"
    assert outside.stat().st_mode & 0o777 == 0o755
