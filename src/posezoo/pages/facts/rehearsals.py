"""How far models came with generated weights, as a registry's rehearsed.tsv says."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from posezoo.core.regular_files import read_regular_text

TABLE = "rehearsed.tsv"


def read_rehearsals(root: Path) -> Mapping[str, dict[str, str]]:
    """The rows by model; none if a registry has no such table, or it cannot be read."""
    with suppress(OSError, UnicodeDecodeError, csv.Error):
        rows = csv.DictReader(read_regular_text(root / TABLE).splitlines(), delimiter="\t")
        return {row.pop("model", ""): row for row in rows}
    return {}
