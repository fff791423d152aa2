from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convert.test_conversion import tiny
from fakes.conversion import convert_model
from posezoo.errors import OutputError
from posezoo.files.staging import ABANDONED_AFTER_S, PREFIX, staging_dir

pytest.importorskip("fcntl", reason="needs folders that can be locked")

WORK_UNTIL_TOLD = """
import sys
from pathlib import Path
from posezoo.files.staging import staging_dir
with staging_dir(Path(sys.argv[1])) as folder:
    (folder / "half.xml").write_text("half")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_the_folder_of_a_running_conversion_is_left_alone_and_that_of_a_killed_one_removed(tmp_path):
    spec, layout = tiny(tmp_path)
    command = [sys.executable, "-c", WORK_UNTIL_TOLD, str(layout.model_dir(spec))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        folder = Path(other.stdout.readline().strip())
        os.utime(folder, (0, 0))  # however old it looks
        convert_model(spec, layout)
        assert (folder / "half.xml").exists()
        other.kill()
    convert_model(spec, layout)
    assert not folder.exists()


def test_a_folder_is_gone_after_a_failure_too(tmp_path):
    with pytest.raises(ZeroDivisionError), staging_dir(tmp_path) as folder:
        (folder / "half.xml").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_where_folders_cannot_be_locked_only_an_old_one_is_removed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows
    spec, layout = tiny(tmp_path)
    folder = layout.model_dir(spec) / f"{PREFIX}other"
    folder.mkdir()
    convert_model(spec, layout)
    assert folder.is_dir()
    long_ago = folder.stat().st_mtime - ABANDONED_AFTER_S - 1
    os.utime(folder, (long_ago, long_ago))
    convert_model(spec, layout)
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_reported_in_one_line(tmp_path):
    (tmp_path / "irs").write_text("a file where a folder should be")
    with (
        pytest.raises(OutputError, match=r"irs/public: cannot be written to: "),
        staging_dir(tmp_path / "irs" / "public"),
    ):
        raise AssertionError("there is nothing to work in")
