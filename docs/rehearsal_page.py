"""Draw docs/explanations/rehearsal.md from models/rehearsed.tsv, which tests/rehearse.py writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.registry import open_registry
from posezoo.pages.cards.markdown import format_code
from rehearsal_table import DONE, STEPS, declared_digest, read_table


def draw_values() -> Mapping[str, Any]:
    """How many models came how far, and which were declared again."""
    rows = read_table().values()
    rehearsed = [row for row in rows if row["get"]]
    return {
        "count": len(rows),
        "others": len(rehearsed),
        "at_hand": len(rows) - len(rehearsed),
        "summary": _summary(rehearsed),
        "changed": _list_models(row for row in rehearsed if is_changed(row)),
    }


def _summary(rows: list[dict[str, str]]) -> str:
    ended = Counter(step for row in rows for step in STEPS if row[step].startswith(DONE))
    steps = ", ".join(f"{step} {ended[step]}" for step in STEPS)
    whole = sum(all(row[step].startswith(DONE) for step in STEPS) for row in rows)
    return f"Of {len(rows)} models, {whole} come to the end of all steps: {steps}."


def _list_models(rows: Iterable[Mapping[str, str]]) -> str:
    return ", ".join(format_code(row["model"]) for row in rows) or "none"


def is_changed(row: Mapping[str, str]) -> bool:
    """Whether a model.yml is another one than that of the rehearsal."""
    spec = open_registry().find(row["model"])
    assert isinstance(spec, ModelSpec)
    return bool(row["declared"]) and row["declared"] != declared_digest(spec.path)
