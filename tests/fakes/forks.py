"""Child processes of posezoo that are copies of one that has imported the libraries already.

To import PyTorch takes such a child 2 s, and OpenVINO 0.5 s: more than the rest of what most tests let it do. A
template imports them once, and is copied for each child of the tests' process and of its children. A copy has an
environment, a folder, streams, a session and an exit code of its own.

The same is offered for programs of tests: ``Program`` runs one in a copy of a Python that has imported posezoo.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from fakes.program_copies import receive
from posezoo.core.workers.program import python_command

#: What posezoo's children call, and what they import for it.
LIBRARIES = {
    ("posezoo.core.workers.processes", "serve"): (
        "numpy",
        "posezoo.core.convert.publish",
        "posezoo.core.ir.openvino_import",
    ),
    ("posezoo.networks.pytorch_child", "main"): ("torch", "torch.onnx.utils", "onnx"),
}
#: What runs a ``Program``, and what most of them import.
PROGRAM = ("fakes.forks", "run_program")
LIBRARIES_OF_PROGRAMS = (
    "requests",
    "posezoo.cli.main",
    "posezoo.cli.verbs.download",
    "posezoo.core.download.http",
    "posezoo.core.download.parallel_ranges",
    "posezoo.omz.commands.downloader",
)
#: What must not be found first in a folder that a test adds to the import path.
SHADOWED = ("numpy", "onnx", "openvino", "posezoo", "torch")
#: As the children of the second kind have it.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
#: The options of a process that a copy heeds.
OPTIONS = {"stdin", "stdout", "stderr", "env", "start_new_session", "pass_fds"}
#: A program has these, too.
OPTIONS_OF_PROGRAMS = {*OPTIONS, "cwd", "text", "encoding"}
#: The streams, the folder, and others that a copy inherits.
MOST_DESCRIPTORS = 32
#: Coverage is measured in processes that are started, only Linux has names for sockets that are no files, and an
#: imitated Windows (tests/foreign) starts each child afresh.
ARE_COPIED = (
    sys.platform == "linux"
    and "COVERAGE_PROCESS_CONFIG" not in os.environ
    and not hasattr(sys, "is_foreign")
)

_TESTS = str(Path(__file__).resolve().parents[1])
_STARTED_BY = subprocess.Popen  # before a test replaces it
#: The process of the tests, with which templates end.
_owner = os.getpid()
_python = sys.executable
#: Without what an editable installation adds, which is no file: it is another one for each folder that a test works in.
_import_path = {str(Path(entry).absolute()) for entry in sys.path if entry and Path(entry).exists()}


class Popen(subprocess.Popen):
    """A process; a copy of a template, if it is a child of posezoo that runs one of these functions."""

    def __init__(self, args: Any, *further: Any, **options: Any) -> None:
        self._parent = os.getpid()
        self._command = args
        self._options = options
        self._function = self._find_function(args, further, options) if ARE_COPIED else None
        super().__init__(args, *further, **options)

    def _find_function(
        self, command: object, further: Sequence[object], options: Mapping[str, object]
    ) -> tuple[str, str] | None:
        """What a copy of a template calls; None if the process is started."""
        is_plain = not further and options.keys() <= OPTIONS
        return _function_of(command) if is_plain else None

    def _arguments(self) -> list[str]:
        """What the function finds in ``sys.argv``: the import path."""
        return [self._command[-1]]

    def _execute_child(self, *arguments: Any) -> None:
        if self._function is None:
            super()._execute_child(*arguments)
            return
        pipes = arguments[10:16]
        ends = (pipes[0], pipes[3], pipes[5])
        streams = [number if end == -1 else end for number, end in enumerate(ends)]
        environment = self._options.get("env")
        folder = os.open(self._options.get("cwd") or ".", os.O_PATH)
        inherited = list(self._options.get("pass_fds", ()))
        request = {
            "inherited": inherited,
            "umask": _umask(),
            "cores": sorted(os.sched_getaffinity(0)),
            "environment": dict(os.environ if environment is None else environment),
            "has_session": self._options.get("start_new_session", False),
            "arguments": self._arguments(),
        }
        self._template = _connect(self._function)
        content = json.dumps(request).encode()
        sent = [*streams, folder, *inherited]
        socket.send_fds(self._template, [len(content).to_bytes(8, "little")], sent)
        os.close(folder)
        self._template.sendall(content)
        self.pid = int.from_bytes(receive(self._template, 8), "little")
        self._child_created = True
        self._close_pipe_fds(*pipes)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._function is None:
            return super()._try_wait(wait_flags)
        if os.getpid() != self._parent:  # a fork of it, which must not take the answer
            return self.pid, 0
        timeout = 0 if wait_flags & os.WNOHANG else None
        if not select.select([self._template], [], [], timeout)[0]:
            return 0, 0
        status = int.from_bytes(receive(self._template, 8), "little")
        self._template.close()
        return self.pid, status

    def _internal_poll(self, *arguments: Any, **options: Any) -> int | None:
        if self._function is None:
            return super()._internal_poll(*arguments, **options)
        if self.returncode is None and self._waitpid_lock.acquire(False):
            try:
                self._poll_template()
            finally:
                self._waitpid_lock.release()
        return self.returncode

    def _poll_template(self) -> None:
        if self.returncode is None:
            process, status = self._try_wait(os.WNOHANG)
            if process:
                self._handle_exitstatus(status)


class Program(Popen):
    """A Python of a test's own that uses posezoo, started with ``sys.executable`` and ``-c CODE``, ``-m posezoo`` or a
    file: a copy of a process that has imported posezoo.

    It is for tests of several processes and of signals, which it heeds. It takes a tenth of the time of
    ``subprocess.Popen``, which is for tests whose subject is the start of a process, or what it imports.
    """

    def __init__(self, command: list[object], **options: Any) -> None:
        if not ARE_COPIED and not hasattr(sys, "is_foreign"):
            from fakes.command import heed_interrupts

            options["preexec_fn"] = heed_interrupts
        super().__init__(list(map(str, command)), **options)

    def _find_function(
        self, command: Any, further: Sequence[object], options: Mapping[str, object]
    ) -> tuple[str, str]:
        assert command[0] == sys.executable, command
        assert not further and options.keys() <= OPTIONS_OF_PROGRAMS, options
        return PROGRAM

    def _arguments(self) -> list[str]:
        return self._command[1:]


def run_program() -> int:
    """Do what Python does with the words after its own name."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _open_streams()
    kind, *words = sys.argv[1:]
    if kind == "-c":
        sys.argv[:] = ["-c", *words[1:]]
        exec(compile(words[0], "<string>", "exec"), {"__name__": "__main__"})
    elif kind == "-m":
        sys.argv[:] = words
        sys.modules.pop(f"{words[0]}.__main__", None)
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv[:] = [kind, *words]
        sys.path.insert(0, str(Path(kind).parent))
        runpy.run_path(kind, run_name="__main__")
    return 0


