"""Baselines: files of known findings, so that only new ones fail a check."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from posezoo.errors import SettingsError
from posezoo.files.verified_files import write_atomically
from posezoo.lint.finding import Finding
from posezoo.lint.rule import FORMER_IDS

#: The values that identify a finding. Line numbers and the checkout's folder may change, so they are not
#: used.
KEYS = ("rule", "model", "file", "field", "found", "expected")
MAX_BYTES = 1 << 26


def read_baseline(path: Path) -> frozenset[tuple[str, ...]]:
    """The keys of the findings in a baseline file; former rule ids are replaced by the current ones.

    Raises:
        SettingsError: it cannot be read, or is not a baseline.
    """
    hint = "--write_baseline writes one"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path}: is larger than any baseline")
        rows = json.loads(path.read_bytes())["findings"]
        keys = (tuple(str(row[key]) for key in KEYS) for row in rows)
        return frozenset((FORMER_IDS.get(rule, rule), *others) for rule, *others in keys)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}", hint=hint) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SettingsError(f"{path}: is not a baseline", hint=hint) from error


def write_baseline(path: Path, findings: Iterable[Finding], roots: Sequence[Path]) -> None:
    """Write findings as a baseline.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = [dict(zip(KEYS, baseline_key(finding, roots), strict=True)) for finding in findings]
    rows.sort(key=lambda row: (row["file"], row["rule"], row["field"], row["found"]))
    write_atomically(path, (json.dumps({"findings": rows}, indent=1) + "\n").encode())


def baseline_key(finding: Finding, roots: Sequence[Path]) -> tuple[str, ...]:
    """The values of ``KEYS`` for a finding; its file is relative to the registry's root."""
    file = Path(finding.file)
    root = next((root for root in roots if file.is_relative_to(root)), file.parent)
    relative = file.relative_to(root).as_posix()
    return (finding.rule, finding.model, relative, finding.field, finding.found, finding.expected)
