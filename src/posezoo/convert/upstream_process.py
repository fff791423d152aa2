"""Start the sandboxed process that runs code of a model's authors (``upstream_sandbox``)."""

from __future__ import annotations

import json
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from posezoo.convert import upstream_sandbox
from posezoo.workers.program import ProgramResult, run_program

#: How much data such code may hold, or write into one file.
MEMORY_BYTES = 16 << 30


@cache
def missing_restrictions() -> tuple[str, ...]:
    """The restrictions (``upstream_sandbox.MEASURES``) that this system lacks: a trial run without code."""
    with tempfile.TemporaryDirectory(prefix="posezoo-") as home:
        job = {"reads": [], "writes": [home], "memory_bytes": MEMORY_BYTES, "seconds": 60, "only_tell": True}
        result = run_sandboxed(job, Path(home), 60)
    if result.exit_code or not result.output:
        return tuple(upstream_sandbox.MEASURES)
    return tuple(json.loads(result.output))


def run_sandboxed(job: dict[str, Any], home: Path, timeout_s: float) -> ProgramResult:
    """Run a job of ``upstream_sandbox`` with an empty environment and this home folder."""
    return run_program(
        # -I: neither the working folder nor the environment decides what is imported; -B: nothing is compiled
        # into the folders that it reads.
        [sys.executable, "-I", "-B", str(Path(upstream_sandbox.__file__).absolute())],
        input_bytes=json.dumps(job).encode() + b"\n",
        environment={"HOME": str(home), "TMPDIR": str(home), "USER": "nobody", "LANG": "C.UTF-8"},
        folder=home,
        timeout_s=timeout_s,
    )
