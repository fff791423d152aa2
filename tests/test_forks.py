"""The children of the tests' process are copies of one that has imported the libraries already: if one is not, it takes
seconds more, and nothing else shows it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
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


SEEN = """
import json, os, sys
import posezoo
seen = {"words": sys.argv[1:], "folder": os.getcwd(), "tested": os.environ["TESTED"], "name": __name__}
print(json.dumps(seen))
sys.stdout.flush()
sys.stdin.readline()
sys.exit("it ends")
"""


def test_a_program_has_its_words_its_folder_and_its_environment(tmp_path):
    """Its exit code, too, and an error that is no number is printed."""
    program = forks.Program(
        [sys.executable, "-c", SEEN, "one", 2],
        cwd=tmp_path,
        env={**os.environ, "TESTED": "here"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    printed, errors = program.communicate("\n")
    assert json.loads(printed) == {
        "words": ["one", "2"],
        "folder": str(tmp_path),
        "tested": "here",
        "name": "__main__",
    }
    assert (program.returncode, errors) == (1, "it ends\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_program_ends_by_the_signal_that_it_does_not_handle(number):
    code = "import time; print('begun', flush=True); time.sleep(600)"
    program = forks.Program([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert program.stdout.readline() == b"begun\n"
    assert program.poll() is None
    program.send_signal(number)
    program.communicate()
    assert program.returncode == -number


def test_a_program_may_be_the_command_of_posezoo_or_a_file(tmp_path):
    (tmp_path / "script.py").write_text("print(__file__)")
    for words, printed in (
        (("-m", "posezoo", "--version"), "posezoo "),
        ((tmp_path / "script.py",), str(tmp_path / "script.py")),
    ):
        program = forks.Program(
            [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        output, errors = program.communicate()
        assert output.startswith(printed)
        assert (program.returncode, errors) == (0, "")
