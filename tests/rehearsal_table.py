"""models/rehearsed.tsv: how far each model came in a rehearsal. tests/rehearse.py writes it, docs/how_it_was_made_page.py draws it."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from pathlib import Path

from posezoo.figures.rehearsals import DIGEST, row_digest

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "models" / "rehearsed.tsv"

#: A rehearsal's steps, in their order.
STEPS = ("get", "run", "evaluate", "benchmark", "quantize", "export")

#: The name, the digest of the model.yml that was rehearsed, what the weights were, what became of each step, and the
#: digest of the row. A model whose published files the tests use has no words there.
COLUMNS = ("model", "declared", "weights", *STEPS, DIGEST)

#: How the words of a step begin.
DONE, FAILED, NOT_RUN = "yes", "failed: ", "not run: "

Row = dict[str, str]


def read_table(path: Path = TABLE) -> dict[str, Row]:
    """The rows by model; none if there is no table yet."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["model"]: row for row in csv.DictReader(file, delimiter="\t")}


def write_table(rows: Iterable[Row]) -> None:
    """Write all rows."""
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, DIGEST: row_digest(row["model"], row)} for row in rows)


def declared_digest(model_yml: Path) -> str:
    """The beginning of the SHA-256 of a model.yml."""
    return hashlib.sha256(model_yml.read_bytes()).hexdigest()[:12]
