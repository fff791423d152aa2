"""posezoo as its users run it: a child process with a home folder of its own and no internet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def posezoo(*args: object, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end and return its exit code and both outputs."""
    return subprocess.run(
        [sys.executable, "-m", "posezoo", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environ},
        timeout=120,
        check=False,
    )


def heed_interrupts() -> None:
    """A ``preexec_fn``: what a shell starts in the background ignores ^C, and hands that on to its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
