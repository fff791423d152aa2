"""posezoo verify: check files and IR on disk, or the metadata of a registry."""

from __future__ import annotations

import argparse
import os
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.report import print_json, print_result
from posezoo.cli.run_main import command_line, print_to_stderr
from posezoo.cli.selection import select_models
from posezoo.errors import LockError, SettingsError, suggest
from posezoo.events import Listener, RunStarted, WorkFinished, WorkStarted
from posezoo.facts.json_projection import project
from posezoo.facts.labels import format_count
from posezoo.registry import builtin_models_dir

if TYPE_CHECKING:
    from posezoo.layout import ModelLayout
    from posezoo.lint.finding import Finding
    from posezoo.lint.rule import RuleInfo
    from posezoo.lockfile import LockFile
    from posezoo.registry import Registry, Selection
    from posezoo.spec.model import ModelSpec
    from posezoo.verify import ArtifactState

EXAMPLES = """
posezoo verify blazepose-full
posezoo verify --all --weights_dir models --format json
posezoo verify --metadata
posezoo verify --metadata --models_dir open_model_zoo/models --format sarif
posezoo verify --metadata --changed_since main --baseline known.json
posezoo verify --explain unusual-constant
"""

FORMATS = ("text", "json", "sarif", "github")

METADATA_FLAGS = (
    Flag(
        "--metadata",
        "compare model.yml, cards, accuracy-check.yml and index pages with each other; "
        "needs no weights and no network",
    ),
    Flag(
        "--explain RULE",
        "explain what a rule of --metadata demands and why, with an example; all explains every"
        " rule",
    ),
    Flag(
        "--changed_since, --changed-since REV",
        "with --metadata: check only models that a change touches: whose folders, index page,"
        " license text, paper or skeleton differ from a Git revision; all models if nothing differs"
        " from it",
    ),
    Flag(
        "--baseline FILE",
        "with --metadata: do not report the known findings, which are listed in this file",
    ),
    Flag(
        "--write_baseline FILE", "with --metadata: write all findings to this file, for --baseline"
    ),
    Flag(
        "--artifacts DIR",
        "with --metadata: also check shapes, names, GFLOPs and MParams of the files and IR"
        " below DIR",
    ),
)

FLAGS = (
    flags.MODELS,
    *METADATA_FLAGS,
    flags.download_dir_flag(),
    f"weights_dir {flags.LOCK} {flags.REGISTRY}",
    flags.format_flag(FORMATS),
    "log quiet",
)


def run(args: argparse.Namespace) -> int:
    """Print the state of each artifact, or the findings in the metadata; 1 if anything is wrong."""
    if is_metadata_check(args):
        from posezoo.registry import open_registry

        if args.all and args.models:
            args.parser.error("either name models or use --all")
        roots = flags.settings_from_args(args).models_dir
        flags.require_local("verify --metadata", *roots)
        registry = open_registry(roots)
        with flags.console_from_args(args) as console:
            console(RunStarted(command_line(), len(args.models or registry.entries)))
            return run_metadata_check(args, registry, args.models or None)

    patterns = flags.patterns_from_args(args)
    context = flags.context_from_args(args)
    with flags.console_from_args(args) as console:
        selection = select_models(context.registry, patterns, console)
        console(RunStarted(command_line(), len(selection.models)))
        return run_artifact_check(args, selection, context.layout, context.lock, console)


def run_artifact_check(
    args: argparse.Namespace,
    selection: Selection,
    layout: ModelLayout,
    lock: LockFile,
    listener: Listener,
    *,
    downloader: str = "posezoo download",
    converter: str = "posezoo convert",
) -> int:
    """Check the files and IR of the models, print their states, and return the exit code.

    Args:
        lock: the pins of first use; a strict lock refuses files and IR that it does not contain.
        listener: receives an event for each model.
        downloader, converter: the commands, before the name of a model, that make an artifact
            again.
    """
    artifacts, refusals = _check_models(selection, layout, lock, listener)
    failed = [artifact for artifact in artifacts if artifact.state != "good"]
    lines = [f"refused  {refusal.problem}" for refusal in refusals]
    for artifact in artifacts:
        detail = artifact.expected if artifact.state == "good" else f"{artifact.path}"
        lines.append(f"{artifact.state:8} {artifact.model}: {artifact.artifact} ({detail})")
    if failed:
        command = _repair_command(failed[0], layout, downloader, converter)
        repair = shlex.join([*command, *flags.registry_arguments(args)])
        if not command:  # posezoo has no command that removes files that it did not write
            repair = f"moving {failed[0].path} away"
        lines.append(f"{len(failed)} of {len(artifacts)} are not good; {repair} repairs the first")
    answer = {
        "artifacts": [asdict(artifact) for artifact in artifacts],
        "refused": [project(refusal, "problem hint") for refusal in refusals],
    }
    print_result(args, answer, *lines)
    return 1 if failed or refusals or selection.problems else 0


