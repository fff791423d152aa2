"""Run code that comes with a model and creates the file to convert; only with the user's consent.

A PyTorch model of Open Model Zoo is defined by its authors' code and exported with
conversion_to_onnx_args; others have a pre-convert.py. Such code runs in a sandbox, or not at all.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from posezoo.core.convert.frontends import verify_source_model
from posezoo.core.convert.upstream_runner import UpstreamCode
from posezoo.core.declarations.mo_args import values_by_flag
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.routes import Obstacle
from posezoo.core.errors import ConversionError, sanitize
from posezoo.core.events import Listener, WarningIssued, ignore_event
from posezoo.core.files.staging import staging_dir
from posezoo.core.layout import ModelLayout
from posezoo.core.workers.program import find_exception
from posezoo.omz import upstream_job
from posezoo.omz.sandbox import HINT, PROMISE, explain_missing_sandbox, run_sandboxed

#: The time limit for such code, in seconds.
LIMIT_S = 1800.0

#: The limit of the memory that such code may use, and of the size of each file that it writes.
MEMORY_BYTES = 16 << 30


@contextmanager
def run_upstream_code(
    spec: ModelSpec, layout: ModelLayout, listener: Listener = ignore_event
) -> Iterator[ModelLayout]:
    """Run a model's code; the yielded layout names the folder of its results, which is removed at
    the end.

    Before, the listener receives what would run (``list_upstream_code``), and what the sandbox
    allows.

    Raises:
        ConversionError: a file is missing or has another digest; or the sandbox cannot be started;
            or the code fails, takes too long, or leaves something that is not a regular file.
        OutputError: the folder of its results cannot be created.
    """
    # The files are verified first, because the code may be among them.
    published = replace(spec, input_model="", checkpoint="", mo_args=(), upstream_export=())
    if published.files:
        verify_source_model(published, layout)
    if obstacle := _find_obstacle():
        raise ConversionError(f"{spec.full_name}: {obstacle.why}", hint=obstacle.hint)
    name = spec.full_name
    for code in list_upstream_code(spec):
        listener(WarningIssued(f"{name}: runs code that comes with the model: {code}"))
    limit = f"it ends after {LIMIT_S / 60:.0f} minutes"
    listener(WarningIssued(f"{name}: the sandbox restricts that code: {PROMISE}; {limit}"))
    with staging_dir(layout.model_dir(spec)) as folder:
        # The staging folder is closed to other users: the code can give its results any
        # permissions.
        results = (folder / "made").absolute()
        results.mkdir()
        for job in _jobs(spec, layout.model_download_dir(spec).absolute(), results):
            _run(spec, job)
        _check_results(spec, results)
        yield replace(layout, conversions=results)


def _find_obstacle(*, starts: bool = True) -> Obstacle | None:
    reason = explain_missing_sandbox(starts=starts)
    if not reason:
        return None
    return Obstacle("sandbox", f"its code runs only in a sandbox: {reason}", HINT)


def list_upstream_code(spec: ModelSpec) -> tuple[str, ...]:
    """A text for each piece of the model's code that creates the file to convert.

    Raises:
        ConversionError: there is none.
    """
    programs = []
    if spec.has_pre_convert:
        programs = [str(spec.path.with_name("pre-convert.py"))]
    if spec.upstream_export:
        requested = values_by_flag(spec.upstream_export)
        paths = ", ".join(requested.get("--model-path", ["the installed packages"]))
        module, name = (
            requested.get(flag, ["?"])[-1] for flag in ("--import-module", "--model-name")
        )
        programs.append(f"{sanitize(name)} of the module {sanitize(module)} in {paths}")
    if not programs:
        raise ConversionError(
            f"{spec.full_name}: nothing in its folder says how {spec.input_model} is created",
            hint="create it with its authors' tools",
        )
    return tuple(programs)


def _jobs(spec: ModelSpec, downloads: Path, results: Path) -> Iterator[dict[str, Any]]:
    folder = spec.path.parent.absolute()
    common = {"folder": str(folder), "downloads": str(downloads), "results": str(results)}
    if spec.has_pre_convert:
        yield {"task": "pre-convert", "script": str(folder / "pre-convert.py"), **common}
    if spec.upstream_export:
        arguments = values_by_flag(spec.upstream_export)
        for name, path in {
            "$dl_dir": downloads,
            "$conv_dir": results,
            "$config_dir": folder,
        }.items():
            arguments = {
                flag: [value.replace(name, str(path)) for value in values]
                for flag, values in arguments.items()
            }
        yield {"task": "export", "arguments": arguments, **common}


def _run(spec: ModelSpec, job: dict[str, Any]) -> None:
    program = Path(upstream_job.__file__).absolute()
    result = run_sandboxed(
        [str(program)],
        json.dumps({**job, "memory_bytes": MEMORY_BYTES, "seconds": LIMIT_S}).encode() + b"\n",
        reads=[program, Path(job["folder"]), Path(job["downloads"])],
        writes=[Path(job["results"])],
        timeout_s=LIMIT_S,
        memory_bytes=MEMORY_BYTES,
    )
    if result.timed_out:
        raise ConversionError(
            f"{spec.full_name}: its code was ended after {LIMIT_S:g} s",
            hint="it may wait for something",
        )
    if code := result.exit_code:
        lines = result.errors.strip().splitlines() or ["without a message"]
        reason = find_exception(result.errors) or lines[-1].strip()
        # Like a shell, bubblewrap adds 128 to the number of a signal.
        ending = f"ended with {code}"
        if 128 < code < 193:
            ending = f"was ended by signal {code - 128}"
        raise ConversionError(
            f"{spec.full_name}: its code {ending}: {reason[:300]}",
            hint=(
                "it may need packages that are not installed, or something that the sandbox forbids"
            ),
        )


def _check_results(spec: ModelSpec, results: Path) -> None:
    """Refuse links, which could lead to any other file, and special files; make the rest
    readable.
    """
    pending = [results]
    try:
        while pending:
            folder = pending.pop()
            folder.chmod(0o700)
            for path in folder.iterdir():
                mode = path.lstat().st_mode
                if stat.S_ISDIR(mode):
                    pending.append(path)
                elif stat.S_ISREG(mode):
                    path.chmod(0o600)
                else:
                    raise ConversionError(
                        f"{spec.full_name}: its code left {sanitize(path.name)}, which is not a"
                        " regular file",
                        hint="inspect that code: it may be malicious",
                    )
    except OSError as error:
        raise ConversionError(
            f"{spec.full_name}: its code left a folder that cannot be read: {error.strerror}",
            hint="inspect that code: it may be malicious",
        ) from error


class _SandboxedCode(UpstreamCode):
    promise = PROMISE

    find_obstacle = staticmethod(_find_obstacle)
    describe = staticmethod(list_upstream_code)
    run = staticmethod(run_upstream_code)


SANDBOXED_CODE = _SandboxedCode()
