"""posezoo verify: check files and IR on disk.

``posezoo verify --format json``::

    artifacts    list  model, artifact, state, path and what is expected of each file and IR
    refused      list  problem, hint: what the lock refuses
    not_fetched  list  with --all: the models that no command fetched, and that no lock names
    gone         list  with --all: models in the folder that the registry does not have

The exit code is 1 if an artifact is not good, or refused.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.run_main import command_line
from posezoo.cli.selection import select_models
from posezoo.console.json_projection import project, to_json
from posezoo.console.labels import format_count
from posezoo.console.report import print_result
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import LockError, shell_word
from posezoo.core.events import Listener, RunStarted, WorkFinished, WorkStarted
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.layout import ModelLayout
    from posezoo.core.lockfile import LockFile
    from posezoo.core.pipeline.artifact_states import ArtifactState
    from posezoo.core.registry import Selection

EXAMPLES = """
posezoo verify blazepose-full
posezoo verify --all --weights_dir models --format json
posezoo verify --all --locked
"""

FLAGS = (
    flags.MODELS,
    flags.download_dir_flag(),
    f"weights_dir {flags.LOCK} {flags.REGISTRY} {flags.FORMAT} log",
)


class _VerifyArgs(flags.ModelsArgs, flags.FormatArgs):
    weights_dir: Path | None


def run(args: _VerifyArgs) -> int:
    """Print the state of each file and IR; 1 if any is not good."""
    from posezoo.core.pipeline.removal import find_gone

    patterns = flags.patterns_from_args(args)
    context = flags.context_from_args(args)
    layout = context.layout
    if args.all and args.weights_dir:
        flags.require_weights_folder(layout)
    not_fetched: list[str] = []
    gone: list[str] = []
    with flags.console_from_args(args) as console:
        selection = select_models(context.registry, patterns, console)
        if args.all:
            gone += [spec.full_name for spec in find_gone(layout, selection.entries)]
            selection, not_fetched = _select_fetched(selection, layout, context.lock)
        console(RunStarted(command_line(), len(selection.models)))
        artifacts, refusals = _check_models(selection, layout, context.lock, console)
    checked = _Checked(artifacts, refusals, not_fetched, gone)
    answer = {
        "artifacts": to_json(artifacts),
        "refused": [project(refusal, "problem hint") for refusal in refusals],
        "not_fetched": not_fetched,
        "gone": gone,
    }
    lines = _format_checked(checked, layout, flags.registry_arguments(args))
    print_result(args.format, answer, *lines)
    return 1 if checked.failed or refusals or selection.problems else 0


@frozen
class _Checked:
    """The states of files and IR; what the lock refuses; models that are not checked."""

    artifacts: Sequence[ArtifactState]
    refusals: Sequence[LockError]
    not_fetched: Sequence[str]
    gone: Sequence[str]

    @property
    def failed(self) -> list[ArtifactState]:
        """The artifacts that are not good."""
        return [artifact for artifact in self.artifacts if artifact.state != "good"]


def _format_checked(
    checked: _Checked, layout: ModelLayout, registry_flags: Sequence[str]
) -> Iterator[str]:
    for refusal in checked.refusals:
        yield f"refused  {refusal.problem}"
    yield from map(_line, checked.artifacts)
    failed = checked.failed
    if failed:
        remedy = _name_remedy(failed[0], layout, registry_flags)
        yield f"{len(failed)} of {len(checked.artifacts)} are not good; {remedy} repairs the first"
    if checked.not_fetched:
        models = format_count(len(checked.not_fetched), "model")
        yield f"not checked: {models} that no command fetched, and that no lock names"
    if checked.gone:
        yield _describe_gone(checked.gone, layout, registry_flags)


def _select_fetched(
    selection: Selection, layout: ModelLayout, lock: LockFile
) -> tuple[Selection, list[str]]:
    """The models of a registry that must be here, since the lock names them or they were fetched;
    and the names of the others.
    """
    from posezoo.core.pipeline.artifact_states import was_fetched

    models = []
    others = []
    for spec in selection.models:
        if lock.entries_of(spec) or was_fetched(spec, layout):
            models.append(spec)
        else:
            others.append(spec.full_name)
    return replace(selection, models=tuple(models)), others


def _check_models(
    selection: Selection, layout: ModelLayout, lock: LockFile, listener: Listener
) -> tuple[list[ArtifactState], list[LockError]]:
    from posezoo.core.ir.provenance import read_ir_record
    from posezoo.core.pipeline.artifact_states import check_artifacts, check_composite

    artifacts = []
    refusals = []
    for spec in selection.models:
        listener(WorkStarted(spec.full_name, f"{os.getpid()}"))
        states: list[ArtifactState] = []
        problems = []
        try:
            states += check_artifacts(lock.with_pins(spec), layout)
            for xml in layout.made_irs(spec) if lock.is_strict else ():
                agreed = lock.agreed_ir(spec, Precision(xml.parent.name))
                if agreed and read_ir_record(xml):  # else it was published
                    agreed.require(xml)
        except LockError as error:
            refusals.append(error)
            problems.append(error.problem)
        artifacts += states
        problems += [f"{each.artifact} is {each.state}" for each in states if each.state != "good"]
        listener(WorkFinished(spec.full_name, not problems, "; ".join(problems)))
    for composite in selection.composites:
        artifacts += check_composite(composite, layout)
    return artifacts, refusals


def _line(artifact: ArtifactState) -> str:
    detail = f"{artifact.path}"
    if artifact.state == "good":
        detail = artifact.expected
    return f"{artifact.state:8} {artifact.model}: {artifact.artifact} ({detail})"


def _name_remedy(
    artifact: ArtifactState, layout: ModelLayout, registry_flags: Sequence[str]
) -> str:
    """The command that makes an artifact again; none removes files that posezoo did not write."""
    if artifact.state in ("extra", "symlinked", "special"):
        return f"moving {artifact.path} away"
    return shlex.join(["posezoo", *_repair_words(artifact, layout), *registry_flags])


def _repair_words(artifact: ArtifactState, layout: ModelLayout) -> Iterator[str]:
    precision = ("--precisions", artifact.path.parent.name)
    weights_dir = ("--weights_dir", f"{layout.output_dir}")
    if artifact.quantized:
        yield from ("quantize", artifact.model, "--images", "PHOTOS", *precision, *weights_dir)
    elif artifact.converted:
        yield from ("convert", artifact.model, *artifact.flags.split(), *precision)
        if layout.download_dir != layout.output_dir:
            yield from ("-d", f"{layout.download_dir}")
        yield from weights_dir
    else:
        yield from ("download", artifact.model, "--weights_dir", f"{layout.download_dir}")
        if artifact.state == "unknown":
            yield "--trust_on_first_use"


def _describe_gone(names: Sequence[str], layout: ModelLayout, registry_flags: Sequence[str]) -> str:
    words = ["posezoo cache remove", *names, "--weights_dir", shell_word(layout.output_dir)]
    if layout.download_dir != layout.output_dir:
        words += ["-d", shell_word(layout.download_dir)]
    words += map(shlex.quote, registry_flags)
    return (
        f"not checked: {format_count(len(names), 'model')} in {layout.download_dir} that this"
        f" registry does not have; if no other does: {' '.join(words)}"
    )
