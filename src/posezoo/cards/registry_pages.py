"""The pages of a registry: a card and a card.json for each model and composite, and an index."""

from __future__ import annotations

import os
from pathlib import Path

from posezoo.cards.gluoncv_tables import draw_gluoncv_tables
from posezoo.cards.markdown import Markdown, format_local_link, format_table
from posezoo.cards.measurement_tables import format_complexity
from posezoo.cards.model_card import NAME, NOTE, draw_model_pages
from posezoo.facts.labels import format_megabytes, format_percent, task_label
from posezoo.facts.model_facts import ModelFacts
from posezoo.registry import Registry, license_path
from posezoo.spec.model import CompositeSpec

INDEX = "index.md"
HEADERS = (
    "Model", "Task", "Framework", "Size", "License",
    "GFLOPs", "GFLOPs counted", "MParams", "MParams counted", "AP",
)  # fmt: skip
LEGEND = """\
GFLOPs, MParams and AP are as published; those that are *counted* were counted on the IR, by the rule of Open
Model Zoo's cards."""


def draw_pages(root: Path) -> dict[str, str]:
    """The text of each page by its path below the registry's root, with / between its parts.

    Raises:
        SpecError: a file of the registry is not valid.
    """
    registry = Registry([root])
    models: list[ModelFacts] = []  # the parts of a composite follow it in the order in which they run
    for entry in registry.entries.values():
        if not entry.composite:
            model = entry.read()
            parts = registry.parts(model)
            models.append(ModelFacts(model, parts))
            models += (ModelFacts(part, (part,)) for part in parts if isinstance(model, CompositeSpec))
    pages: dict[str, str] = {}
    for facts in models:
        pages |= draw_model_pages(facts)
    table = format_table(HEADERS, [_row(facts, root) for facts in models])
    paragraphs = draw_gluoncv_tables([facts.model for facts in models])
    tables = "".join(f"\n{paragraph}\n" for paragraph in paragraphs)
    pages[INDEX] = f"<!-- {NOTE} -->\n\n# Models\n\n{table}\n\n{LEGEND}\n{tables}"
    return pages


def _row(facts: ModelFacts, root: Path) -> tuple[str, ...]:
    model = facts.model
    name = format_local_link(f"{model.subdirectory}/{NAME}", model.name)
    if model.deprecated is not None:
        name = Markdown(f"{name} (deprecated)")
    licenses = {
        format_local_link(Path(os.path.relpath(license_path(part), root)).as_posix(), part.license.spdx)
        for part in facts.parts
        if part.license.text
    }
    metrics = [""] * 5
    if not isinstance(model, CompositeSpec):
        published, (gflops, mparams) = model.published, format_complexity(model)
        aps = (format_percent(claim.value) for claim in published.accuracy if claim.metric == "AP")
        metrics = [_digits(published.gflops), gflops, _digits(published.mparams), mparams, next(aps, "")]
    return (
        Markdown(f"↳ {name}") if facts.composite else name,
        task_label(model.task),
        ", ".join(facts.framework_labels),
        format_megabytes(facts.size_bytes),
        Markdown(", ".join(sorted(licenses))),
        *metrics,
    )


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
