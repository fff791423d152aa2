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
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fakes import program_copies

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
    line = [f"--input_model={source}", *arguments, f"--output_dir={folder}", "--model_name=net"]
    ended = run_copy(line, Path.cwd())
    if ended.returncode:
        raise ModelOptimizerError(ended.stderr[-2000:] or ended.stdout[-2000:])


def run_copy(
    arguments: Sequence[str], folder: Path, import_path: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run Model Optimizer in a folder, as a copy of a process that has imported it.

    Args:
        import_path: its PYTHONPATH.
    """
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "intel").mkdir()
        (Path(home) / "intel" / "openvino_telemetry").write_text("0")
        environment = {**os.environ, "HOME": home, "PYTHONPATH": import_path}
        outputs = [Path(home) / name for name in ("stdout", "stderr")]
        with open(os.devnull) as stdin, outputs[0].open("w") as out, outputs[1].open("w") as err:
            streams = [stream.fileno() for stream in (stdin, out, err)]
            address = start_copies(import_path)
            command = [str(program()), *arguments]
            code = program_copies.ask(address, command, str(folder), environment, streams)
        printed = [output.read_text("utf-8") for output in outputs]
    return subprocess.CompletedProcess(list(arguments), code, *printed)


def program() -> Path:
    """The file of ``PROGRAM`` in the environment of make mo-env."""
    return next(ENVIRONMENT.glob(f"lib/*/site-packages/{PROGRAM}"))


@cache
def start_copies(import_path: str) -> str:
    """The address at which a process makes copies of Model Optimizer with this PYTHONPATH."""
    statements = f"""
import runpy, sys
sys.path.insert(0, {str(program().parent)!r})
runpy.run_path({str(program())!r})
del sys.path[0]
from openvino.tools.mo.utils.cli_parser import get_all_cli_parser
get_all_cli_parser()
"""
    python = ENVIRONMENT / "bin" / "python"
    return program_copies.start(python, statements, {**os.environ, "PYTHONPATH": import_path})


class ModelOptimizerError(Exception):
    """Model Optimizer refuses."""
