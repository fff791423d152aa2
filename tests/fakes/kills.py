"""Runs of a command that are killed: nothing runs on, and the next run leaves no files behind."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from fakes.items import is_running
from fakes.waiting import HANG_S, wait_until

# Beside many other processes, a run of quantize took more than HANG_S.
RUN_S = 5 * HANG_S


class Runs:
    """Runs of posezoo in a folder, which write below ``out`` and ``cache``."""

    def __init__(self, folder: Path, *words: object) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self._words = list(map(str, words))

    def start(self) -> subprocess.Popen[bytes]:
        self.temporary.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "posezoo", *self._words],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.temporary), "POSEZOO_TESTED": str(self.folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def processes(self) -> list[str]:
        """The processes that a run has started, directly or not."""
        mark = f"POSEZOO_TESTED={self.folder}".encode()
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in environ.read_bytes().split(b"\0") and is_running(environ.parent.name):
                    found.append(environ.parent.name)
            except OSError:  # it has ended, or is not ours
                continue
        return found

    def files(self) -> set[str]:
        below = self.folder / "out"
        return {str(path.relative_to(below)) for path in below.rglob("*") if path.is_file()}

    def clear(self) -> None:
        for name in ("out", "cache", "tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def is_probe(path: Path) -> bool:
    """Whether Python's ``tempfile`` made it, to see whether it can write: a kill may come before it removes it."""
    has_its_name = re.fullmatch(r"[a-z0-9_]{8}", path.name) is not None
    return has_its_name and path.read_bytes() in (b"", b"blat")


def kill_at_moments(runs: Runs, moments: int) -> None:
    """Kill a run at each of these moments, which are spread over its whole time."""
    begun = time.monotonic()
    assert runs.start().wait(RUN_S) == 0
    run_s = time.monotonic() - begun
    right = runs.files()
    runs.clear()
    dice = random.Random(5)
    for moment in range(moments):
        run = runs.start()
        time.sleep(run_s * (moment + dice.random()) / moments)
        run.kill()
        run.wait()
        wait_until(lambda: not runs.processes(), "the end of all processes")
        assert runs.start().wait(RUN_S) == 0
        assert not [path for path in runs.temporary.iterdir() if not is_probe(path)]
        assert runs.files() == right, moment
        runs.clear()
