"""posezoo as its users run it: with a home folder of its own and no internet."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO
from unittest import mock

from fakes.waiting import HANG_S
from posezoo.cli.main import main

#: A command that ended, with its exit code and both outputs as text.
Ended = subprocess.CompletedProcess[str]


def posezoo(*args: object, cwd: Path | None = None, **environ: str) -> Ended:
    """Run the command line in this process, and return its exit code and both outputs.

    To start Python and to import OpenVINO takes longer than most commands. A test whose subject is the process
    takes ``posezoo_process``.
    """
    return _call(main, ["posezoo", *map(str, args)], cwd, environ)


def succeeded(ended: Ended) -> Ended:
    """What a command answered whose exit code must be 0."""
    assert_success(ended)
    return ended


def json_of(ended: Ended) -> Any:
    """The JSON that a command printed."""
    return json.loads(ended.stdout)


def read_json(path: Path) -> Any:
    """The JSON that a command wrote."""
    return json.loads(path.read_bytes())


def omz_tool(name: str, *args: object, cwd: Path | None = None, **environ: str) -> Ended:
    """Run one of Open Model Zoo's commands, such as "downloader", in the same way."""
    module = import_module(f"posezoo.omz.commands.{name}")
    return _call(module.main, [f"{name}.py", *map(str, args)], cwd, environ)


def python_file(path: Path, *args: object, cwd: Path | None = None, **environ: str) -> Ended:
    """Run a Python file in this process in the same way, as ``python FILE ARGS`` would."""

    def run_file(_: list[str]) -> int:
        with mock.patch.object(sys, "path", [str(path.parent), *sys.path]):
            runpy.run_path(str(path), run_name="__main__")
        return 0

    return _call(run_file, [str(path), *map(str, args)], cwd, environ)


def printed(ended: Ended) -> str:
    """The standard output of a command that succeeded."""
    assert_success(ended)
    return ended.stdout


def printed_alone(ended: Ended) -> str:
    """The standard output of a command that succeeded and said nothing else."""
    assert_quiet_success(ended)
    return ended.stdout


def assert_success(ended: Ended) -> None:
    """The command ended with 0."""
    assert ended.returncode == 0, ended.stdout + ended.stderr


def assert_quiet_success(ended: Ended) -> None:
    """The command ended with 0 and wrote nothing to its standard error."""
    assert (ended.returncode, ended.stderr) == (0, "")


def refusal(ended: Ended, code: int = 1) -> str:
    """The standard error of a command that ended with 1, or another code."""
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stderr


def refusal_alone(ended: Ended, code: int = 1) -> str:
    """The standard error of a command that ended with 1, or another code, and printed nothing else."""
    assert ended.stdout == ""
    return refusal(ended, code)


def misuse(ended: Ended) -> str:
    """The standard error of a command with wrong usage."""
    return refusal(ended, 2)


def misuse_alone(ended: Ended) -> str:
    """The standard error of a command with wrong usage, which printed nothing else."""
    return refusal_alone(ended, 2)


def _call(
    program: Callable[[list[str]], int],
    command: list[str],
    folder: Path | None,
    environ: Mapping[str, str],
) -> Ended:
    with (
        _stream_to_file("stdout") as stdout,
        _stream_to_file("stderr") as stderr,
        mock.patch.dict(os.environ, environ),
        mock.patch.object(sys, "argv", command),
        _working_in(folder),
    ):
        try:
            code = program(command[1:])
        except SystemExit as ended:
            code = 0 if ended.code is None else ended.code
        printed = [_written(stream) for stream in (stdout, stderr)]
    return subprocess.CompletedProcess(command, code, *printed)


@contextlib.contextmanager
def _stream_to_file(name: str) -> Iterator[TextIO]:
    """A standard stream of this process, and of the children that it starts, is a file."""
    before = getattr(sys, name)
    before.flush()
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
        descriptor = {"stdout": 1, "stderr": 2}[name]
        kept = os.dup(descriptor)
        os.dup2(file.fileno(), descriptor)
        setattr(sys, name, file)
        try:
            yield file
        finally:
            setattr(sys, name, before)
            os.dup2(kept, descriptor)
            os.close(kept)


def _written(stream: TextIO) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


@contextlib.contextmanager
def _working_in(folder: Path | None) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder or before)
    try:
        yield
    finally:
        os.chdir(before)


def run_process(
    command: Any, *, timeout: float = 300, check: bool = False, **options: Any
) -> Ended:
    """Run a program until it ends or hangs, and keep what it prints as text."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=check, **options
    )


def posezoo_process(*args: object, cwd: Path | None = None, **environ: str) -> Ended:
    """Run the command line in a process of its own, and return its exit code and both outputs."""
    return subprocess.run(
        [sys.executable, "-m", "posezoo", *map(str, args)],
        capture_output=True,
        encoding="cp1252" if hasattr(sys, "is_foreign") else "utf-8",
        cwd=cwd,
        env={**os.environ, **environ},
        timeout=120,
        check=False,
    )


def start_posezoo(*args: object, cwd: Path | None = None, **environ: str) -> subprocess.Popen[str]:
    """Start the command line in a process of its own, which heeds interrupts; both outputs are pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "posezoo", *map(str, args)],
        cwd=cwd,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def on_a_terminal(width: int, *args: object) -> list[str]:
    """The standard output of a command on a terminal with this many columns, as lines."""
    import fcntl  # Windows has none of them, where other tests of this module can run
    import pty
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    child = subprocess.Popen(
        [sys.executable, "-m", "posezoo", *map(str, args)], stdout=slave, env=environ
    )
    os.close(slave)
    shown = b""
    try:
        while more := os.read(master, 65536):
            shown += more
    except OSError:  # Linux says EIO where the other end is closed
        pass
    os.close(master)
    assert child.wait(timeout=HANG_S) == 0
    return shown.decode().splitlines()


def heed_interrupts() -> None:
    """A ``preexec_fn``: what a shell starts in the background ignores ^C, and what nohup starts the
    end of a terminal; both hand that on to their children.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
