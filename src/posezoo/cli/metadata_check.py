"""posezoo verify --metadata, and verifier.py's: which rules, which models, which form of answer."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.errors import SettingsError, suggest

if TYPE_CHECKING:
    from posezoo.lint.finding import Finding
    from posezoo.lint.rule import RuleInfo
    from posezoo.registry import Registry

FORMATS = ("text", "json", "sarif", "github")


def add_metadata_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the check of metadata."""
    parser.add_argument(
        "--metadata",
        action="store_true",
        help="check what model.yml, cards, accuracy-check.yml and index pages say against each other; "
        "needs no weights and no network",
    )
    parser.add_argument(
        "--explain", metavar="RULE", help="with --metadata: what a rule demands, why, and an example; or all"
    )
    parser.add_argument(
        "--changed_since",
        "--changed-since",
        metavar="REV",
        help="with --metadata: only the models of whose folders something differs from a Git revision",
    )
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="with --metadata: findings that are known and are no news",
    )
    parser.add_argument(
        "--write_baseline",
        type=Path,
        metavar="FILE",
        help="with --metadata: write the findings as known ones",
    )
    parser.add_argument(
        "--artifacts",
        type=Path,
        metavar="DIR",
        help="with --metadata: also count shapes, names, GFLOPs and MParams on the files and IR below DIR",
    )


def is_requested(args: argparse.Namespace) -> bool:
    """Whether metadata is to be checked; its flags mean nothing without."""
    others = ("explain", "changed_since", "baseline", "write_baseline", "artifacts")
    if not args.metadata and (said := [name for name in others if getattr(args, name) is not None]):
        if said == ["explain"]:
            return True
        args.parser.error(f"--{said[0]} goes with --metadata")
    if not args.metadata and args.format not in ("text", "json"):
        args.parser.error(f"--format {args.format} goes with --metadata")
    return bool(args.metadata)


def run_metadata_check(args: argparse.Namespace, registry: Registry, patterns: Sequence[str] | None) -> int:
    """Check the models that the patterns match, all where None; print the findings; return the exit code."""
    from posezoo.lint.metadata_lint import check_registry

    if args.explain is not None:
        return _explain(args.explain)
    if registry.empty_message:  # a folder named by mistake must not pass for one in order
        raise SettingsError(registry.empty_message, hint="check --models_dir")
    if args.artifacts is not None and not args.artifacts.is_dir():
        raise SettingsError(f"--artifacts: {args.artifacts}: no such folder")
    names = _names(registry, patterns)
    if args.changed_since is not None:
        from posezoo.lint.git_changes import find_changed_models

        changed = find_changed_models(registry, args.changed_since)
        names = changed if names is None else names & changed
    known: frozenset[tuple[str, ...]] = frozenset()
    if args.baseline is not None:
        from posezoo.lint.baseline import baseline_key, read_baseline

        known = read_baseline(args.baseline)
    alone = patterns is not None and args.changed_since is None
    findings = list(check_registry(registry, names, alone=alone))
    if args.artifacts is not None:
        from posezoo.lint.recomputation import recompute_artifacts

        findings += recompute_artifacts(registry, names, args.artifacts)
    if args.write_baseline is not None:
        from posezoo.lint.baseline import write_baseline

        write_baseline(args.write_baseline, findings, registry.roots)
    if known:
        findings = [finding for finding in findings if baseline_key(finding, registry.roots) not in known]
    _print(findings, args.format, len(registry.entries) if names is None else len(names))
    return int(any(finding.severity == "error" for finding in findings))


def _names(registry: Registry, patterns: Sequence[str] | None) -> frozenset[str] | None:
    """The models and composites that the patterns match, composites with their parts."""
    from fnmatch import fnmatchcase

    if patterns is None:
        return None
    names: set[str] = set()
    for pattern in patterns:
        found = {name for name in registry.entries if name == pattern or fnmatchcase(name, pattern)}
        if not found:
            registry.select([pattern])  # says that there is none, and which is near
        names |= found
    parts = {entry.name for entry in registry.entries.values() if entry.composite in names}
    return frozenset(names | parts)


def _print(findings: Sequence[Finding], style: str, count: int) -> None:
    from posezoo.lint import output_formats
    from posezoo.lint.rules import RULES

    if style == "json":
        print(json.dumps(output_formats.to_rows(findings), indent=2))
    elif style == "sarif":
        from posezoo.versions import version

        print(json.dumps(output_formats.to_sarif(findings, _demands().values(), version()), indent=2))
    else:
        lines = output_formats.to_github_annotations(findings) if style == "github" else map(_line, findings)
        for line in lines:
            print(line)
        counts = Counter(str(finding.severity) for finding in findings)
        of_them = ", ".join(f"{number} {kind}s" for kind, number in sorted(counts.items()))
        told = f": {of_them}" if findings else ""
        print(f"{count} models and composites, {len(RULES)} rules, {len(findings)} findings{told}")


def _line(each: Finding) -> str:
    from posezoo.lint.finding import to_safe_line
    from posezoo.lint.output_formats import relative_path

    where = f"{to_safe_line(relative_path(each.file))}:{each.line}:{each.column}"
    return f"{where}: {each.severity}: {each.message} [{each.rule}]"


def _explain(name: str) -> int:
    demands = _demands()
    if name != "all" and name not in demands:
        known = suggest(name, demands) or f"the rules: {', '.join(demands)}"
        raise SettingsError(f"no rule is called {name!a}", hint=known)
    for rule in demands.values() if name == "all" else (demands[name],):
        print(f"{rule.id} ({rule.severity})\n  {rule.explanation}\n  Example: {rule.example}")
    return 0


def _demands() -> dict[str, RuleInfo]:
    """All that is demanded, of metadata and of artifacts."""
    from posezoo.lint.recomputation import ARTIFACT_RULES
    from posezoo.lint.rules import RULES

    return {**RULES, **ARTIFACT_RULES}
