"""How far models came with generated weights, as a registry's rehearsed.tsv says."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from posezoo.core.regular_files import read_regular_text

TABLE = "rehearsed.tsv"
#: The column with the ``row_digest`` of its row.
DIGEST = "digest"


def read_rehearsals(root: Path) -> Mapping[str, dict[str, str]]:
    """The rows by model; none if a registry has no such table, or it cannot be read."""
    with suppress(OSError, UnicodeDecodeError, csv.Error):
        rows = csv.DictReader(read_regular_text(root / TABLE).splitlines(), delimiter="\t")
        return {row.pop("model", ""): row for row in rows}
    return {}


def row_digest(model: str, row: Mapping[str, str]) -> str:
    """The beginning of the SHA-256 of a model's name and of the other cells of its row: it shows
    that a row is as the rehearsal wrote it.
    """
    cells = [
        model,
        *(str(cell or "") for name, cell in row.items() if name not in ("model", DIGEST)),
    ]
    return hashlib.sha256("\t".join(cells).encode()).hexdigest()[:12]
