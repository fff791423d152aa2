"""Programs in copies of one process that has imported them: to import them takes longer than most of their work.

``python program_copies.py serve ADDRESS STATEMENTS`` is run by the Python of the programs. A copy runs a program, the
file that a command starts in the end, with the arguments, the folder, the environment and the streams of who asks for
it: ``python program_copies.py ask ADDRESS PROGRAM ARGUMENTS``, which ends as the program does.
"""

from __future__ import annotations

import gc
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

#: How long a copy may work.
LIMIT_S = 300


def ask(
    address: str,
    command: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    streams: Sequence[int],
) -> int:
    """The exit code of a program; a negative one is the number of a signal."""
    call = {"command": list(command), "folder": folder, "environment": dict(environment)}
    content = json.dumps(call).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"\0{address}")
        socket.send_fds(connection, [len(content).to_bytes(8, "little")], streams)
        connection.sendall(content)
        return int(receive(connection, 8))


#: Each ends when its standard input is closed, which is with this process.
_started: list[subprocess.Popen[bytes]] = []


def start(python: Path, statements: str, environment: Mapping[str, str]) -> str:
    """Start a process that makes copies until this one ends.

    Returns:
        The address at which it answers.
    """
    address = f"posezoo-tests-{os.getpid()}-copies-{len(_started)}"
    process = subprocess.Popen(
        [python, __file__, "serve", address, statements],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,  # as those of the copies mostly are: its Python treats them as pipes
        stderr=subprocess.STDOUT,
    )
    _started.append(process)
    assert process.stdout is not None
    with process.stdout:
        printed = process.stdout.read()  # it closes the stream when it listens
    assert process.poll() is None, printed.decode()
    process.returncode = 0  # nobody waits for it
    return address


def write_command(path: Path, address: str, *words: object) -> None:
    """Write a command that runs a program, with its first arguments, in a copy of the process at an address."""
    asking = [sys.executable, "-I", "-S", __file__, "ask", address, *words]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, asking))} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def serve(address: str, statements: str) -> None:
    """Import what the statements import, and start copies until the standard input is closed."""
    del sys.path[0]  # the folder of this file
    exec(statements, {})
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"\0{address}")
    listener.listen(64)
    for stream in (1, 2):  # who started this waits for it
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for copies
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if listener not in ready:
            return
        connection, _ = listener.accept()
        if not os.fork():
            listener.close()
            _copy_and_wait(connection)
        connection.close()


def _copy_and_wait(connection: socket.socket) -> NoReturn:
    """Start a copy, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    header, streams, *_ = socket.recv_fds(connection, 8, 3)
    call = json.loads(receive(connection, int.from_bytes(header, "little")))
    copy = os.fork()
    if not copy:
        connection.close()
        _run(call, streams)
    _, status = os.waitpid(copy, 0)
    connection.sendall(b"%8d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _run(call: dict, streams: Sequence[int]) -> NoReturn:
    """Run the program as Python does, to its end."""
    import runpy

    signal.alarm(LIMIT_S)
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    os.chdir(call["folder"])
    os.environ.update(call["environment"])  # what was imported has set others that it needs
    sys.argv[:] = call["command"]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name="__main__")
    sys.exit()


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    received = b""
    while len(received) < size and (more := connection.recv(size - len(received))):
        received += more
    assert len(received) == size, "the other process has ended"
    return received


if __name__ == "__main__":
    action, address, *rest = sys.argv[1:]
    if action == "serve":
        serve(address, *rest)
    else:
        sys.exit(ask(address, rest, str(Path.cwd()), os.environ, (0, 1, 2)))
