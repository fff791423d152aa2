"""The metadata check of posezoo verify --metadata and verifier.py: its flags, model selection and reports."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from posezoo.cli.flags import Flag
from posezoo.cli.report import print_json
from posezoo.errors import SettingsError, suggest

if TYPE_CHECKING:
    from posezoo.lint.finding import Finding
    from posezoo.lint.rule import RuleInfo
    from posezoo.registry import Registry

FORMATS = ("text", "json", "sarif", "github")


METADATA_FLAGS = (
    Flag(
        "--metadata",
        "compare model.yml, cards, accuracy-check.yml and index pages with each other; "
        "needs no weights and no network",
    ),
    Flag(
        "--explain RULE",
        "with --metadata: what a rule demands, why, and an example; `all` explains every rule",
    ),
    Flag(
        "--changed_since, --changed-since REV",
        "with --metadata: only models whose folders differ from a Git revision",
    ),
    Flag("--baseline FILE", "with --metadata: leave out the known findings of this file"),
    Flag("--write_baseline FILE", "with --metadata: write the findings to this file as known ones"),
    Flag(
        "--artifacts DIR",
        "with --metadata: also check shapes, names, GFLOPs and MParams of the files and IR below DIR",
    ),
)


def is_requested(args: argparse.Namespace) -> bool:
    """Whether --metadata is given; the parser reports an error if its other flags come without it."""
    flags = ("explain", "changed_since", "baseline", "write_baseline", "artifacts")
    given = [name for name in flags if getattr(args, name) is not None]
    if not args.metadata and given != ["explain"]:
        if given:
            args.parser.error(f"--{given[0]} goes with --metadata")
        if args.format not in ("text", "json"):
            args.parser.error(f"--format {args.format} goes with --metadata")
    return bool(args.metadata or given)


def run_metadata_check(args: argparse.Namespace, registry: Registry, patterns: Sequence[str] | None) -> int:
    """Check the models that match the patterns (None: all), print the findings, and return the exit code.

    Raises:
        SettingsError: a flag has an invalid value.
        UnknownModelError: no model matches a pattern.
        MissingPackageError: markdown-it-py is not installed.
    """
    from posezoo.lint.rule import FORMER_IDS
    from posezoo.lint.rules import check_registry

    if args.explain is not None:
        rules, name = _all_rules(), FORMER_IDS.get(args.explain, args.explain)
        if name != "all" and name not in rules:
            hint = suggest(name, rules) or f"the rules: {', '.join(rules)}"
            raise SettingsError(f"no rule is called {name!a}", hint=hint)
        for rule in rules.values() if name == "all" else (rules[name],):
            print(f"{rule.id} ({rule.severity})\n  {rule.explanation}\n  Example: {rule.example}")
        return 0
    if registry.empty_message:  # a wrong --models_dir must not pass the check
        raise SettingsError(registry.empty_message, hint="check --models_dir")
    if args.artifacts is not None and not args.artifacts.is_dir():
        raise SettingsError(f"--artifacts: {args.artifacts}: no such folder")
    names = _select_names(registry, patterns)
    if args.changed_since is not None:
        from posezoo.lint.git_changes import find_changed_models

        changed = find_changed_models(registry, args.changed_since)
        names = changed if names is None else names & changed
    known: frozenset[tuple[str, ...]] = frozenset()
    if args.baseline is not None:
        from posezoo.lint.output_formats import baseline_key, read_baseline

        known = read_baseline(args.baseline)
    alone = patterns is not None and args.changed_since is None
    findings = list(check_registry(registry, names, alone=alone))
    if args.artifacts is not None:
        from posezoo.lint.recomputation import recompute_artifacts

        findings += recompute_artifacts(registry, names, args.artifacts)
    if args.write_baseline is not None:
        from posezoo.lint.output_formats import write_baseline

        write_baseline(args.write_baseline, findings, registry.roots)
    if known:
        findings = [finding for finding in findings if baseline_key(finding, registry.roots) not in known]
    _print_findings(findings, args.format, len(registry.entries) if names is None else len(names))
    return int(any(finding.severity == "error" for finding in findings))


def _select_names(registry: Registry, patterns: Sequence[str] | None) -> frozenset[str] | None:
    """The names of the models and composites that match the patterns, and of the composites' parts."""
    if patterns is None:
        return None
    names: set[str] = set()
    for pattern in patterns:
        matches = {name for name in registry.entries if name == pattern or fnmatchcase(name, pattern)}
        if not matches:
            registry.select([pattern])  # raises an error that suggests the most similar name
        names |= matches
    parts = {entry.name for entry in registry.entries.values() if entry.composite in names}
    return frozenset(names | parts)


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
    format_line = output_formats.to_github_annotation if style == "github" else output_formats.to_text
    for finding in findings:
        print(format_line(finding))
    counts = Counter(str(finding.severity) for finding in findings)
    details = ", ".join(f"{number} {severity}s" for severity, number in sorted(counts.items()))
    summary = f"{count} models and composites, {len(load_rules())} rules, {len(findings)} findings"
    print(f"{summary}: {details}" if findings else summary)


def _all_rules() -> dict[str, RuleInfo]:
    from posezoo.lint.recomputation import ARTIFACT_RULES
    from posezoo.lint.rules import load_rules

    return {**load_rules(), **ARTIFACT_RULES}
