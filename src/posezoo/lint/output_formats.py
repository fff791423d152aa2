"""Format findings as text, as SARIF 2.1.0, and as annotations on GitHub; and read
known findings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from posezoo.console.json_projection import project
from posezoo.core.errors import SettingsError, os_reason
from posezoo.core.regular_files import read_regular_bytes
from posezoo.core.versions import version
from posezoo.lint.finding import Finding, to_safe_line
from posezoo.lint.rule import RuleInfo

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
#: The values that identify a finding. Line numbers and the checkout's folder may change, so they
#: are not used.
KEYS = ("rule", "model", "file", "field", "found", "expected")
MAX_BYTES = 1 << 26
_HOST = re.compile(r"https?://[^/\s]*")


def to_text(finding: Finding) -> str:
    """A line of text that starts with ``file:line:column``, which terminals and editors show as a
    link.
    """
    file = to_safe_line(relative_path(finding.file))
    place = f"{file}:{finding.line}:{finding.column}"
    return f"{place}: {finding.severity}: {finding.message} [{finding.rule}]"


def to_sarif(findings: Sequence[Finding], rules: Iterable[RuleInfo]) -> dict[str, object]:
    """A log in the Static Analysis Results Interchange Format (OASIS SARIF 2.1.0).

    Files below the working folder have relative paths, for viewers.
    """
    rules = tuple(rules)
    indices = {rule.id: index for index, rule in enumerate(rules)}
    descriptors = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.explanation.partition(": ")[0]},
            "fullDescription": {"text": rule.explanation},
            "help": {"text": f"{rule.explanation}\nExample: {rule.example}"},
            "defaultConfiguration": {"level": rule.severity},
        }
        for rule in rules
    ]
    driver = {"name": "posezoo", "semanticVersion": version(), "rules": descriptors}
    results = []
    for finding in findings:
        path = Path(relative_path(finding.file))
        uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
        region = {"startLine": finding.line, "startColumn": finding.column}
        location = {"artifactLocation": {"uri": uri}, "region": region}
        # The fingerprint does not depend on the line number, so it stays the same if lines move.
        content = "\0".join(identify(finding)).encode(errors="surrogateescape")
        result = {
            "ruleId": finding.rule,
            "ruleIndex": indices[finding.rule],
            "level": finding.severity,
            "message": {"text": finding.message},
            "locations": [{"physicalLocation": location}],
            "partialFingerprints": {"finding/v1": sha256(content).hexdigest()[:32]},
            "properties": project(finding, "model field found expected"),
        }
        results.append(result)
    run = {"tool": {"driver": driver}, "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def to_github_annotation(finding: Finding) -> str:
    """A line that GitHub's runners show beside the changed lines of a pull request."""
    level = "notice" if finding.severity == "note" else finding.severity
    file = _escape_property(to_safe_line(_path_in_repository(finding.file)))
    title = _escape_property(finding.rule)
    message = _escape(f"{finding.model}: {finding.message}")
    return (
        f"::{level} file={file},line={finding.line},col={finding.column},title={title}::{message}"
    )


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def _path_in_repository(file: str) -> str:
    """The path relative to the root of its git repository, as GitHub names files.

    Without one, it is relative to the working folder.
    """
    path = Path(file).resolve()
    for folder in path.parents:
        if (folder / ".git").exists():
            return path.relative_to(folder).as_posix()
    return relative_path(file)


def relative_path(file: str) -> str:
    """The path relative to the working folder if it is below it; otherwise unchanged."""
    path = Path(file)
    here = Path.cwd()
    if path.is_relative_to(here):
        return str(path.relative_to(here))
    return file


def read_baseline(path: Path) -> frozenset[tuple[str, ...]]:
    """The keys of the findings in a baseline file."""
    hint = "posezoo lint --format json prints one"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path}: is larger than any baseline")
        rows = json.loads(read_regular_bytes(path))["findings"]
        return frozenset(map(_identify, rows))
    except OSError as error:
        reason = os_reason(error)
        raise SettingsError(f"{path}: cannot be read: {reason}", hint=hint) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SettingsError(f"{path}: is not a baseline", hint=hint) from error


def identify(finding: Finding) -> tuple[str, ...]:
    """The values of ``KEYS`` for a finding."""
    return _identify(project(finding, " ".join(KEYS)))


def _identify(row: Mapping[str, object]) -> tuple[str, ...]:
    """A registry may move, so that only the name of the file counts."""
    values = {key: _without_host(str(row[key])) for key in KEYS}
    return tuple((values | {"file": Path(values["file"]).name}).values())


def _without_host(text: str) -> str:
    """A text in which each address begins with its path: a host may move."""
    return _HOST.sub("", text)
