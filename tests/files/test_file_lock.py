"""Processes and threads that change one file take turns, and nobody waits for the dead."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fakes.waiting import HANG_S
from posezoo.errors import OutputError
from posezoo.files.file_lock import exclusive

HOLD = """
import sys, time
from pathlib import Path
from posezoo.files.file_lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process whose turn it is."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "file"], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"held\n"
    yield child
    child.kill()
    child.communicate()


def test_a_turn_that_does_not_come_is_told(tmp_path, holder):
    with (
        pytest.raises(OutputError, match="file: another run keeps it locked") as caught,
        exclusive(tmp_path / "file", wait_s=0.1),
    ):
        pass
    assert caught.value.hint


def test_the_turn_of_a_process_that_was_killed_is_over(tmp_path, holder):
    holder.kill()
    holder.wait()
    with exclusive(tmp_path / "file", wait_s=HANG_S):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_here_is_not_touched(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    with exclusive(tmp_path / "file"), pytest.raises(OutputError), exclusive(tmp_path / "file", wait_s=0.02):
        pass
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_a_link_in_its_place_leads_nowhere(tmp_path):
    (tmp_path / ".file.guard").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), exclusive(tmp_path / "file"):
        pass
    assert not (tmp_path / "elsewhere").exists()