def _check_models(
    selection: Selection, layout: ModelLayout, lock: LockFile, listener: Listener
) -> tuple[list[ArtifactState], list[LockError]]:
    from posezoo.verify import check_composite

    artifacts: list[ArtifactState] = []
    refusals: list[LockError] = []
    for spec in selection.models:
        listener(WorkStarted(spec.full_name, f"{os.getpid()}"))
        states, refusal = _check_model(spec, layout, lock)
        artifacts += states
        problems = [f"{each.artifact} is {each.state}" for each in states if each.state != "good"]
        if refusal is not None:
            refusals.append(refusal)
            problems.insert(0, refusal.problem)
        listener(WorkFinished(spec.full_name, not problems, "; ".join(problems)))
    for composite in selection.composites:
        _pull_folders(layout, composite.subdirectory)
        artifacts += check_composite(composite, layout)
    return artifacts, refusals


def _pull_folders(layout: ModelLayout, subdirectory: str) -> None:
    """Bring the files of a composite, but not those of its parts, to the working copy."""
    from posezoo.files.stores import pull

    for root in dict.fromkeys((layout.download_dir, layout.output_dir)):
        pull(root / subdirectory, layout.limits, lambda name: "/" not in name, afresh=True)


def _repair_command(
    artifact: ArtifactState, layout: ModelLayout, downloader: str, converter: str
) -> list[str]:
    """The command that makes an artifact again; empty if no command does."""
    is_omz_command = not converter.startswith("posezoo")
    folder_flag = "-o" if is_omz_command else "--weights_dir"
    if artifact.state in ("extra", "symlinked", "special"):
        return []
    if artifact.converted:
        words = [*converter.split(), artifact.model, *artifact.flags.split()]
        # omz_converter takes the files from the working folder by default.
        if layout.download_dir != layout.output_dir or is_omz_command:
            words += ["-d", f"{layout.download_dir}"]
        return [*words, folder_flag, f"{layout.output_dir}"]
    words = [*downloader.split(), artifact.model, folder_flag, f"{layout.download_dir}"]
    if artifact.state == "unknown":
        words.append("--trust_on_first_use")
    return words


def _check_model(
    spec: ModelSpec, layout: ModelLayout, lock: LockFile
) -> tuple[list[ArtifactState], LockError | None]:
    """The states of a model's files and IR; and the error if a strict lock does not contain
    them.
    """
    from posezoo.files.stores import pull
    from posezoo.ir.provenance import read_provenance
    from posezoo.spec.model import Precision
    from posezoo.verify import check_artifacts

    for folder in dict.fromkeys((layout.model_download_dir(spec), layout.model_dir(spec))):
        pull(folder, layout.limits, afresh=True)
    found: list[ArtifactState] = []
    try:
        found += check_artifacts(lock.with_pins(spec), layout)
        for precision in Precision if lock.is_strict else ():
            record = read_provenance(layout.provenance_path(spec, precision))
            agreed = lock.agreed_ir(spec, precision)
            if record is not None and agreed is not None:
                agreed.require(record.contents)
    except LockError as error:
        return found, error
    return found, None


def is_metadata_check(args: argparse.Namespace) -> bool:
    """Whether --metadata is given; the parser reports an error if its other flags come without
    it.
    """
    names = ("explain", "changed_since", "baseline", "write_baseline", "artifacts")
    given = [name for name in names if getattr(args, name) is not None]
    if not args.metadata and given != ["explain"]:
        if given:
            args.parser.error(f"--{given[0]} requires --metadata")
        if args.format not in ("text", "json"):
            args.parser.error(f"--format {args.format} requires --metadata")
    elif args.registries:
        args.parser.error(
            "--registry does not go with --metadata, which checks folders: --models_dir"
        )
    return bool(args.metadata or given)


