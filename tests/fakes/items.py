"""Work that processes of their own do in tests, and those processes."""

from __future__ import annotations

import os
import time
from pathlib import Path


def work(item, check):
    """What an item is about is its name."""
    if item == "die":
        os._exit(9)
    if item == "raise":
        raise ValueError(item)
    time.sleep(0.2 if item == "slow" else 0)
    return item, os.getpid()


def children_of(process: int) -> set[int]:
    """The processes that any thread of a process has begun and that are there."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return {int(child) for each in lists for child in each.read_text().split()}
