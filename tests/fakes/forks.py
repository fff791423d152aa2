"""Child processes of posezoo that are copies of one that has imported the libraries already.

To import PyTorch takes such a child 2 s, and OpenVINO 0.5 s: more than the rest of what most tests let it do. The
template, a process that is copied, imports them once. A copy is a child of the process that asks for it, and has an
environment, a folder, streams, a session and an exit code of its own.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import socket
import subprocess
import sys
import threading
import time
import traceback
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from posezoo.workers.program import python_command

#: The functions that children of posezoo run, and what they import for it.
LIBRARIES = {
    ("posezoo.workers.processes", "serve"): (
        "numpy",
        "posezoo.convert.publish",
        "posezoo.ir.openvino_import",
    ),
    ("posezoo.convert.pytorch_child", "main"): ("torch", "torch.onnx.utils", "onnx"),
}
#: As the children of the second kind have it.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
#: The options of a process that a copy heeds.
OPTIONS = {"stdin", "stdout", "stderr", "env", "start_new_session", "pass_fds"}
#: Coverage is measured in processes that are started; only Linux has what makes a copy our child.
ARE_COPIED = sys.platform == "linux" and "COVERAGE_PROCESS_CONFIG" not in os.environ
PR_SET_CHILD_SUBREAPER = 36


class Popen(subprocess.Popen):
    """A process; a copy of a template, if it is a child of posezoo that runs one of these functions."""

    def __init__(self, args: Any, *further: Any, **options: Any) -> None:
        self._options = options
        is_plain = not further and options.keys() <= OPTIONS and not options.get("pass_fds")
        self._function = _function_of(args) if is_plain and ARE_COPIED else None
        super().__init__(args, *further, **options)

    def _execute_child(self, *arguments: Any) -> None:
        if self._function is None:
            super()._execute_child(*arguments)
            return
        pipes = arguments[10:16]
        ends = (pipes[0], pipes[3], pipes[5])
        streams = [number if end == -1 else end for number, end in enumerate(ends)]
        self.pid = _template(self._function).copy(streams, self._options)
        self._child_created = True
        self._close_pipe_fds(*pipes)


def _function_of(command: object) -> tuple[str, str] | None:
    commands = (function for function in LIBRARIES if command == _first_command(function))
    return next(commands, None)


@cache
def _first_command(function: tuple[str, str]) -> list[str]:
    """As the first test has it; a test that changes the import path gets processes that are no copies."""
    return python_command(*function)


@cache
def _template(function: tuple[str, str]) -> Template:
    return Template(function)


class Template:
    """The process that is copied; it ends with this one."""

    def __init__(self, function: tuple[str, str]) -> None:
        self._copying = threading.Lock()
        self._socket, its_socket = socket.socketpair()
        *options, _, import_path = _first_command(function)
        tests = str(Path(__file__).resolve().parents[1])
        start = (
            f"import json, sys; sys.path[:] = [*json.loads(sys.argv[1]), {tests!r}]; "
            f"from fakes import forks; forks.make_copies({its_socket.fileno()}, {function!r})"
        )
        self._process = subprocess.Popen(
            [*options, start, import_path],
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[its_socket.fileno()],
            start_new_session=True,
        )
        its_socket.close()
        atexit.register(self._end)

    def copy(self, streams: list[int], options: dict[str, Any]) -> int:
        """Start a copy with these standard streams; returns its process number."""
        environment = options.get("env")
        request = {
            "folder": str(Path.cwd()),
            "environment": dict(os.environ if environment is None else environment),
            "has_session": options.get("start_new_session", False),
        }
        message = json.dumps(request).encode()
        with self._copying:
            _adopt_orphans(True)  # a copy's first parent ends at once
            socket.send_fds(self._socket, [len(message).to_bytes(8, "little")], streams)
            self._socket.sendall(message)
            answer = _receive(self._socket, 8)
            _adopt_orphans(False)
        assert answer, "the template has ended"
        return int.from_bytes(answer, "little")

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()


def _adopt_orphans(does_adopt: bool) -> None:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(does_adopt), 0, 0, 0)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (more := connection.recv(size - len(received))):
        received += more
    return received


def make_copies(descriptor: int, function: tuple[str, str]) -> None:
    """The main function of a template."""
    connection = socket.socket(fileno=descriptor)
    _import_libraries(function)
    while True:
        header, streams, *_ = socket.recv_fds(connection, 8, 3)
        if not header:
            return
        request = json.loads(_receive(connection, int.from_bytes(header, "little")))
        reading, writing = os.pipe()
        parent = os.fork()
        if not parent:
            if os.fork():
                os._exit(0)
            _become(request, streams)
            os.write(writing, os.getpid().to_bytes(8, "little"))
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            _run(function)
        for descriptor in (writing, *streams):
            os.close(descriptor)
        os.waitpid(parent, 0)
        connection.sendall(os.read(reading, 8))
        os.close(reading)


def _import_libraries(function: tuple[str, str]) -> None:
    for name in (function[0], *LIBRARIES[function]):
        with suppress(ImportError):  # the copy says what is missing
            module = import_module(name)
            getattr(module, "import_openvino", int)()
    gc.collect()
    gc.freeze()


def _become(request: dict[str, Any], streams: list[int]) -> None:
    """Take what a new process is given."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    if request["has_session"]:
        os.setsid()
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
    sys.path.pop()  # the folder of the tests


def _run(function: tuple[str, str]) -> NoReturn:
    """Call the function, and end as Python does."""
    code = 1
    try:
        code = getattr(sys.modules[function[0]], function[1])()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 Python shows it and ends
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)