def run_metadata_check(
    args: argparse.Namespace, registry: Registry, patterns: Sequence[str] | None
) -> int:
    """Check the models that match the patterns (None: all), print the findings, and return the exit
    code.
    """
    from posezoo.lint.output_formats import baseline_key, read_baseline, write_baseline
    from posezoo.lint.rule import FORMER_IDS
    from posezoo.lint.rules import check_registry

    if args.explain is not None:
        _explain_rules(FORMER_IDS.get(args.explain, args.explain))
        return 0
    if registry.empty_message:  # a wrong --models_dir must not pass the check
        raise SettingsError(registry.empty_message, hint="check --models_dir")
    if args.artifacts is not None and not args.artifacts.is_dir():
        raise SettingsError(f"--artifacts: {args.artifacts}: no such folder")
    names = _select_names(registry, patterns)
    if args.changed_since is not None:
        names = _select_changed(registry, names, args.changed_since)
    known = frozenset() if args.baseline is None else read_baseline(args.baseline)
    alone = patterns is not None and args.changed_since is None
    findings = list(check_registry(registry, names, alone=alone))
    if args.artifacts is not None:
        from posezoo.lint.recomputation import recompute_artifacts

        findings += recompute_artifacts(registry, names, args.artifacts)
    if args.write_baseline is not None:
        write_baseline(args.write_baseline, findings, registry.roots)
    findings = [each for each in findings if baseline_key(each, registry.roots) not in known]
    _print_findings(findings, args.format, len(registry.entries) if names is None else len(names))
    return int(any(finding.severity == "error" for finding in findings))


def _explain_rules(name: str) -> None:
    """Print what a rule demands and why; ``all`` means every rule."""
    rules = _all_rules()
    if name == "all":
        explained = [*rules.values()]
    elif name in rules:
        explained = [rules[name]]
    else:
        hint = suggest(name, rules) or f"the rules: {', '.join(rules)}"
        raise SettingsError(f"no rule is called {name!a}", hint=hint)
    for rule in explained:
        print(f"{rule.id} ({rule.severity})\n  {rule.explanation}\n  Example: {rule.example}")


def _select_names(registry: Registry, patterns: Sequence[str] | None) -> frozenset[str] | None:
    """The names of the models and composites that match the patterns, and of the composites'
    parts.
    """
    if patterns is None:
        return None
    names: set[str] = set()
    for pattern in patterns:
        matches = {
            name for name in registry.entries if name == pattern or fnmatchcase(name, pattern)
        }
        if not matches:
            registry.select([pattern])  # raises an error that suggests the most similar name
        names |= matches
    parts = {entry.name for entry in registry.entries.values() if entry.composite in names}
    return frozenset(names | parts)


def _select_changed(
    registry: Registry, names: frozenset[str] | None, revision: str
) -> frozenset[str] | None:
    """Those of the models (None: all) that a change touches; all if there is no change.

    A message on the standard error says if this is none, or all.
    """
    from posezoo.lint.git_changes import find_changed_models

    models_dir = builtin_models_dir()
    if registry.roots == (models_dir,) and models_dir.parent not in (
        Path.cwd(),
        *Path.cwd().parents,
    ):
        problem = (
            "--changed_since: the models of the installed posezoo are in no repository of yours"
        )
        raise SettingsError(problem, hint="name the folder of your models: --models_dir DIR")
    changed = find_changed_models(registry, revision)
    if changed is None:
        print_to_stderr(f"nothing differs from {revision}: all models are checked")
        return names
    names = changed if names is None else names & changed
    if not names:
        print_to_stderr(
            f"the change since {revision} touches none of the models: nothing is checked"
        )
    return names


def _print_findings(findings: Sequence[Finding], style: str, count: int) -> None:
    from posezoo.lint import output_formats
    from posezoo.lint.rules import load_rules

    if style == "json":
        print_json({"findings": [finding.to_row() for finding in findings]})
        return
    if style == "sarif":
        from posezoo.versions import version

        print_json(output_formats.to_sarif(findings, _all_rules().values(), version()))
        return
    format_line = (
        output_formats.to_github_annotation if style == "github" else output_formats.to_text
    )
    for finding in findings:
        print(format_line(finding))
    counts = Counter(str(finding.severity) for finding in findings)
    details = ", ".join(
        format_count(number, severity) for severity, number in sorted(counts.items())
    )
    found = format_count(len(findings), "finding")
    summary = f"{count} models and composites, {len(load_rules())} rules, {found}"
    print(f"{summary}: {details}" if findings else summary)


def _all_rules() -> dict[str, RuleInfo]:
    from posezoo.lint.recomputation import ARTIFACT_RULES
    from posezoo.lint.rules import load_rules

    return {**load_rules(), **ARTIFACT_RULES}
