"""Code that comes with a model, run with consent alone: what makes the file that is to be converted.

A PyTorch model of Open Model Zoo is a program of its authors', exported by what its model.yml says
(conversion_to_onnx_args); another model's pre-convert.py makes a file of others. Such code runs in a process
of its own that has shut itself in (``upstream_child``), with an empty environment and a home folder that goes
with it. What a system cannot keep it from is told before it runs.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Thread
from typing import IO, Any

from posezoo.convert import upstream_child
from posezoo.convert.original import MADE, verified
from posezoo.errors import ConversionError
from posezoo.events import Listener, Warned, ignore
from posezoo.layout import Layout
from posezoo.spec.model import Framework, ModelSpec
from posezoo.spec.reader import shown
from posezoo.working_folder import working_folder

#: How long such code may take, and how much data it may hold, or write into one file.
LIMIT_S = 1800.0
MEMORY_BYTES = 16 << 30

#: What conversion_to_onnx_args may hold; Open Model Zoo's own program takes beginnings of them, too.
FLAGS = (
    "--model-name", "--weights", "--input-shapes", "--output-file", "--model-path", "--import-module",
    "--input-names", "--output-names", "--model-param", "--inputs-dtype", "--conversion-param",
    "--opset_version",
)  # fmt: skip


# As Python ends a traceback: ModuleNotFoundError: No module named 'tensorflow'
_RAISED = re.compile(r"(?:[a-z_]+\.)*[A-Za-z]+(?:Error|Exception): ")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a run may take."""

    seconds: float = LIMIT_S
    memory_bytes: int = MEMORY_BYTES


def after(spec: ModelSpec) -> ModelSpec:
    """The model as it is to be converted once its code has run."""
    made_onnx = spec.framework is Framework.PYTORCH and spec.upstream_export
    return replace(
        spec,
        framework=Framework.ONNX if made_onnx else spec.framework,
        upstream_export=(),
        has_pre_convert=False,
        input_model=spec.input_model.replace("$conv_dir", MADE, 1),
    )


def announcement(spec: ModelSpec) -> tuple[str, ...]:
    """What would run, and what this system cannot keep it from, in lines for people.

    Raises:
        ConversionError: what model.yml says of it cannot be carried out.
    """
    lines = [f"{spec.full_name}: runs code that comes with the model: {each}" for each in what_runs(spec)]
    open_ways = _open_ways()
    kept = [name for name in upstream_child.MEASURES if name not in open_ways]
    lines.append(
        f"{spec.full_name}: that code is kept from: {', '.join(kept) or 'nothing'}; "
        f"it ends after {LIMIT_S / 60:.0f} minutes"
    )
    lines += [
        f"{spec.full_name}: on this system it can {upstream_child.MEASURES[name]}" for name in open_ways
    ]
    return tuple(lines)


@contextmanager
def made(
    spec: ModelSpec, layout: Layout, *, limits: Limits | None = None, listener: Listener = ignore
) -> Iterator[Layout]:
    """Run a model's code; its results are there, as the layout says that is given, as long as this lasts.

    Args:
        spec: the model.
        layout: where its downloaded files lie, and its IR will lie.
        limits: how much the code may take.
        listener: is told what runs, and what it cannot be kept from, before it does.

    Raises:
        ConversionError: a file is not there or not what was promised; the code fails, takes too long, or
            leaves something that is no file.
        OutputError: there is no place for its results.
    """
    limits = limits or Limits()
    _verify(spec, layout)
    for line in announcement(spec):
        listener(Warned(line))
    with (
        working_folder(layout.model(spec)) as folder,
        tempfile.TemporaryDirectory(prefix="posezoo-") as home,
    ):
        results = folder / "made"
        results.mkdir()
        for job in _jobs(spec, layout.downloads(spec).absolute(), results.absolute()):
            _run(spec, job, Path(home), limits)
        _refuse_links(spec, results)
        yield replace(layout, conversions=results)


def _verify(spec: ModelSpec, layout: Layout) -> None:
    """Its files are the promised ones: the code may be among them."""
    published = replace(spec, input_model="", checkpoint="", mo_args=(), upstream_export=())
    if published.files:
        verified(published, layout)


