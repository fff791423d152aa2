"""Model Optimizer in copies of one process that has imported it: to import it takes longer than most of its work.

``python mo_copies.py PROGRAM ADDRESS`` is run by the Python of make mo-env. A copy runs PROGRAM, the file that the
command mo starts in the end, with the arguments, the folder, the environment and the streams of who asks for it.
"""

from __future__ import annotations

import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

#: How long a copy may work.
LIMIT_S = 300


def ask(
    address: str,
    arguments: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    streams: Sequence[int],
) -> int:
    """The exit code of Model Optimizer; a negative one is the number of a signal."""
    call = {"arguments": list(arguments), "folder": folder, "environment": dict(environment)}
    content = json.dumps(call).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"\0{address}")
        socket.send_fds(connection, [len(content).to_bytes(8, "little")], streams)
        connection.sendall(content)
        return int(receive(connection, 8))


def serve(program: str, address: str) -> None:
    """Start copies until the standard input is closed."""
    sys.path[0] = str(Path(program).parent)  # in place of the folder of this file
    runpy.run_path(program)
    from openvino.tools.mo.utils.cli_parser import get_all_cli_parser

    get_all_cli_parser()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"\0{address}")
    listener.listen(64)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # who started this waits for it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for copies
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if listener not in ready:
            return
        connection, _ = listener.accept()
        if not os.fork():
            listener.close()
            _copy_and_wait(connection, program)
        connection.close()


def _copy_and_wait(connection: socket.socket, program: str) -> NoReturn:
    """Start a copy, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    header, streams, *_ = socket.recv_fds(connection, 8, 3)
    call = json.loads(receive(connection, int.from_bytes(header, "little")))
    copy = os.fork()
    if not copy:
        connection.close()
        _run(program, call, streams)
    _, status = os.waitpid(copy, 0)
    connection.sendall(b"%8d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _run(program: str, call: dict, streams: Sequence[int]) -> NoReturn:
    """Run the program as Python does, to its end."""
    signal.alarm(LIMIT_S)
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    os.chdir(call["folder"])
    os.environ.update(call["environment"])  # what was imported has set others that it needs
    sys.argv[:] = [program, *call["arguments"]]
    runpy.run_path(program, run_name="__main__")
    sys.exit()


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    received = b""
    while len(received) < size and (more := connection.recv(size - len(received))):
        received += more
    assert len(received) == size, "the other process has ended"
    return received


if __name__ == "__main__":
    serve(*sys.argv[1:])
