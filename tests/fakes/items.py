"""Work that processes of their own do in tests, and those processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from posezoo.core.errors import PosezooError
from posezoo.core.events import WarningIssued


def _hang(started: Path, *, reacts: bool) -> None:
    """Start a program, and write down both processes."""
    if not reacts:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        started.write_text(f"{os.getpid()} {sleeper.pid}", encoding="utf-8")
        time.sleep(600)
    finally:
        sleeper.kill()


def work(item, listener):
    """What an item is about is its name."""
    name, _, argument = item.partition(" ")
    listener(WarningIssued(f"works on {item}"))
    if name == "die":
        os._exit(9)
    if name == "die-once" and not Path(argument).exists():
        Path(argument).touch()
        os._exit(9)
    if name == "stop-once" and not Path(argument).exists():
        Path(argument).write_text(f"{os.getppid()} {os.getpid()}", encoding="utf-8")
        time.sleep(600)
    if name == "kill-worker":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    if name == "allocate":
        return len(bytearray(int(argument))), os.getpid()
    if name == "ignore-the-end":
        _EndsInItsFinalizer()
        time.sleep(600)
    if name in ("hang", "never-react"):
        _hang(Path(argument), reacts=name == "hang")
    if item == "raise":
        raise ValueError(item)
    if item == "refuse":
        raise PosezooError("refuse: refused")
    time.sleep(0.2 if item == "slow" else 0)
    return item, os.getpid()


class LockedError(Exception):
    """Cannot be pickled."""

    def __init__(self):
        super().__init__("out of luck")
        self.lock = threading.Lock()


class PairError(Exception):
    """Is pickled, and cannot be made again: pickle passes one argument, its text."""

    def __init__(self, *, second="luck"):
        super().__init__(f"out of {second}")


def raise_error(kind):
    raise kind


class _EndsInItsFinalizer:
    """Python ignores every exception that a finalizer raises, also the one that ends the process."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


def lost(item, error, _listener):
    """The result of an item whose process ended too often."""
    return f"{item}: {error.problem}", 0


def children_of(process: int) -> set[int]:
    """The processes that any thread of a process has begun and that are there."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return {int(child) for each in lists for child in each.read_text().split()}


def is_running(process: int | str) -> bool:
    """Whether it is there, and not only waiting for somebody to read its exit code."""
    try:
        return (
            Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            != "Z"
        )
    except FileNotFoundError:
        return False
