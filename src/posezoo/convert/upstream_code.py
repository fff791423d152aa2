"""Code that comes with a model, run with consent alone: what makes the file that is to be converted.

A PyTorch model of Open Model Zoo is a program of its authors', exported by what its model.yml says
(conversion_to_onnx_args); another model's pre-convert.py makes a file of others. Such code runs in a process
of its own that has shut itself in (``upstream_child``), with an empty environment and a home folder that goes
with it. What a system cannot keep it from is told before it runs.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posezoo.convert import upstream_sandbox
from posezoo.convert.frontends import MADE, verify_source_model
from posezoo.convert.upstream_process import MEMORY_BYTES, missing_restrictions, run_sandboxed
from posezoo.errors import ConversionError
from posezoo.events import Listener, WarningIssued, ignore_event
from posezoo.files.staging import staging_dir
from posezoo.layout import ModelLayout
from posezoo.spec.model import Framework, ModelSpec
from posezoo.spec.yaml_nodes import sanitize

#: How long such code may take.
LIMIT_S = 1800.0

#: What conversion_to_onnx_args may hold; Open Model Zoo's own program takes beginnings of them, too.
FLAGS = (
    "--model-name", "--weights", "--input-shapes", "--output-file", "--model-path", "--import-module",
    "--input-names", "--output-names", "--model-param", "--inputs-dtype", "--conversion-param",
    "--opset_version",
)  # fmt: skip


# As Python ends a traceback: ModuleNotFoundError: No module named 'tensorflow'
_RAISED = re.compile(r"(?:[a-z_]+\.)*[A-Za-z]+(?:Error|Exception): ")


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """How much a run may take."""

    seconds: float = LIMIT_S
    memory_bytes: int = MEMORY_BYTES


def spec_after_upstream_code(spec: ModelSpec) -> ModelSpec:
    """The model as it is to be converted once its code has run."""
    made_onnx = spec.framework is Framework.PYTORCH and spec.upstream_export
    return replace(
        spec,
        framework=Framework.ONNX if made_onnx else spec.framework,
        upstream_export=(),
        has_pre_convert=False,
        input_model=spec.input_model.replace("$conv_dir", MADE, 1),
    )


def describe_run(spec: ModelSpec) -> tuple[str, ...]:
    """What would run, and what this system cannot keep it from, in lines for people.

    Raises:
        ConversionError: what model.yml says of it cannot be carried out.
    """
    lines = [
        f"{spec.full_name}: runs code that comes with the model: {each}" for each in list_upstream_code(spec)
    ]
    ways = missing_restrictions()
    kept = [name for name in upstream_sandbox.MEASURES if name not in ways]
    lines.append(
        f"{spec.full_name}: that code is kept from: {', '.join(kept) or 'nothing'}; "
        f"it ends after {LIMIT_S / 60:.0f} minutes"
    )
    lines += [f"{spec.full_name}: on this system it can {upstream_sandbox.MEASURES[name]}" for name in ways]
    return tuple(lines)


@contextmanager
def run_upstream_code(
    spec: ModelSpec,
    layout: ModelLayout,
    *,
    limits: ProcessLimits | None = None,
    listener: Listener = ignore_event,
) -> Iterator[ModelLayout]:
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
    limits = limits or ProcessLimits()
    _verify(spec, layout)
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
        _refuse_links(spec, results)
        yield replace(layout, conversions=results)


def _verify(spec: ModelSpec, layout: ModelLayout) -> None:
    """Its files are the promised ones: the code may be among them."""
    published = replace(spec, input_model="", checkpoint="", mo_args=(), upstream_export=())
    if published.files:
        verify_source_model(published, layout)


def list_upstream_code(spec: ModelSpec) -> tuple[str, ...]:
    """The code that comes with a model and makes the file to convert, in words.

    Raises:
        ConversionError: there is none, or what model.yml says of it cannot be carried out.
    """
    found = [str(_script(spec))] if spec.has_pre_convert else []
    if spec.upstream_export:
        requested = _asked(spec)
        paths = ", ".join(requested.get("--model-path", ["the installed packages"]))
        module, name = (requested.get(flag, ["?"])[-1] for flag in ("--import-module", "--model-name"))
        found.append(f"{sanitize(name)} of the module {sanitize(module)} in {paths}")
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
        requested = {
            flag: [_expanded(value, variables) for value in values] for flag, values in _asked(spec).items()
        }
        yield {
            "task": "export",
            "arguments": requested,
            **places,
            "reads": [str(downloads), str(spec.path.parent.absolute())],
        }


def _expanded(text: str, variables: dict[str, Path]) -> str:
    for name, path in variables.items():
        text = text.replace(name, str(path))
    return text


def _asked(spec: ModelSpec) -> dict[str, list[str]]:
    """conversion_to_onnx_args by flag, in full."""
    requested: dict[str, list[str]] = {}
    for text in spec.upstream_export:
        said, _, value = text.partition("=")
        fitting = [flag for flag in FLAGS if flag == said] or [
            flag for flag in FLAGS if flag.startswith(said)
        ]
        if len(fitting) != 1:
            raise ConversionError(
                f"{spec.full_name}: conversion_to_onnx_args: {sanitize(said)} is no argument that is known",
                hint=f"known: {', '.join(FLAGS)}",
            )
        requested.setdefault(fitting[0], []).append(value.strip())
    return requested


def _run(spec: ModelSpec, job: dict[str, Any], home: Path, limits: ProcessLimits) -> None:
    job = {
        **job,
        "writes": [job["results"], str(home)],
        "memory_bytes": limits.memory_bytes,
        "seconds": limits.seconds,
        "only_tell": False,
    }
    result = run_sandboxed(job, home, limits.seconds)
    if result.timed_out:
        raise ConversionError(
            f"{spec.full_name}: its code was ended after {limits.seconds:g} s",
            hint="it may wait for something",
        )
    if result.exit_code:
        lines = [line.strip() for line in result.errors.splitlines() if line.strip()]
        last = [line for line in lines if _RAISED.match(line)][-1:] or lines[-1:] or ["without a message"]
        # Untrusted code printed it: a terminal's control characters are escaped.
        printable = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in last[0][:300])
        code = result.exit_code
        ending = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        raise ConversionError(
            f"{spec.full_name}: its code {ending}: {printable}",
            hint="it may need packages that are not installed, or something that the sandbox forbids",
        )


def _refuse_links(spec: ModelSpec, folder: Path) -> None:
    """What is read afterwards must be files that the code wrote, not a way out of its folder."""
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(place, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ConversionError(
                    f"{spec.full_name}: its code left {sanitize(name)}, which is no plain file",
                    hint="look at that code: this is no accident",
                )
