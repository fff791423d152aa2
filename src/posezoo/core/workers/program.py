"""Run external programs with limits; at the end, every process that they started is killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO

from posezoo.core.errors import InterpreterError
from posezoo.core.operating_system import IS_WINDOWS, Lifeline, kill_session
from posezoo.core.values import frozen

#: How many bytes at the end of a stream are kept; a program may print without limit.
TAIL_BYTES = 1 << 20

# python3.11, pypy3, python.exe, pythonw.exe, python3.13t, python3.11-dbg
_INTERPRETER = re.compile(r"(python|pypy)w?[\d.]*[a-z]?(-\w+)?(\.exe)?", re.IGNORECASE)

# The last line of a Python traceback: ModuleNotFoundError: No module named 'tensorflow'
_EXCEPTION = re.compile(r"(?:[a-z_]+\.)*[A-Za-z]+(?:Error|Exception): ")


@frozen
class ProgramResult:
    """How a program ended."""

    exit_code: int  # the negative signal number if a signal ended the program
    output: bytes  # the end of its standard output
    errors: str  # the end of its standard error
    timed_out: bool  # whether it was killed at the time limit


def run_program(
    command: Sequence[str],
    *,
    input_bytes: bytes = b"",
    environment: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    pass_fds: Sequence[int] = (),
) -> ProgramResult:
    """Run a program and wait for its end.

    It runs in its own session, whose processes are killed when it ends, reaches the time limit, or
    the caller is interrupted or killed.

    Args:
        timeout_s: the time limit; None: no limit.
        pass_fds: open file descriptors that it inherits (not on Windows).

    Raises:
        OSError: the program cannot be started.
    """
    process, lifeline = start_in_session(
        command, stderr=subprocess.PIPE, environment=environment, pass_fds=pass_fds
    )
    assert process.stdin and process.stdout and process.stderr
    output = bytearray()
    errors = bytearray()
    timed_out = False
    try:
        readers = (
            _start_reader(process.stdout, output),
            _start_reader(process.stderr, errors),
        )
        with suppress(BrokenPipeError), process.stdin as stream:
            stream.write(input_bytes)
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        kill_session(process)
        process.wait()
        lifeline.close()
    for reader in readers:
        reader.join(5.0)  # a process that left the session may still have the stream open
    return ProgramResult(
        process.returncode, bytes(output), bytes(errors).decode("utf-8", "replace"), timed_out
    )


def find_program(name: str) -> str | None:
    """The path of a program on PATH; None if it is not installed.

    A program of the working folder is not taken, which an empty entry of PATH would allow, and
    which Windows searches first: the folder may come from others.
    """
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = shutil.which(name, path=os.pathsep.join(filter(os.path.isabs, entries)))
    return path if path and Path(path).is_absolute() else None


def start_in_session(
    command: Sequence[str],
    *,
    stderr: int | None = None,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> tuple[subprocess.Popen[bytes], Lifeline]:
    """Start a program in its own session, with pipes for input and output; it ends with this
    process. The caller closes the lifeline after the end.

    Raises:
        OSError: the program cannot be started.
    """
    lifeline = Lifeline()
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            start_new_session=True,
            pass_fds=(*pass_fds, *lifeline.descriptors),
        )
    except BaseException:
        lifeline.close()
        raise
    lifeline.tie(process)
    return process, lifeline


def find_interpreter() -> str:
    """The path of the Python that runs this process, or that of its environment.

    ``sys.executable`` is another program where Python is embedded (uWSGI), or frozen (PyInstaller),
    which would start itself again and again.

    Raises:
        InterpreterError: there is none.
    """
    folder, name = ("Scripts", "python.exe") if IS_WINDOWS else ("bin", "python3")
    for path in (Path(sys.executable or ""), Path(sys.prefix, folder, name)):
        if _INTERPRETER.fullmatch(path.name) and path.is_file() and not hasattr(sys, "frozen"):
            return str(path)
    raise InterpreterError(
        "this step needs a Python interpreter, and this program has none beside it",
        hint="convert the model beforehand with posezoo get, and load its .xml",
    )


def python_command(module: str, function: str) -> list[str]:
    """The command that calls a function of posezoo in a new Python process; it returns the exit
    code.

    Neither the working folder nor the environment affects what is imported: the process has the
    import path of this one.

    Raises:
        InterpreterError: there is no interpreter.
    """
    start = (
        "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
        f"from {module} import {function}; sys.exit({function}())"
    )
    import_path = [str(Path(entry).absolute()) for entry in sys.path]
    encoding = ["-X", "utf8"] if sys.flags.utf8_mode else []
    return [find_interpreter(), "-I", *encoding, "-c", start, json.dumps(import_path)]


def find_exception(text: str) -> str:
    """The last exception in a Python program's errors, such as ``KeyError: 3``; empty if there is
    none.
    """
    lines = [line.strip() for line in text.splitlines()]
    return next(filter(_EXCEPTION.match, reversed(lines)), "")


def _start_reader(stream: IO[bytes], tail: bytearray) -> Thread:
    """A thread that reads a stream, so that the program never blocks on a full pipe."""

    def keep_tail() -> None:
        with stream:
            while chunk := stream.read1(65536):  # type: ignore[attr-defined]
                tail.extend(chunk)
                del tail[:-TAIL_BYTES]

    reader = Thread(target=keep_tail, daemon=True)
    reader.start()
    return reader
