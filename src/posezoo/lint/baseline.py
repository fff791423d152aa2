"""Old findings that are known and wait: only new ones fail a check."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from posezoo.errors import SettingsError
from posezoo.files.verified_files import write_atomically
from posezoo.lint.finding import Finding

#: What a finding is known by; lines move, and so does the folder of a checkout.
KEYS = ("rule", "model", "file", "field", "found", "expected")
MAX_BYTES = 1 << 26


def read_baseline(path: Path) -> frozenset[tuple[str, ...]]:
    """The findings of a baseline file.

    Raises:
        SettingsError: it is not there, or is none.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path}: is larger than any baseline")
        rows = json.loads(path.read_bytes())["findings"]
        return frozenset(tuple(str(row[key]) for key in KEYS) for row in rows)
    except OSError as error:
        hint = "--write_baseline writes one"
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}", hint=hint) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SettingsError(f"{path}: is no baseline", hint="--write_baseline writes one") from error


def write_baseline(path: Path, findings: Iterable[Finding], roots: Sequence[Path]) -> None:
    """Write findings as what is known from now on.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = [dict(zip(KEYS, baseline_key(finding, roots), strict=True)) for finding in findings]
    rows.sort(key=lambda row: (row["file"], row["rule"], row["field"], row["found"]))
    write_atomically(path, (json.dumps({"findings": rows}, indent=1) + "\n").encode())


def baseline_key(finding: Finding, roots: Sequence[Path]) -> tuple[str, ...]:
    """What a finding is known by in a baseline."""
    file = Path(finding.file)
    below = next(
        (file.relative_to(root).as_posix() for root in roots if file.is_relative_to(root)), file.name
    )
    return (finding.rule, finding.model, below, finding.field, finding.found, finding.expected)
