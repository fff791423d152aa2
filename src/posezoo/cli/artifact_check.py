"""Checks the files and IR of models on disk, for verify and verifier.py."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from posezoo.cli.run_main import command_line
from posezoo.console.json_projection import project, to_json
from posezoo.console.labels import format_count, join
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


@frozen
class RepairCommands:
    """What makes an artifact again: the commands before the name of a model, and their flags."""

    flags: Sequence[str]  # those that select the registry
    downloader: str = "posezoo download"
    converter: str = "posezoo convert"
    quantizer: str = "posezoo quantize"


def _select_fetched(
    selection: Selection, layout: ModelLayout, lock: LockFile
) -> tuple[Selection, list[str]]:
    """The models of a registry that must be here, since the lock names them or they were fetched;
    and the names of the others.
    """
    from posezoo.core.files.fetched_models import read_fetched
    from posezoo.core.pipeline.artifact_states import was_fetched

    models = []
    others = []
    fetched = read_fetched(layout.download_dir)
    for spec in selection.models:
        is_known = lock.entries_of(spec) or spec.full_name in fetched
        if is_known or was_fetched(spec, layout):
            models.append(spec)
        else:
            others.append(spec.full_name)
    return replace(selection, models=tuple(models)), others


def run_artifact_check(
    selection: Selection,
    layout: ModelLayout,
    lock: LockFile,
    listener: Listener,
    *,
    style: str,
    repair: RepairCommands,
    is_whole_registry: bool,
) -> int:
    """Check the files and IR of the models, print their states, and return the exit code.

    Args:
        lock: the pins of first use; a strict lock refuses files and IR that it does not contain.
        is_whole_registry: whether no model was named; models that were never fetched are only
            counted.
    """
    from posezoo.core.pipeline.removal import find_gone

    not_fetched: list[str] = []
    gone: list[str] = []
    if is_whole_registry:
        gone += [spec.full_name for spec in find_gone(layout, selection.entries)]
        selection, not_fetched = _select_fetched(selection, layout, lock)
    listener(RunStarted(command_line(), len(selection.models)))
    artifacts, refusals = _check_models(selection, layout, lock, listener)
    failed = [artifact for artifact in artifacts if artifact.state != "good"]
    lines = [f"refused  {refusal.problem}" for refusal in refusals]
    lines += map(_line, artifacts)
    if failed:
        command = _repair_command(failed[0], layout, repair)
        remedy = shlex.join([*command, *repair.flags])
        if not command:  # posezoo has no command that removes files that it did not write
            remedy = f"moving {failed[0].path} away"
        lines.append(f"{len(failed)} of {len(artifacts)} are not good; {remedy} repairs the first")
    if not_fetched:
        models = format_count(len(not_fetched), "model")
        lines.append(f"not checked: {models} that no command fetched, and that no lock names")
    if gone:
        words = ["posezoo remove", *gone, "--weights_dir", shell_word(layout.output_dir)]
        if layout.download_dir != layout.output_dir:
            words += ["-d", shell_word(layout.download_dir)]
        words += map(shlex.quote, repair.flags)
        lines.append(
            f"not checked: {format_count(len(gone), 'model')} in {layout.download_dir} that this"
            f" registry does not have; if no other does: {' '.join(words)}"
        )
    answer = {
        "artifacts": to_json(artifacts),
        "refused": [project(refusal, "problem hint") for refusal in refusals],
        "not_fetched": not_fetched,
        "gone": gone,
    }
    print_result(style, answer, *lines)
    return 1 if failed or refusals or selection.problems else 0


def _line(artifact: ArtifactState) -> str:
    detail = f"{artifact.path}"
    if artifact.state == "good":
        detail = join(artifact.expected, artifact.int8)
    return f"{artifact.state:8} {artifact.model}: {artifact.artifact} ({detail})"


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


def _repair_command(
    artifact: ArtifactState, layout: ModelLayout, repair: RepairCommands
) -> list[str]:
    is_omz_command = not repair.converter.startswith("posezoo")
    folder_flag = "-o" if is_omz_command else "--weights_dir"
    if artifact.state in ("extra", "symlinked", "special"):
        return []
    if artifact.quantized:
        words = [*repair.quantizer.split(), artifact.model, "--dataset_dir", "PHOTOS"]
        folder_flag = "--model_dir" if is_omz_command else folder_flag
        words += ["--precisions", artifact.path.parent.name]
        return [*words, folder_flag, f"{layout.output_dir}"]
    if artifact.converted:
        words = [*repair.converter.split(), artifact.model, *artifact.flags.split()]
        words += ["--precisions", artifact.path.parent.name]
        # omz_converter takes the files from the working folder by default.
        if layout.download_dir != layout.output_dir or is_omz_command:
            words += ["-d", f"{layout.download_dir}"]
        return [*words, folder_flag, f"{layout.output_dir}"]
    words = [*repair.downloader.split(), artifact.model, folder_flag, f"{layout.download_dir}"]
    if artifact.state == "unknown":
        words.append("--trust_on_first_use")
    return words
