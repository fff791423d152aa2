"""Foreign programs: output, limits, and the end of every process that they started."""

import os
import signal
import subprocess
import sys

import pytest

from fakes.command import heed_interrupts
from fakes.items import is_running
from fakes.waiting import HANG_S, wait_until
from posezoo.core.errors import InterpreterError
from posezoo.core.workers.processes import ChildProcess
from posezoo.core.workers.program import (
    TAIL_BYTES,
    find_exception,
    find_interpreter,
    find_program,
    run_program,
)


def run_python(code, **options):
    return run_program([sys.executable, "-I", "-c", code], **options)


def test_only_the_end_of_the_output_is_kept():
    output = run_python("print('x' * 3_000_000 + 'end', end='')").output
    assert (len(output), output[-4:]) == (TAIL_BYTES, b"xend")


def test_large_input_and_large_output_do_not_wait_for_each_other():
    data = bytes(4 << 20)
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()); sys.stderr.write('e' * 200_000)"
    assert run_python(code, input_bytes=data).output == data[:TAIL_BYTES]


def test_a_program_that_does_not_read_its_input_does_no_harm():
    assert run_python("pass", input_bytes=bytes(4 << 20)).exit_code == 0


def test_a_program_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        run_program([str(tmp_path / "no-such-program")])


def test_a_program_inherits_only_the_file_descriptors_that_are_named():
    read_end, write_end = os.pipe()
    os.write(write_end, b"told")
    os.close(write_end)
    code = f"import os; print(os.read({read_end}, 9))"
    assert run_python(code).exit_code == 1
    assert run_python(code, pass_fds=(read_end,)).output.strip() == b"b'told'"
    os.close(read_end)


@pytest.mark.parametrize("ending", ["", "time.sleep(600)"])
def test_processes_that_a_program_leaves_behind_are_killed(tmp_path, ending):
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"print(child.pid, flush=True)\n{ending}"
    )
    result = run_python(code, timeout_s=5 if ending else None)
    assert result.timed_out == bool(ending)
    wait_until(lambda: not is_running(int(result.output)))


def test_an_interrupt_of_the_caller_kills_the_program(tmp_path):
    started = tmp_path / "started"
    program = (
        f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    caller = (
        "import sys\nfrom posezoo.core.workers.program import run_program\n"
        f"run_program([sys.executable, '-I', '-c', {program!r}])"
    )
    command = [sys.executable, "-c", caller]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    wait_until(lambda: started.is_file() and started.read_text())
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=HANG_S)[1]
    wait_until(lambda: not is_running(int(started.read_text())))


def test_no_program_of_the_working_folder_is_found(tmp_path, monkeypatch):
    for folder in ("here", "elsewhere"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "git").write_text("#!/bin/sh\n")
        (tmp_path / folder / "git").chmod(0o755)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", ".")
    assert find_program("git") is None
    monkeypatch.setenv("PATH", f".::{tmp_path / 'elsewhere'}")
    assert find_program("git") == str(tmp_path / "elsewhere" / "git")


@pytest.mark.parametrize("executable", ["", None, "/usr/bin/uwsgi", "/opt/app/pose-app"])
def test_an_embedded_python_finds_the_interpreter_of_its_environment(monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    output = run_program([find_interpreter(), "-c", "import sys; print(sys.prefix)"]).output
    assert output.decode().strip() == sys.prefix


@pytest.mark.parametrize("is_frozen", [True, False])
def test_a_program_without_an_interpreter_does_not_start_itself(tmp_path, monkeypatch, is_frozen):
    program = tmp_path / ("python3" if is_frozen else "pose-app")
    program.touch()
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    if is_frozen:
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(InterpreterError, match="this program has none beside it") as raised:
        ChildProcess(len)
    assert "posezoo get" in raised.value.hint


def test_the_last_exception_of_a_programs_errors_is_found():
    text = "ValueError: first\n  File 'a'\nposezoo.core.errors.SpecError: last\nbye\n"
    assert find_exception(text) == "posezoo.core.errors.SpecError: last"
    assert find_exception("nothing was wrong") == ""
