"""The children of the tests' process are copies of one that has imported the libraries already: if one is not, it takes
seconds more, and nothing else shows it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fakes import forks
from posezoo.core.operating_system import kill_session
from posezoo.core.workers.program import python_command, start_in_session


@pytest.mark.skipif(not forks.ARE_COPIED, reason="each child is started afresh here")
@pytest.mark.parametrize("function", forks.LIBRARIES)
def test_a_child_is_a_copy_in_any_folder_and_inherits_what_a_process_would(
    function, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    reading, writing = os.pipe()
    process, lifeline = start_in_session(
        python_command(*function), stderr=subprocess.PIPE, pass_fds=(writing,)
    )
    child = Path("/proc", str(process.pid))
    status = dict(line.split(":\t", 1) for line in (child / "status").read_text().splitlines())
    descriptors = {path.name for path in (child / "fd").iterdir()}
    inherited = {"0", "1", "2", str(writing), *map(str, lifeline.descriptors)}
    kill_session(process)
    process.communicate()
    lifeline.close()
    for descriptor in (reading, writing):
        os.close(descriptor)
    assert status["PPid"] != str(os.getpid())
    assert descriptors >= inherited
