"""posezoo verify: check files and IR on disk, or the metadata of a registry."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from posezoo.cli import flags, metadata_check
from posezoo.cli.report import Console, print_result
from posezoo.cli.selection import select_models
from posezoo.errors import LockError

if TYPE_CHECKING:
    from posezoo.layout import ModelLayout
    from posezoo.lockfile import LockFile
    from posezoo.registry import Selection
    from posezoo.verify import ArtifactState

SUMMARY = "check downloaded files and IR for changed, missing and extra ones"

EXAMPLES = """
posezoo verify blazepose-full
posezoo verify --all --output_dir models --format json
posezoo verify --metadata
posezoo verify --metadata --models_dir open_model_zoo/models --format sarif
posezoo verify --metadata --changed_since main --baseline known.json
posezoo verify --explain unusual-constant
"""

FLAGS = (
    flags.MODELS,
    *metadata_check.METADATA_FLAGS,
    flags.download_dir_flag("the output folder"),
    f"output_dir {flags.LOCK} models_dir",
    flags.format_flag(metadata_check.FORMATS),
    "quiet",
)


def run(args: argparse.Namespace) -> int:
    """Print the state of each artifact, or the findings in the metadata; 1 if anything is wrong."""
    if metadata_check.is_requested(args):
        from posezoo.registry import open_registry

        if args.all and args.models:
            args.parser.error("either name models or use --all")
        registry = open_registry(flags.settings_from_args(args).models_dir)
        return metadata_check.run_metadata_check(args, registry, args.models or None)

    patterns = flags.patterns_from_args(args)
    context = flags.context_from_args(args)
    with Console(quiet=args.quiet) as console:
        selection = select_models(context.registry, patterns, console)
    return run_artifact_check(args, selection, context.layout, context.lock, _repair_command)


def run_artifact_check(
    args: argparse.Namespace,
    selection: Selection,
    layout: ModelLayout,
    lock: LockFile,
    repair_command: Callable[[ArtifactState, ModelLayout], list[str]],
) -> int:
    """Check the files and IR of the models, print their states, and return the exit code.

    Args:
        lock: the pins of first use; a strict lock refuses files and IR that it does not contain.
        repair_command: returns the command that downloads or converts an artifact again.
    """
    from posezoo.ir.provenance import read_provenance
    from posezoo.spec.model import Precision
    from posezoo.verify import check_artifacts, check_composite

    artifacts: list[ArtifactState] = []
    refusals: list[LockError] = []
    for spec in selection.models:
        try:
            artifacts += check_artifacts(lock.with_pins(spec), layout)
            for precision in Precision if lock.is_strict else ():
                record = read_provenance(layout.provenance_path(spec, precision))
                agreed = lock.agreed_ir(spec, precision)
                if record is not None and agreed is not None:
                    agreed.require(record.contents)
        except LockError as error:
            refusals.append(error)
    for composite in selection.composites:
        artifacts += check_composite(composite, layout)
    failed = [artifact for artifact in artifacts if artifact.state != "good"]
    rows = [asdict(artifact) for artifact in artifacts]
    reasons = [{"problem": refusal.problem, "hint": refusal.hint} for refusal in refusals]
    lines = [f"refused  {refusal.problem}" for refusal in refusals]
    for artifact in artifacts:
        detail = artifact.expected if artifact.state == "good" else str(artifact.path)
        lines.append(f"{artifact.state:8} {artifact.model}: {artifact.artifact} ({detail})")
    if failed:
        first = failed[0]
        # posezoo has no command that removes files that it did not write.
        is_foreign = first.state in ("extra", "symlinked", "special")
        command = [] if is_foreign else [*repair_command(first, layout), *flags.registry_arguments(args)]
        repair = f"moving {first.path} away" if is_foreign else shlex.join(command)
        lines.append(f"{len(failed)} of {len(artifacts)} are not good; {repair} repairs the first")
    print_result(args, {"artifacts": rows, "refused": reasons}, *lines)
    return 1 if failed or refusals or selection.problems else 0


def _repair_command(failed: ArtifactState, layout: ModelLayout) -> list[str]:
    if failed.converted:
        downloads = ["-d", str(layout.download_dir)] if layout.download_dir != layout.output_dir else []
        folders = [*downloads, "-o", str(layout.output_dir)]
        return ["posezoo", "convert", failed.model, *failed.flags.split(), *folders]
    return ["posezoo", "download", failed.model, "-o", str(layout.download_dir), *trust_flags(failed)]


def trust_flags(failed: ArtifactState) -> list[str]:
    """The flag that the download of a file without a pin requires."""
    return ["--trust_on_first_use"] if failed.state == "unknown" else []
