"""Work that processes of their own do in tests, and those processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from posezoo.events import WarningIssued


def work(item, listener):
    """What an item is about is its name."""
    name, _, argument = item.partition(" ")
    listener(WarningIssued(f"works on {item}"))
    if name == "die":
        os._exit(9)
    if name == "die-once" and not Path(argument).exists():
        Path(argument).touch()
        os._exit(9)
    if name == "hang":
        sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        try:
            Path(argument).write_text(f"{os.getpid()} {sleeper.pid}")
            time.sleep(600)
        finally:
            sleeper.kill()
    if item == "raise":
        raise ValueError(item)
    time.sleep(0.2 if item == "slow" else 0)
    return item, os.getpid()


def children_of(process: int) -> set[int]:
    """The processes that any thread of a process has begun and that are there."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return {int(child) for each in lists for child in each.read_text().split()}
