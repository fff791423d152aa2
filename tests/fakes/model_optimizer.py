"""The real Model Optimizer, and what it made of small files, kept beside the tests.

``make judge`` runs it again, and fails where it makes another thing; ``make judge ASK=store`` keeps what it makes.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fakes import program_copies
from fakes.checkout import ROOT
from fakes.recorded_answers import FOLDER

ENVIRONMENT = ROOT / "build" / "mo-env"
MO = ENVIRONMENT / "bin" / "mo"

#: What the command starts in the end, after two processes have seen whether it can be imported.
PROGRAM = "openvino/tools/mo/main.py"

VERSION = "2024.6.0"
RECORDED = FOLDER / "model_optimizer"
ASKS = os.environ.get("ASK_JUDGES", "")
EXIT, STDERR = "exit", "stderr"


def needs_mo(test: Callable[..., Any]) -> Callable[..., Any]:
    """Run by make judge, where make build/mo-env has made its environment."""
    return pytest.mark.judge(
        pytest.mark.skipif(not MO.is_file(), reason="needs make build/mo-env")(test)
    )


def has_recorded_runs(test: Callable[..., Any]) -> Callable[..., Any]:
    """Compares with what Model Optimizer made; make judge runs it again."""
    if ASKS:
        test = pytest.mark.skipif(not MO.is_file(), reason="needs make build/mo-env")(test)
    return pytest.mark.recorded(test)


def by_model_optimizer(source: Path, arguments: Sequence[str]) -> Path:
    """The .xml that Model Optimizer made of a small file, put beside it.

    Raises:
        ModelOptimizerError: it refused.
    """
    said = [hashlib.sha256(source.read_bytes()).hexdigest(), source.suffix, *arguments]
    folder = source.parent / "by-model-optimizer"
    return _xml_of(recorded_run(said, folder, lambda: _convert(source, arguments, folder)), folder)


def run_model_optimizer(source: Path, arguments: Sequence[str]) -> Path:
    """The .xml that Model Optimizer makes now, put beside the file.

    Raises:
        ModelOptimizerError: it refuses.
    """
    folder = source.parent / "by-model-optimizer"
    return _xml_of(_convert(source, arguments, folder), folder)


def _xml_of(ended: subprocess.CompletedProcess[str], folder: Path) -> Path:
    if ended.returncode:
        raise ModelOptimizerError(ended.stderr)
    return folder / "net.xml"


def recorded_run(
    said: Sequence[str], folder: Path, run: Callable[[], subprocess.CompletedProcess[str]]
) -> subprocess.CompletedProcess[str]:
    """Let a folder have the files that a run of the program adds to it; with its exit code, and its errors if it fails.

    Args:
        said: what decides the result.
        run: runs the program, whose new files are in the folder.
    """
    key = hashlib.sha256(json.dumps([VERSION, *said]).encode()).hexdigest()
    path = RECORDED / f"{key[:20]}.zip"
    folder.mkdir(exist_ok=True)
    if ASKS:
        before = set(folder.rglob("*"))
        ended = run()
        made = {
            file.relative_to(folder).as_posix(): _without_folder(file.read_bytes(), folder)
            for file in sorted(set(folder.rglob("*")) - before)
            if file.is_file()
        }
        _compare_or_keep(path, ended, made)
        return ended
    assert path.is_file(), f"{path.name}: Model Optimizer was not asked: make judge ASK=store"
    with zipfile.ZipFile(path) as answer:
        names = set(answer.namelist()) - {EXIT, STDERR}
        answer.extractall(folder, names)
        stderr = answer.read(STDERR).decode()
        return subprocess.CompletedProcess([], int(answer.read(EXIT)), "", stderr)


def _without_folder(content: bytes, folder: Path) -> bytes:
    """What a file has in each folder: an IR names the folder that it was made in."""
    return content.replace(str(folder).encode(), b"FOLDER")


def _compare_or_keep(
    path: Path, ended: subprocess.CompletedProcess[str], made: Mapping[str, bytes]
) -> None:
    stderr = ended.stderr[-2000:] if ended.returncode else ""
    content = {EXIT: str(ended.returncode).encode(), STDERR: stderr.encode(), **made}
    if ASKS == "store" or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as answer:
            for name, each in content.items():
                entry = zipfile.ZipInfo(name)  # of 1980, so that an equal answer has equal bytes
                entry.compress_type = zipfile.ZIP_DEFLATED
                answer.writestr(entry, each)
    with zipfile.ZipFile(path) as answer:
        kept = {name: answer.read(name) for name in answer.namelist()}
    # What it says may contain times and folders.
    assert {**kept, STDERR: b""} == {**content, STDERR: b""}, f"{path}: it makes another thing"


def _convert(
    source: Path, arguments: Sequence[str], folder: Path
) -> subprocess.CompletedProcess[str]:
    line = [f"--input_model={source}", *arguments, f"--output_dir={folder}", "--model_name=net"]
    return run_copy(line, Path.cwd())


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
        with (
            open(os.devnull, encoding="utf-8") as stdin,
            outputs[0].open("w") as out,
            outputs[1].open("w") as err,
        ):
            streams = [stream.fileno() for stream in (stdin, out, err)]
            address = start_copies(import_path)
            command = [str(program()), *arguments]
            code = program_copies.ask(address, command, str(folder), environment, streams)
        printed = [output.read_text("utf-8") for output in outputs]
    return subprocess.CompletedProcess(list(arguments), code, *printed)


def program() -> Path:
    """The file of ``PROGRAM`` in the environment of make build/mo-env."""
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
    # It goes through sets, and numbers what it meets: names such as Dims527.
    environment = {**os.environ, "PYTHONPATH": import_path, "PYTHONHASHSEED": "0"}
    return program_copies.start(python, statements, environment)


class ModelOptimizerError(Exception):
    """Model Optimizer refuses."""