def _open_streams() -> None:
    """Those of the template may be of another kind: a file has a position, and a terminal shows each line at once."""
    sys.stdin = os.fdopen(0, "r", encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(
        1, "w", 1 if os.isatty(1) else -1, encoding="utf-8", errors="strict", closefd=False
    )
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _umask() -> int:
    status = Path("/proc/self/status").read_text("ascii", "replace")
    return int(status.partition("Umask:")[2].split()[0], 8)


def _function_of(command: object) -> tuple[str, str] | None:
    """What the command calls, if it finds the libraries where the template found them."""
    for function in LIBRARIES:
        start = [_python, *python_command(*function)[1:-1]]
        if isinstance(command, list) and command[:-1] == start:
            entries = set(json.loads(command[-1]))
            is_same = _import_path <= entries and not any(map(_shadows, entries - _import_path))
            return function if is_same else None
    return None


def _shadows(folder: str) -> bool:
    return any(Path(folder, name).is_dir() for name in SHADOWED)


def _address(function: tuple[str, str]) -> str:
    return f"\0posezoo-tests-{_owner}-{function[0]}"


def _connect(function: tuple[str, str]) -> socket.socket:
    """A connection to the template; the first one starts it."""
    connection = socket.socket(socket.AF_UNIX)
    for _ in range(100):  # another process may be starting it
        if not connection.connect_ex(_address(function)):
            return connection
        _start_template(function)
    raise AssertionError(f"no template of {function} listens")


def _start_template(function: tuple[str, str]) -> None:
    *options, _, import_path = python_command(*function)
    start = (
        f"import json, sys; sys.path[:] = [*json.loads(sys.argv[1]), {_TESTS!r}]; "
        f"from fakes import forks; forks.make_copies({_owner}, {function!r})"
    )
    template = _STARTED_BY(
        [*options, start, import_path],
        env={**os.environ, **ONE_THREAD},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with template.stdout:
        template.stdout.read()  # it closes the stream when it listens
    template.returncode = 0  # it ends with the tests: nobody waits for it


def make_copies(owner: int, function: tuple[str, str]) -> None:
    """The main function of a template."""
    global _owner
    _owner = owner
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(_address(function))
    except OSError:  # another process has started a template at the same time
        return
    _import_libraries(function)
    listener.listen(64)
    for stream in (1, 2):  # who reads them waits until they are closed
        os.dup2(0, stream)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for copies
    while Path(f"/proc/{owner}").exists():
        if select.select([listener], [], [], 1.0)[0]:
            connection, _ = listener.accept()
            if not os.fork():
                listener.close()
                _copy_and_wait(connection, function)
            connection.close()


def _import_libraries(function: tuple[str, str]) -> None:
    libraries = LIBRARIES_OF_PROGRAMS if function == PROGRAM else LIBRARIES[function]
    for name in (function[0], *libraries):
        with suppress(ImportError):  # the copy says what is missing
            module = import_module(name)
            getattr(module, "import_openvino", int)()
    gc.collect()
    gc.freeze()


def _copy_and_wait(connection: socket.socket, function: tuple[str, str]) -> NoReturn:
    """Start a copy, and tell its number and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    header, descriptors, *_ = socket.recv_fds(connection, 8, MOST_DESCRIPTORS)
    request = json.loads(receive(connection, int.from_bytes(header, "little")))
    reading, writing = os.pipe()
    copy = os.fork()
    if not copy:
        _become(request, descriptors[:4])
        _keep_only(dict(zip(request["inherited"], descriptors[4:], strict=True)), writing)
        if function != PROGRAM:
            sys.path[:] = json.loads(sys.argv[1])
        _run(function)
    for descriptor in (writing, *descriptors):
        os.close(descriptor)
    os.read(reading, 1)  # it has a session and descriptors of its own from now on
    with suppress(OSError):
        connection.sendall(copy.to_bytes(8, "little"))
    _, status = os.waitpid(copy, 0)
    with suppress(OSError):
        connection.sendall(status.to_bytes(8, "little"))
    os._exit(0)


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Take what a new process is given."""
    *streams, folder = descriptors
    os.fchdir(folder)
    os.umask(request["umask"])
    os.sched_setaffinity(0, request["cores"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    if request["has_session"]:
        os.setsid()
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
    sys.argv[1:] = request["arguments"]


def _keep_only(inherited: dict[int, int], last: int) -> None:
    """Close all but the streams and these descriptors, which get the numbers that they had where they come from.

    The ``last`` one is closed when this is done.
    """
    import fcntl  # Windows has none

    above = max([2, *inherited]) + 1
    moved = {
        number: fcntl.fcntl(descriptor, fcntl.F_DUPFD, above)
        for number, descriptor in inherited.items()
    }
    fcntl.fcntl(last, fcntl.F_DUPFD, above)
    os.closerange(3, above)
    for number, descriptor in moved.items():
        os.dup2(descriptor, number)
    os.closerange(above, os.sysconf("SC_OPEN_MAX"))


def _run(function: tuple[str, str]) -> NoReturn:
    """Call the function, and end as Python does."""
    subprocess.Popen = Popen
    code = 1
    is_interrupted = False
    try:
        code = getattr(sys.modules[function[0]], function[1])()
    except SystemExit as ended:
        code = ended.code
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
            code = 1
    except BaseException as error:  # noqa: BLE001 Python shows it and ends
        traceback.print_exc()
        is_interrupted = isinstance(error, KeyboardInterrupt)
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if is_interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code or 0)
