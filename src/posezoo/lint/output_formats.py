"""Findings as machines read them: rows, SARIF 2.1.0, and the annotations of a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from posezoo.lint.finding import Finding, to_safe_line
from posezoo.lint.rule import RuleInfo

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_rows(findings: Iterable[Finding]) -> dict[str, object]:
    """For ``--format json``."""
    return {"findings": [finding.to_row() for finding in findings]}


def to_sarif(findings: Sequence[Finding], rules: Iterable[RuleInfo], version: str) -> dict[str, object]:
    """A log in the Static Analysis Results Interchange Format, version 2.1.0 (OASIS).

    Files below the working folder are told relative to it, as those who show such logs in code expect.
    """
    rules = tuple(rules)
    numbers = {rule.id: index for index, rule in enumerate(rules)}
    driver = {"name": "posezoo", "semanticVersion": version, "rules": [_rule(rule) for rule in rules]}
    results = [_result(finding, numbers[finding.rule]) for finding in findings]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _rule(rule: RuleInfo) -> dict[str, object]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.explanation.partition(": ")[0]},
        "fullDescription": {"text": rule.explanation},
        "help": {"text": f"{rule.explanation}\nExample: {rule.example}"},
        "defaultConfiguration": {"level": str(rule.severity)},
    }


def _result(each: Finding, number: int) -> dict[str, object]:
    region = {"startLine": each.line, "startColumn": each.column}
    return {
        "ruleId": each.rule,
        "ruleIndex": number,
        "level": str(each.severity),
        "message": {"text": each.message},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": _uri(each.file)}, "region": region}}
        ],
        "partialFingerprints": {"finding/v1": fingerprint(each)},
        "properties": {
            "model": each.model, "field": each.field, "found": each.found, "expected": each.expected,
        },
    }  # fmt: skip


def _uri(file: str) -> str:
    path = Path(relative_path(file))
    return path.absolute().as_uri() if path.is_absolute() else quote(path.as_posix())


def fingerprint(each: Finding) -> str:
    """What stays the same of a finding when lines move."""
    parts = (each.rule, each.model, Path(each.file).name, each.field, each.found, each.expected)
    return sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]


def to_github_annotations(findings: Iterable[Finding]) -> Iterator[str]:
    """Lines that GitHub's runners show beside the changed lines of a pull request."""
    levels = {"note": "notice"}
    for finding in findings:
        level = levels.get(finding.severity, str(finding.severity))
        file = _property(to_safe_line(relative_path(finding.file)))
        where = f"file={file},line={finding.line},col={finding.column},title={_property(finding.rule)}"
        yield f"::{level} {where}::{_data(f'{finding.model}: {finding.message}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def relative_path(file: str) -> str:
    """A path below the working folder as it is typed there."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
