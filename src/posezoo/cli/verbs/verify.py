"""posezoo verify: files and IR on disk against what was declared and made; or a registry in itself."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from posezoo.cli import flags, metadata_check
from posezoo.cli.report import Console
from posezoo.cli.selection import select_models
from posezoo.errors import LockError

if TYPE_CHECKING:
    from posezoo.layout import ModelLayout
    from posezoo.lockfile import LockFile
    from posezoo.registry import Selection
    from posezoo.spec.model import ModelSpec
    from posezoo.verify.artifact_check import ArtifactState

EXAMPLES = """
posezoo verify blazepose-full
posezoo verify --all --output_dir models --format json
posezoo verify --metadata
posezoo verify --metadata --models_dir open_model_zoo/models --format sarif
posezoo verify --metadata --changed_since main --baseline known.json
posezoo verify --explain unusual-constant
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(
        verbs, "verify", "check downloaded files and IR: what changed, is missing, or extra", EXAMPLES
    )
    flags.add_model_flags(parser)
    metadata_check.add_metadata_flags(parser)
    flags.add_download_dir_flag(parser, "the output folder")
    flags.add_flags(parser, "output_dir", *flags.LOCK, "models_dir")
    flags.add_format_flags(parser, formats=metadata_check.FORMATS)
    return parser


def run(args: argparse.Namespace) -> int:
    """Print what was found; 1 where anything is not as it should be."""
    return _check_metadata(args) if metadata_check.is_requested(args) else _check_artifacts(args)


def _check_artifacts(args: argparse.Namespace) -> int:
    from posezoo.pipeline import open_zoo

    patterns = flags.patterns_from_args(args)
    zoo = open_zoo(flags.settings_from_args(args), download_dir=args.download_dir)
    with Console(quiet=args.quiet) as console:
        selection = select_models(zoo.registry, patterns, console)
    return run_artifact_check(
        selection, zoo.layout, zoo.lock, args.format, registry=flags.registry_arguments(args)
    )


def run_artifact_check(
    selection: Selection,
    layout: ModelLayout,
    lock: LockFile,
    output_format: str,
    *,
    cure: Callable[[ArtifactState, ModelLayout], list[str]] | None = None,
    registry: Sequence[str] = (),
) -> int:
    """Check the files and IR of the models, print what was found, and return the exit code.

    Args:
        selection: the models.
        layout: where their artifacts lie.
        lock: the pins of first use; a strict one refuses what it does not have.
        output_format: ``text`` or ``json``.
        cure: names the command that brings an artifact back; posezoo's own where None.
        registry: the flags by which that command finds the models.
    """
    from posezoo.verify.artifact_check import check_artifacts, check_composite

    checked: list[ArtifactState] = []
    refused: list[LockError] = []
    for spec in selection.models:
        try:
            checked += check_artifacts(lock.with_pins(spec), layout)
            _require_irs(spec, layout, lock)
        except LockError as error:
            refused.append(error)
    checked += (each for composite in selection.composites for each in check_composite(composite, layout))
    if output_format == "json":
        rows = [asdict(each) for each in checked]
        reasons = [{"problem": refusal.problem, "hint": refusal.hint} for refusal in refused]
        print(json.dumps({"artifacts": rows, "refused": reasons}, indent=2, default=str))
    else:
        for refusal in refused:
            print(f"refused  {refusal.problem}")
        for each in checked:
            told = each.expected if each.state == "good" else str(each.path)
            print(f"{each.state:8} {each.model}: {each.artifact} ({told})")
    failed = [each for each in checked if each.state != "good"]
    if failed and output_format == "text":
        mend = _repair_hint(failed[0], layout, cure or _repair_command, registry)
        print(f"{len(failed)} of {len(checked)} are not good; {mend} mends the first")
    return 1 if failed or refused or selection.problems else 0


def _require_irs(spec: ModelSpec, layout: ModelLayout, lock: LockFile) -> None:
    """Hold the IR that are here against a strict lock.

    Raises:
        LockError: one is not the lock's.
    """
    from posezoo.ir import provenance
    from posezoo.spec.model import Precision

    for precision in Precision if lock.is_strict else ():
        if record := provenance.read_provenance(layout.provenance_path(spec, precision)):
            lock.require_ir(spec, precision, record.contents)


def _repair_hint(
    failed: ArtifactState,
    layout: ModelLayout,
    cure: Callable[[ArtifactState, ModelLayout], list[str]],
    registry: Sequence[str],
) -> str:
    """What mends an artifact: nothing that we fetch or make takes away what is not ours."""
    if failed.state in ("extra", "symlinked", "special"):
        return f"moving {failed.path} away"
    return shlex.join([*cure(failed, layout), *registry])


def _repair_command(failed: ArtifactState, layout: ModelLayout) -> list[str]:
    """The command that brings an artifact back, in the folders that were looked at."""
    if not failed.converted:
        return ["posezoo", "download", failed.model, "-o", str(layout.download_dir), *trust_hint(failed)]
    apart = ["-d", str(layout.download_dir)] if layout.download_dir != layout.output_dir else []
    return ["posezoo", "convert", failed.model, *failed.flags.split(), *apart, "-o", str(layout.output_dir)]


def trust_hint(failed: ArtifactState) -> list[str]:
    """What a download must be told besides, of a file that nothing pins."""
    return ["--trust_on_first_use"] if failed.state == "unknown" else []


def _check_metadata(args: argparse.Namespace) -> int:
    from posezoo.registry import open_registry

    if args.all and args.models:
        args.parser.error("either name models or say --all")
    registry = open_registry(flags.settings_from_args(args).models_dir)
    return metadata_check.run_metadata_check(args, registry, args.models or None)
