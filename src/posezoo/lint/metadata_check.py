"""Checks the metadata of a registry, for posezoo lint.

--fix changes in model.yml: addresses for which a rule knows the right one, and, if the file is
here, its size, and its SHA-384 if only a SHA-256 is declared, as in Open Model Zoo 2021.4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from difflib import unified_diff
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from posezoo.console.json_projection import project
from posezoo.console.labels import format_count
from posezoo.console.printing import print_to_stderr
from posezoo.console.report import (
    align_columns,
    print_json,
    print_lines,
    print_result,
    print_text,
    truncate_to_width,
)
from posezoo.console.terminal import terminal_width
from posezoo.core.declarations.model import Digest, ModelSpec, SourceFile
from posezoo.core.declarations.yaml_nodes import YamlNode, parse_yaml, read_yaml_bytes
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.digest_store import store_candidates
from posezoo.core.errors import OutputError, PosezooError, SettingsError, SpecError, suggest
from posezoo.core.files.verified_files import compute_digests, write_atomically
from posezoo.core.layout import require_inside
from posezoo.core.registry import TAG_MARK, Registry
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.lint.accuracy_check_yml import find_node, list_files, list_leaves
from posezoo.lint.finding import Finding
from posezoo.lint.git_changes import (
    find_changed_models,
    read_earlier_models,
    refuse_installed_models,
)
from posezoo.lint.output_formats import (
    identify,
    read_baseline,
    to_github_annotation,
    to_sarif,
    to_text,
)
from posezoo.lint.recomputation import ARTIFACT_RULES, recompute_artifacts
from posezoo.lint.registry_view import ModelView, RegistryView
from posezoo.lint.rule import RuleInfo
from posezoo.lint.rules import check_models, load_rules
from posezoo.lint.rules.preparation_rules import list_unjudged, unexplained_change
from posezoo.lint.yaml_edits import YamlEdit, apply_edits

#: The keys of a finding in JSON.
_ROW = "rule severity model file line column field found expected message"


def run_metadata_check(
    registry: Registry,
    patterns: Sequence[str] | None,
    *,
    style: str,
    changed_since: str | None,
    baseline: Path | None,
    artifacts: Path | None,
    fixing: Context | None,
    is_dry_run: bool,
) -> int:
    """Check the models that match the patterns (None: all), print the findings, and return the exit
    code.

    Args:
        style: the form of the findings: text, json, sarif or github.
        changed_since: a Git revision; only models that changed since then are checked.
        baseline: a file with what style json printed before; these findings are not reported.
        artifacts: the folder of files and IR that are checked, too.
        fixing: where files may be for ``--fix``; None changes no model.yml.
        is_dry_run: whether the changes of ``--fix`` are only shown.
    """
    if registry.empty_message:  # a wrong --models_dir must not pass the check
        raise SettingsError(
            registry.empty_message, hint="check --models_dir, or models_dir in posezoo.cfg"
        )
    if artifacts and not artifacts.is_dir():
        raise SettingsError(f"--artifacts: {artifacts}: no such folder")
    names = _select_names(registry, patterns)
    earlier = None
    if changed_since is not None:
        names = _select_changed(registry, names, changed_since)
        earlier = read_earlier_models(registry, changed_since)
    accepted = frozenset() if baseline is None else read_baseline(baseline)
    only = names if changed_since is None else None
    zoo = RegistryView(registry, only, earlier)
    findings = list(check_models(zoo.select(names)))
    if fixing is not None and _fix(
        findings, registry, names, fixing, style=style, is_dry_run=is_dry_run
    ):
        zoo = RegistryView(Registry(registry.roots), only, earlier)
        findings = list(check_models(zoo.select(names)))
    if artifacts:
        findings += recompute_artifacts(registry, names, artifacts)
    findings = _leave_out_known(findings, accepted)
    _print_findings(findings, style, zoo.select(names), registry.roots, artifacts)
    return int(any(finding.severity == "error" for finding in findings))


def _leave_out_known(
    findings: Sequence[Finding], accepted: Collection[tuple[str, ...]]
) -> list[Finding]:
    # Who makes a change could also add it to the baseline.
    return [
        each
        for each in findings
        if each.rule == unexplained_change.id or identify(each) not in accepted
    ]


def explain_rules(name: str) -> None:
    """Print what a rule requires, or every rule with the name all.

    Raises:
        SettingsError: no rule has this name.
    """
    rules = _all_rules()
    if name == "all":
        explained = [*rules.values()]
    elif name in rules:
        explained = [rules[name]]
    else:
        hint = suggest(name, rules) or f"the rules: {', '.join(rules)}"
        raise SettingsError(f"no rule is called {name!a}", hint=hint)
    for rule in explained:
        print_text(f"{rule.id} ({rule.severity})\n  {rule.explanation}\n  Example: {rule.example}")


def _select_names(registry: Registry, patterns: Sequence[str] | None) -> frozenset[str] | None:
    """The names of the models and composites that match the patterns, and of the composites'
    parts; that of a variant stands for its model, whose model.yml declares it.
    """
    if patterns is None:
        return None
    names = set()
    for pattern in patterns:
        if TAG_MARK in pattern:
            registry.select([pattern])  # raises an error if there is no such variant
        names |= {entry.name for entry in registry.matching(pattern.partition(TAG_MARK)[0])}
    parts = {entry.name for entry in registry.entries.values() if entry.composite in names}
    return frozenset(names | parts)


def _select_changed(
    registry: Registry, names: frozenset[str] | None, revision: str
) -> frozenset[str] | None:
    """Those of the models (None: all) that a change touches; all if there is no change.

    A message on the standard error says if this is none, or all.
    """
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


def _fix(
    findings: Sequence[Finding],
    registry: Registry,
    names: frozenset[str] | None,
    context: Context,
    *,
    style: str,
    is_dry_run: bool,
) -> bool:
    refuse_installed_models(registry, "--fix")
    chosen = registry.entries if names is None else sorted(names)
    changes: Counter[str] = Counter()
    count = 0
    for fix in find_fixes(findings, registry, chosen, context):
        try:
            if not isinstance(fix, Fix):
                raise fix
            if is_dry_run:
                print_result("", None, *fix.diff.splitlines(), is_taken=style != "text")
            else:
                fix.write(registry.roots)
        except PosezooError as error:
            print_to_stderr(f"warning: {error.problem}; {error.hint}")
            continue
        changes.update(fix.changes)
        count += 1
    kinds = ", ".join(format_count(number, kind) for kind, number in sorted(changes.items()))
    verb = "would change" if is_dry_run else "changed"
    of = f" in {format_count(count, 'file')}" if count else ""
    print_to_stderr(f"--fix {verb} {kinds or 'nothing'}{of}")
    return count > 0 and not is_dry_run


def _print_findings(
    findings: Sequence[Finding],
    style: str,
    models: Sequence[ModelView],
    roots: Sequence[Path],
    artifacts: Path | None,
) -> None:
    if style == "json":
        print_json({"findings": [project(each, _ROW) for each in findings]})
        return
    if style == "sarif":
        print_json(to_sarif(findings, _all_rules().values()))
        return
    format_line = to_github_annotation if style == "github" else to_text
    for finding in findings:
        print_lines(format_line(finding))
    if style == "text":
        print_lines(*_format_groups(findings))
    total = format_count(len(findings), "finding")
    checked = "1 model or composite" if len(models) == 1 else f"{len(models)} models and composites"
    # In a wrong folder, posezoo's own zoo is checked.
    where = ", ".join(map(str, roots))
    summary = f"{checked} in {where}, {len(load_rules())} rules, {total}"
    if findings:
        summary += f": {_count_by_severity(findings)}"
    counts = Counter(chain.from_iterable(map(list_unjudged, models)))
    unjudged = [text.format(models=format_count(counts[text], "model")) for text in sorted(counts)]
    if find_spec("torch") is None:
        unjudged.append("parameters of networks (no PyTorch)")
    if artifacts is None:
        unjudged.append("files and IR (no --artifacts)")
    if unjudged:
        summary += f"; not judged: {', '.join(unjudged)}"
    print_lines(summary)


def _format_groups(findings: Sequence[Finding]) -> list[str]:
    counts = Counter(finding.rule for finding in findings)
    if len(counts) == len(findings):
        return []
    rules = _all_rules()
    rows = []
    for rule, _ in counts.most_common():
        of_rule = [finding for finding in findings if finding.rule == rule]
        models = format_count(len({finding.model for finding in of_rule}), "model")
        summary = rules[rule].explanation.partition(": ")[0].rstrip(".")
        mended = "--fix" if rule in ADDRESS_RULES else "by hand"
        rows.append((_count_by_severity(of_rule), models, mended, rule, summary))
    width = terminal_width()
    return [truncate_to_width(line, width) for line in align_columns(rows)]


def _count_by_severity(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.severity for finding in findings)
    return ", ".join(format_count(number, severity) for severity, number in sorted(counts.items()))


def _all_rules() -> dict[str, RuleInfo]:
    return {**load_rules(), **ARTIFACT_RULES}


#: The rules whose findings name the address of the same file. Of safe-sources, nobody knows whether
#: the host has https.
ADDRESS_RULES = ("page-source",)


@frozen
class Fix:
    """The changed text of one file, and what changed in it."""

    path: Path
    before: bytes
    after: bytes
    changes: tuple[str, ...]  # for each: source, size or digest

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        old, new = (
            text.decode("utf-8", "replace").splitlines(keepends=True)
            for text in (self.before, self.after)
        )
        return "".join(unified_diff(old, new, f"{self.path}", f"{self.path}"))

    def write(self, roots: Sequence[Path]) -> None:
        """Write the file atomically, with the permissions that it had.

        Raises:
            OutputError: it cannot be written, is a link, or is behind a link that leads out of the
                roots of its registry.
        """
        path = self.path
        if path.is_symlink():
            raise OutputError(
                f"{path}: is not changed, since it is a link to {path.resolve()}",
                hint="change that file itself",
            )
        require_inside(path, roots)
        mode = path.stat().st_mode
        write_atomically(path, self.after)
        with suppress(OSError):  # only its owner may change them
            path.chmod(mode)


def find_fixes(
    findings: Iterable[Finding], registry: Registry, names: Iterable[str], context: Context
) -> Iterator[Fix | SpecError]:
    """The changes to the files of these models, with files from this machine only, or an error
    where a change in place is not possible.
    """
    addresses: dict[str, dict[str, str]] = {}
    for finding in findings:
        if finding.rule in ADDRESS_RULES and finding.expected.startswith("https://"):
            addresses.setdefault(finding.file, {})[finding.found] = finding.expected
    for name in names:
        entry = registry.entries[name]
        with suppress(SpecError):  # a file that cannot be read is never changed
            spec = entry.read()
            before = read_yaml_bytes(entry.path)
            tree = parse_yaml(before, str(entry.path))
            if not isinstance(spec, ModelSpec):
                continue
            files = _list_files(tree, spec)
            of_files = addresses.get(str(entry.path), {})
            edits = []
            for leaf in chain.from_iterable(list_leaves(declared.node) for declared in files):
                expected = of_files.get(f"{leaf.value}")
                if expected and "source" in leaf.field_path:
                    edits.append(("source", YamlEdit(leaf, expected)))
            edits += _edit_files(files, context)
            if not edits:
                continue
            try:
                after = apply_edits(before, [edit for _, edit in edits])
                yield Fix(entry.path, before, after, tuple(kind for kind, _ in edits))
            except SpecError as error:
                yield error


@frozen
class _DeclaredFile:
    variant: ModelSpec
    file: SourceFile
    node: YamlNode


def _list_files(tree: YamlNode, spec: ModelSpec) -> list[_DeclaredFile]:
    files: dict[str, _DeclaredFile] = {}
    for variant in (spec, *spec.variants):
        for file, node in zip(variant.files, list_files(tree, variant.tag), strict=True):
            files.setdefault(node.field_path, _DeclaredFile(variant, file, node))
    return list(files.values())


def _edit_files(files: Iterable[_DeclaredFile], context: Context) -> Iterator[tuple[str, YamlEdit]]:
    for declared in files:
        file = declared.file
        size = find_node(declared.node, "size")
        sha256 = find_node(declared.node, "sha256")
        is_older = file.checksum is not None and file.checksum.algorithm == "sha256"
        if size is None or file.size is None:
            continue
        here = _find_here(file, declared.variant, context)
        if here is None:
            continue
        actual_size, sha384 = here
        if actual_size != file.size:
            yield "size", YamlEdit(size, f"{actual_size}")
        if is_older and sha256:
            yield "digest", YamlEdit(sha256, sha384.value, key="checksum")


def _find_here(file: SourceFile, spec: ModelSpec, context: Context) -> tuple[int, Digest] | None:
    download = DownloadContext(spec, context.download_options)
    stored = (candidate.path for candidate in store_candidates(file, download))
    folder = spec.path.parent
    names = (file.name, file.name.rpartition("/")[2])
    paths = [context.layout.file_path(spec, file), *(folder / name for name in names), *stored]
    algorithms = [digest.algorithm for digest in file.digests]
    for path in dict.fromkeys(filter(None, paths)):
        with suppress(OSError):
            *declared, sha384 = compute_digests(path, [*algorithms, "sha384"])
            if declared and tuple(declared) == file.digests:
                return path.stat().st_size, sha384
    return None
