"""Run code that comes with a model and creates the file to convert; only with the user's consent.

A PyTorch model of Open Model Zoo is defined by its authors' code and exported with the arguments in its
model.yml (conversion_to_onnx_args); other models have a pre-convert.py. Such code runs in a sandboxed process
(``upstream_sandbox``) with an empty environment and a temporary home folder. Restrictions that the system
lacks are reported before it runs.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from posezoo.convert import upstream_sandbox
from posezoo.convert.frontends import verify_source_model
from posezoo.errors import ConversionError, escape_control_characters, sanitize
from posezoo.events import Listener, WarningIssued, ignore_event
from posezoo.files.staging import staging_dir
from posezoo.layout import ModelLayout
from posezoo.spec.model import ModelSpec
from posezoo.workers.program import ProgramResult, find_exception, run_program

#: The time limit for such code, in seconds.
LIMIT_S = 1800.0

#: The limit of the memory that such code may use, and of the size of each file that it writes.
MEMORY_BYTES = 16 << 30

#: The arguments of conversion_to_onnx_args; like Open Model Zoo's own program, we also accept their prefixes.
FLAGS = (
    "--model-name", "--weights", "--input-shapes", "--output-file", "--model-path", "--import-module",
    "--input-names", "--output-names", "--model-param", "--inputs-dtype", "--conversion-param",
    "--opset_version",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """The limits of one run."""

    seconds: float = LIMIT_S
    memory_bytes: int = MEMORY_BYTES


def describe_run(spec: ModelSpec) -> tuple[str, ...]:
    """Lines for the user: the code that would run, and the restrictions that this system lacks.

    Raises:
        ConversionError: there is no such code, or its arguments in model.yml cannot be used.
    """
    lines = [f"runs code that comes with the model: {code}" for code in list_upstream_code(spec)]
    missing = missing_restrictions()
    held = [name for name in upstream_sandbox.MEASURES if name not in missing]
    lines.append(
        f"the sandbox restricts that code: {', '.join(held) or 'nothing'}; "
        f"it ends after {LIMIT_S / 60:.0f} minutes"
    )
    lines += [f"on this system it can {upstream_sandbox.MEASURES[name]}" for name in missing]
    return tuple(f"{spec.full_name}: {line}" for line in lines)


@cache
def missing_restrictions() -> tuple[str, ...]:
    """The restrictions (``upstream_sandbox.MEASURES``) that this system lacks, by a run without code."""
    with tempfile.TemporaryDirectory(prefix="posezoo-") as home:
        result = _run_sandboxed({"reads": [], "only_tell": True}, Path(home), ProcessLimits(seconds=60))
    if result.exit_code or not result.output:
        return tuple(upstream_sandbox.MEASURES)
    return tuple(json.loads(result.output))


@contextmanager
def run_upstream_code(
    spec: ModelSpec,
    layout: ModelLayout,
    *,
    limits: ProcessLimits | None = None,
    listener: Listener = ignore_event,
) -> Iterator[ModelLayout]:
    """Run a model's code; the yielded layout names the folder of its results, which is removed at the end.

    Before the code runs, the listener receives the lines of ``describe_run``.

    Raises:
        ConversionError: a file is missing or has another digest; or the code fails, takes too long, or leaves
            something that is not a regular file.
        OutputError: the folder of its results cannot be created.
    """
    limits = limits or ProcessLimits()
    # The files are verified first, because the code may be among them.
    published = replace(spec, input_model="", checkpoint="", mo_args=(), upstream_export=())
    if published.files:
        verify_source_model(published, layout)
    for line in describe_run(spec):
        listener(WarningIssued(line))
    with (
        staging_dir(layout.model_dir(spec)) as folder,
        tempfile.TemporaryDirectory(prefix="posezoo-") as home,
    ):
        results = folder / "made"
        results.mkdir()
        for job in _jobs(spec, layout.model_download_dir(spec).absolute(), results.absolute()):
            _run(spec, job, Path(home), limits)
        # Only files that the code wrote may be read now; a link could lead to any other file.
        for parent, folders, names in os.walk(results):
            for name in (*folders, *names):
                path = Path(parent, name)
                if path.is_symlink() or not (path.is_file() or path.is_dir()):
                    raise ConversionError(
                        f"{spec.full_name}: its code left {sanitize(name)}, which is not a regular file",
                        hint="look at that code: this is not an accident",
                    )
        yield replace(layout, conversions=results)


def list_upstream_code(spec: ModelSpec) -> tuple[str, ...]:
    """For each piece of code that comes with a model and creates the file to convert, a text that names it.

    Raises:
        ConversionError: there is none, or its arguments in model.yml cannot be used.
    """
    places = [str(spec.path.with_name("pre-convert.py"))] if spec.has_pre_convert else []
    if spec.upstream_export:
        requested = _export_arguments(spec)
        paths = ", ".join(requested.get("--model-path", ["the installed packages"]))
        module, name = (requested.get(flag, ["?"])[-1] for flag in ("--import-module", "--model-name"))
        places.append(f"{sanitize(name)} of the module {sanitize(module)} in {paths}")
    if not places:
        raise ConversionError(
            f"{spec.full_name}: nothing in its folder says how {spec.input_model} is created",
            hint="create it with its authors' tools",
        )
    return tuple(places)


def _jobs(spec: ModelSpec, downloads: Path, results: Path) -> Iterator[dict[str, Any]]:
    folder = spec.path.parent.absolute()
    common = {
        "downloads": str(downloads),
        "results": str(results),
        "reads": [str(folder), str(downloads)],
        "only_tell": False,
    }
    if spec.has_pre_convert:
        yield {"task": "pre-convert", "script": str(folder / "pre-convert.py"), **common}
    if spec.upstream_export:
        arguments = _export_arguments(spec)
        for name, path in {"$dl_dir": downloads, "$conv_dir": results, "$config_dir": folder}.items():
            arguments = {
                flag: [value.replace(name, str(path)) for value in values]
                for flag, values in arguments.items()
            }
        yield {"task": "export", "arguments": arguments, **common}


def _export_arguments(spec: ModelSpec) -> dict[str, list[str]]:
    """The values of conversion_to_onnx_args by flag, with abbreviated flags completed."""
    arguments: dict[str, list[str]] = {}
    for text in spec.upstream_export:
        name, _, value = text.partition("=")
        flags = [flag for flag in FLAGS if flag == name] or [flag for flag in FLAGS if flag.startswith(name)]
        if len(flags) != 1:
            raise ConversionError(
                f"{spec.full_name}: conversion_to_onnx_args: {sanitize(name)} is not a known argument",
                hint=f"known: {', '.join(FLAGS)}",
            )
        arguments.setdefault(flags[0], []).append(value.strip())
    return arguments


def _run(spec: ModelSpec, job: dict[str, Any], home: Path, limits: ProcessLimits) -> None:
    result = _run_sandboxed(job, home, limits)
    if result.timed_out:
        raise ConversionError(
            f"{spec.full_name}: its code was ended after {limits.seconds:g} s",
            hint="it may wait for something",
        )
    if code := result.exit_code:
        lines = result.errors.strip().splitlines() or ["without a message"]
        reason = find_exception(result.errors) or lines[-1].strip()
        # Untrusted code printed it: a terminal's control characters are escaped.
        printable = escape_control_characters(reason[:300])
        ending = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        raise ConversionError(
            f"{spec.full_name}: its code {ending}: {printable}",
            hint="it may need packages that are not installed, or something that the sandbox forbids",
        )


def _run_sandboxed(job: dict[str, Any], home: Path, limits: ProcessLimits) -> ProgramResult:
    writes = [job["results"], str(home)] if "results" in job else [str(home)]
    job = {**job, "writes": writes, "memory_bytes": limits.memory_bytes, "seconds": limits.seconds}
    return run_program(
        # -I: neither the working folder nor the environment affects what is imported; -B: no .pyc files are
        # written to the folders that it reads.
        [sys.executable, "-I", "-B", str(Path(upstream_sandbox.__file__).absolute())],
        input_bytes=json.dumps(job).encode() + b"\n",
        environment={"HOME": str(home), "TMPDIR": str(home), "USER": "nobody", "LANG": "C.UTF-8"},
        folder=home,
        timeout_s=limits.seconds,
    )
