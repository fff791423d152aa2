"""Draw docs/explanations/rehearsal.md from models/rehearsed.tsv, which tests/rehearse.py writes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.registry import open_registry
from posezoo.pages.cards.markdown import format_code
from rehearsal_table import DONE, STEPS, declared_digest, read_table


def draw_values() -> Mapping[str, Any]:
    """How many models came how far, and the remarks."""
    rows = read_table().values()
    rehearsed = [row for row in rows if row["get"]]
    return {
        "count": len(rows),
        "others": len(rehearsed),
        "at_hand": len(rows) - len(rehearsed),
        "summary": _summary(rehearsed),
        "remarks": _list_remarks(rehearsed),
        "changed": _list_models(row for row in rehearsed if is_changed(row)),
    }


def _summary(rows: list[dict[str, str]]) -> str:
    ended = Counter(step for row in rows for step in STEPS if row[step].startswith(DONE))
    steps = ", ".join(f"{step} {ended[step]}" for step in STEPS)
    whole = sum(all(row[step].startswith(DONE) for step in STEPS) for row in rows)
    return f"Of {len(rows)} models, {whole} come to the end of all steps: {steps}."


def _list_remarks(rows: Iterable[Mapping[str, str]]) -> str:
    """What a step says beside that it came to its end, with the models, one a line."""
    models: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        for step in STEPS:
            remark = re.sub(r"^yes(, and|,)? ?", "", row[step])
            remark = remark.replace(f"{row['model']}: ", "")
            if remark and not re.fullmatch(r"\d+ found", remark):
                models.setdefault(f"{step}, {remark}", []).append(row)
    return "\n".join(f"- {remark}: {_list_models(found)}" for remark, found in models.items())


def _list_models(rows: Iterable[Mapping[str, str]]) -> str:
    return ", ".join(format_code(row["model"]) for row in rows) or "none"


def is_changed(row: Mapping[str, str]) -> bool:
    """Whether a model.yml is another one than that of the rehearsal."""
    spec = open_registry().find(row["model"])
    assert isinstance(spec, ModelSpec)
    return bool(row["declared"]) and row["declared"] != declared_digest(spec.path)
