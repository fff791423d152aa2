"""The real Model Optimizer, asked once for each file and arguments: what it made is kept outside of the clone.

A run takes it seconds, of which there are dozens, and it always makes the same; the folder may be removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ENVIRONMENT = Path(__file__).resolve().parents[2] / "build" / "mo-env"
MO = ENVIRONMENT / "bin" / "mo"

#: What the command starts in the end, after two processes have seen whether it can be imported.
PROGRAM = "openvino/tools/mo/main.py"

#: What an earlier run made.
KEPT = ENVIRONMENT.with_name("mo-runs")


def needs_mo(test: Callable[..., Any]) -> Callable[..., Any]:
    """Run by make test-mo, where make mo-env has made its environment."""
    return pytest.mark.mo(pytest.mark.skipif(not MO.is_file(), reason="needs make mo-env")(test))


def by_model_optimizer(source: Path, arguments: Sequence[str]) -> Path:
    """The .xml that Model Optimizer makes of a file, kept from an earlier run where there was one."""
    said = [_version(), hashlib.sha256(source.read_bytes()).hexdigest(), source.suffix, *arguments]
    folder = KEPT / hashlib.sha256(json.dumps(said).encode()).hexdigest()
    if not (folder / "net.xml").is_file():
        KEPT.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=KEPT))
        try:
            _run(source, arguments, made)
            with suppress(OSError):  # another test has put the same there meanwhile
                made.rename(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder / "net.xml"


def _version() -> str:
    return next(
        (str(path.name) for path in ENVIRONMENT.glob("lib/*/site-packages/openvino_dev-*")), ""
    )


def _run(source: Path, arguments: Sequence[str], folder: Path) -> None:
    home = folder / "home"
    (home / "intel").mkdir(parents=True)
    (home / "intel" / "openvino_telemetry").write_text("0")
    (program,) = ENVIRONMENT.glob(f"lib/*/site-packages/{PROGRAM}")
    command = [ENVIRONMENT / "bin" / "python", program]
    ended = subprocess.run(
        [
            *command,
            f"--input_model={source}",
            *arguments,
            f"--output_dir={folder}",
            "--model_name=net",
        ],
        env={**os.environ, "HOME": str(home), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    shutil.rmtree(home)
    if ended.returncode:
        raise ModelOptimizerError(ended.stderr[-2000:] or ended.stdout[-2000:])


class ModelOptimizerError(Exception):
    """Model Optimizer refuses."""
