"""Draw docs/explanations/rehearsal.md from models/rehearsed.tsv, which tests/rehearse.py writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.registry import open_registry
from posezoo.pages.cards.markdown import Markdown, format_code, format_table
from rehearsal_table import DONE, STEPS, declared_digest, read_table

#: What a model.yml that has changed since its rehearsal is marked with.
CHANGED = "declared again since"

#: What becomes of the steps of most models, which need no row.
USUAL = ("yes", "4 found", "yes", "yes", "yes", "yes")


def draw_values() -> Mapping[str, Any]:
    """The table, and what stands above and below it."""
    rows = read_table().values()
    rehearsed = [row for row in rows if row["get"]]
    reasons: list[str] = []
    alike: dict[tuple[str, ...], list[str]] = {}
    for row in rehearsed:
        cells = tuple(_cell(row, step, reasons) for step in STEPS)
        alike.setdefault(cells, []).append(f"{_name(row)} {_bytes(row['weights'])}".strip())
    names = ", ".join(alike.pop(USUAL))
    usual = f"In these, `run` draws the four people, and no other step has a remark: {names}."
    table = format_table(
        ["Other models, and bytes", *STEPS],
        [(Markdown(", ".join(names)), *cells) for cells, names in alike.items()],
    )
    listed = "\n".join(f"{number}. {reason}" for number, reason in enumerate(reasons, 1))
    return {
        "count": len(rows),
        "others": len(rehearsed),
        "at_hand": len(rows) - len(rehearsed),
        "summary": f"{_summary(rehearsed)}\n\n{usual}",
        "table": table,
        "reasons": listed,
        "names": ", ".join(format_code(row["model"]) for row in rows if not row["get"]),
    }


def _summary(rows: list[dict[str, str]]) -> str:
    ended = Counter(step for row in rows for step in STEPS if row[step].startswith(DONE))
    steps = ", ".join(f"{step} {ended[step]}" for step in STEPS)
    whole = sum(all(row[step].startswith(DONE) for step in STEPS) for row in rows)
    return f"Of {len(rows)} models, {whole} come to the end of all steps: {steps}."


def _name(row: Mapping[str, str]) -> str:
    name = format_code(row["model"])
    return f"{name} ({CHANGED})" if is_changed(row) else name


def is_changed(row: Mapping[str, str]) -> bool:
    """Whether a model.yml is another one than that of the rehearsal."""
    spec = open_registry().find(row["model"])
    assert isinstance(spec, ModelSpec)
    return bool(row["declared"]) and row["declared"] != declared_digest(spec.path)


def _bytes(weights: str) -> str:
    """The share of the published bytes, if their number is known."""
    return next((word for word in weights.split() if word[0].isdigit()), "")


def _cell(row: Mapping[str, str], step: str, reasons: list[str]) -> str:
    """What became of a step; a number if there is a reason below the table."""
    state, _, reason = row[step].partition(": ")
    if not reason:
        return state.removeprefix("yes, and ").removeprefix("yes, ")
    text = reason.removeprefix(f"{row['model']}: ")
    if text not in reasons:
        reasons.append(text)
    return f"{state} ({reasons.index(text) + 1})"
