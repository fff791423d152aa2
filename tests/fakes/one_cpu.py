"""Programs in a process that has one CPU, as many containers have.

There OpenVINO computes in the caller's thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.command import run_process

needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="needs Linux's CPU affinity"
)

TESTS = Path(__file__).resolve().parents[1]
_FIRST = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"


def run_on_one_cpu(
    program: str, *args: object, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python's source text with these arguments; modules of the tests can be imported."""
    command = [sys.executable, "-c", f"{_FIRST}\n{program}", *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    return run_process(command, cwd=cwd, env=environment)
