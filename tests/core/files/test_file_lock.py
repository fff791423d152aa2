"""Processes and threads that change one file take turns, and none waits for a process that has ended."""

import os
import subprocess
import sys
import threading

import pytest

from fakes.waiting import HANG_S, wait_until
from posezoo.core.errors import OutputError
from posezoo.core.files.file_lock import exclusive, lock_file, lock_folder

HOLD = """
import sys, time
from pathlib import Path
from posezoo.core.files.file_lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process whose turn it is."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "file"], stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"held\n"
    yield child
    child.kill()
    child.communicate()


def test_a_lock_that_is_held_too_long_is_reported(tmp_path, holder):
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


def test_a_link_in_its_place_leads_nowhere(tmp_path):
    (tmp_path / ".file.guard").symlink_to(tmp_path / "elsewhere")
    with exclusive(tmp_path / "file"):
        assert not (tmp_path / "elsewhere").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_second_thread_waits_reports_it_once_and_gets_a_file_of_its_own(tmp_path):
    path, waits, handles = tmp_path / "part", [], []
    first = lock_file(path)
    thread = threading.Thread(
        target=lambda: handles.append(lock_file(path, lambda: waits.append(1)))
    )
    thread.start()
    wait_until(lambda: waits == [1])
    path.rename(tmp_path / "target")  # as a finished download is
    os.close(first)
    thread.join(HANG_S)
    assert waits == [1]
    assert os.path.samestat(os.fstat(handles[0]), path.stat())
    os.close(handles[0])


def test_a_lock_that_may_not_be_waited_for_is_refused_at_once(tmp_path):
    handle = lock_file(tmp_path / "part")
    with pytest.raises(BlockingIOError):
        lock_file(tmp_path / "part", wait_s=0)
    os.close(handle)


def test_a_folder_has_one_holder_at_a_time(tmp_path):
    handle = lock_folder(tmp_path)
    with pytest.raises(BlockingIOError):
        lock_folder(tmp_path)
    os.close(handle)
    os.close(lock_folder(tmp_path))