def what_runs(spec: ModelSpec) -> tuple[str, ...]:
    """The code that comes with a model and makes the file to convert, in words.

    Raises:
        ConversionError: there is none, or what model.yml says of it cannot be carried out.
    """
    found = [str(_script(spec))] if spec.has_pre_convert else []
    if spec.upstream_export:
        asked = _asked(spec)
        paths = ", ".join(asked.get("--model-path", ["the installed packages"]))
        module, name = (asked.get(flag, ["?"])[-1] for flag in ("--import-module", "--model-name"))
        found.append(f"{shown(name)} of the module {shown(module)} in {paths}")
    if not found:
        raise ConversionError(
            f"{spec.full_name}: nothing in its folder says how {spec.input_model} is made",
            hint="make it with its authors' tools",
        )
    return tuple(found)


def _script(spec: ModelSpec) -> Path:
    return spec.path.with_name("pre-convert.py")


def _jobs(spec: ModelSpec, downloads: Path, results: Path) -> Iterator[dict[str, Any]]:
    places = {"downloads": str(downloads), "results": str(results)}
    if spec.has_pre_convert:
        script = _script(spec).absolute()
        yield {
            "task": "pre-convert",
            "script": str(script),
            **places,
            "reads": [str(script.parent), str(downloads)],
        }
    if spec.upstream_export:
        variables = {"$dl_dir": downloads, "$conv_dir": results, "$config_dir": spec.path.parent.absolute()}
        asked = {
            flag: [_expanded(value, variables) for value in values] for flag, values in _asked(spec).items()
        }
        yield {
            "task": "export",
            "arguments": asked,
            **places,
            "reads": [str(downloads), str(spec.path.parent.absolute())],
        }


def _expanded(text: str, variables: dict[str, Path]) -> str:
    for name, path in variables.items():
        text = text.replace(name, str(path))
    return text


def _asked(spec: ModelSpec) -> dict[str, list[str]]:
    """conversion_to_onnx_args by flag, in full."""
    asked: dict[str, list[str]] = {}
    for text in spec.upstream_export:
        said, _, value = text.partition("=")
        fitting = [flag for flag in FLAGS if flag == said] or [
            flag for flag in FLAGS if flag.startswith(said)
        ]
        if len(fitting) != 1:
            raise ConversionError(
                f"{spec.full_name}: conversion_to_onnx_args: {shown(said)} is no argument that is known",
                hint=f"known: {', '.join(FLAGS)}",
            )
        asked.setdefault(fitting[0], []).append(value.strip())
    return asked


def _printable(text: str) -> str:
    """What a stranger's code printed, without what could move a terminal's cursor."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _run(spec: ModelSpec, job: dict[str, Any], home: Path, limits: Limits) -> None:
    job = {
        **job,
        "writes": [job["results"], str(home)],
        "memory_bytes": limits.memory_bytes,
        "seconds": limits.seconds,
        "only_tell": False,
    }
    code, said, timed_out = _child(job, home, limits.seconds)
    if timed_out:
        raise ConversionError(
            f"{spec.full_name}: its code was ended after {limits.seconds:g} s",
            hint="it may wait for something",
        )
    if code:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        last = [line for line in lines if _RAISED.match(line)][-1:] or lines[-1:] or ["without a word"]
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        raise ConversionError(
            f"{spec.full_name}: its code {how}: {_printable(last[0][:300])}",
            hint="it may need packages that are not installed, or what it is kept from",
        )


@cache
def _open_ways() -> tuple[str, ...]:
    """What this system cannot keep such code from: asked of a process that runs none."""
    with tempfile.TemporaryDirectory(prefix="posezoo-") as home:
        job = {"reads": [], "writes": [home], "memory_bytes": MEMORY_BYTES, "seconds": 60, "only_tell": True}
        found: list[str] = []
        code, _, _ = _child(job, Path(home), 60, found)
    return tuple(json.loads(found[0])) if not code and found else tuple(upstream_child.MEASURES)


def _child(
    job: dict[str, Any], home: Path, seconds: float, answers: list[str] | None = None
) -> tuple[int, str, bool]:
    """Its exit code, the end of what it printed, and whether its time was up."""
    process = subprocess.Popen(
        # -I: neither the working folder nor the environment decides what is imported; -B: nothing is compiled
        # into the folders that it reads.
        [sys.executable, "-I", "-B", str(Path(upstream_child.__file__).absolute())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=home,
        env={"HOME": str(home), "TMPDIR": str(home), "USER": "nobody", "LANG": "C.UTF-8"},
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    tail = _Tail(process.stderr)
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


class _Tail:
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


def _refuse_links(spec: ModelSpec, folder: Path) -> None:
    """What is read afterwards must be files that the code wrote, not a way out of its folder."""
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(place, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ConversionError(
                    f"{spec.full_name}: its code left {shown(name)}, which is no plain file",
                    hint="look at that code: this is no accident",
                )
