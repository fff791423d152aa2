"""A process for code that comes with a model: shut in (``upstream_child``), and ended with its children."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Thread
from typing import IO, Any

from posezoo.convert import upstream_sandbox

#: How much data such code may hold, or write into one file.
MEMORY_BYTES = 16 << 30


@cache
def missing_restrictions() -> tuple[str, ...]:
    """What this system cannot keep such code from: asked of a process that runs none."""
    with tempfile.TemporaryDirectory(prefix="posezoo-") as home:
        job = {"reads": [], "writes": [home], "memory_bytes": MEMORY_BYTES, "seconds": 60, "only_tell": True}
        found: list[str] = []
        code, _, _ = run_sandboxed(job, Path(home), 60, found)
    return tuple(json.loads(found[0])) if not code and found else tuple(upstream_sandbox.MEASURES)


def run_sandboxed(
    job: dict[str, Any], home: Path, seconds: float, answers: list[str] | None = None
) -> tuple[int, str, bool]:
    """Its exit code, the end of what it printed, and whether its time was up."""
    process = subprocess.Popen(
        # -I: neither the working folder nor the environment decides what is imported; -B: nothing is compiled
        # into the folders that it reads.
        [sys.executable, "-I", "-B", str(Path(upstream_sandbox.__file__).absolute())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=home,
        env={"HOME": str(home), "TMPDIR": str(home), "USER": "nobody", "LANG": "C.UTF-8"},
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    tail = _StreamTail(process.stderr)
    timed_out = False
    try:
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.close()
        answer = process.stdout.readline(4096).decode("utf-8", "replace")
        if answers is not None and answer:
            answers.append(answer)
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        said = tail.text()
    return process.returncode, said, timed_out


class _StreamTail:
    """The last bytes of a stream, however many come."""

    _KEPT = 8192

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, b""
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := self._stream.read1(65536):  # type: ignore[attr-defined]
            self._kept = (self._kept + chunk)[-self._KEPT :]

    def text(self) -> str:
        """What it holds once the other side is gone."""
        self._thread.join(1.0)
        self._stream.close()
        return self._kept.decode("utf-8", "replace")
