"""Format findings as lines of text, as SARIF 2.1.0, and as annotations of a pull request on GitHub."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from posezoo.lint.finding import Finding, to_safe_line
from posezoo.lint.rule import RuleInfo

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_text(finding: Finding) -> str:
    """A line of text that starts with ``file:line:column``, which terminals and editors show as a link."""
    place = f"{to_safe_line(_relative_path(finding.file))}:{finding.line}:{finding.column}"
    return f"{place}: {finding.severity}: {finding.message} [{finding.rule}]"


def to_sarif(findings: Sequence[Finding], rules: Iterable[RuleInfo], version: str) -> dict[str, object]:
    """A log in the Static Analysis Results Interchange Format (OASIS SARIF 2.1.0).

    Files below the working folder have relative paths: viewers look them up in the repository.
    """
    rules = tuple(rules)
    indices = {rule.id: index for index, rule in enumerate(rules)}
    descriptors = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.explanation.partition(": ")[0]},
            "fullDescription": {"text": rule.explanation},
            "help": {"text": f"{rule.explanation}\nExample: {rule.example}"},
            "defaultConfiguration": {"level": str(rule.severity)},
        }
        for rule in rules
    ]
    driver = {"name": "posezoo", "semanticVersion": version, "rules": descriptors}
    results = [_sarif_result(finding, indices[finding.rule]) for finding in findings]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _sarif_result(finding: Finding, rule_index: int) -> dict[str, object]:
    path = Path(_relative_path(finding.file))
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    region = {"startLine": finding.line, "startColumn": finding.column}
    # The fingerprint does not depend on the line number, so it stays the same if lines move.
    identity = (
        finding.rule, finding.model, Path(finding.file).name, finding.field, finding.found, finding.expected,
    )  # fmt: skip
    digest = sha256("\0".join(identity).encode(errors="surrogateescape")).hexdigest()
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": str(finding.severity),
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}],
        "partialFingerprints": {"finding/v1": digest[:32]},
        "properties": {
            "model": finding.model,
            "field": finding.field,
            "found": finding.found,
            "expected": finding.expected,
        },
    }


def to_github_annotation(finding: Finding) -> str:
    """A line that GitHub's runners show beside the changed lines of a pull request."""
    level = "notice" if finding.severity == "note" else str(finding.severity)
    file = _escape_property(to_safe_line(_relative_path(finding.file)))
    title = _escape_property(finding.rule)
    message = _escape(f"{finding.model}: {finding.message}")
    return f"::{level} file={file},line={finding.line},col={finding.column},title={title}::{message}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def _relative_path(file: str) -> str:
    """The path relative to the working folder if it is below it; otherwise unchanged."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
