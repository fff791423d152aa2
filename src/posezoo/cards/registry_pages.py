"""Every page of a registry: a card for each model and composite, its facts, and the index of them all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from posezoo.cards.gluoncv_tables import draw_gluoncv_tables
from posezoo.cards.markdown import Markdown, format_local_link, format_table
from posezoo.cards.measurement_tables import format_complexity
from posezoo.cards.model_card import FACTS, NAME, NOTE, PICTURES, draw_card, draw_facts
from posezoo.cards.skeleton_svg import draw_skeleton
from posezoo.facts.labels import (
    Model,
    download_size,
    format_megabytes,
    format_percent,
    framework_labels,
    task_label,
)
from posezoo.pose.keypoints import SKELETONS
from posezoo.registry import Registry, license_path
from posezoo.spec.model import CompositeSpec, ModelSpec

INDEX = "index.md"
HEADERS = (
    "Model", "Task", "Framework", "Size", "Licence",
    "GFLOPs", "GFLOPs counted", "MParams", "MParams counted", "AP",
)  # fmt: skip
LEGEND = """\
GFLOPs, MParams and AP are the published ones; *counted* is what we counted on our IR, by the rule of Open
Model Zoo's cards."""


def draw_pages(root: Path) -> dict[str, str]:
    """The text of each page by its path below the registry's root, with / between its parts.

    Raises:
        SpecError: a file of the registry declares something that cannot be meant.
    """
    registry = Registry([root])
    pages: dict[str, str] = {}
    rows, models = [], []
    for model, parts in _in_order(registry):
        pages |= draw_model(model, parts)
        rows.append(_row(model, parts, f"{model.subdirectory}/{NAME}", root))
        models.append(model)
    tables = "".join(f"\n{paragraph}\n" for paragraph in draw_gluoncv_tables(models, root))
    pages[INDEX] = f"<!-- {NOTE} -->\n\n# Models\n\n{format_table(HEADERS, rows)}\n\n{LEGEND}\n{tables}"
    return pages


def draw_model(model: Model, parts: Sequence[ModelSpec]) -> dict[str, str]:
    """A model's own pages and the picture that they show: text by path below the registry's root."""
    pages = {
        f"{model.subdirectory}/{NAME}": draw_card(model, parts),
        f"{model.subdirectory}/{FACTS}": draw_facts(model, parts),
    }
    skeleton = SKELETONS.get(model.skeleton)
    if skeleton is None or not skeleton.keypoints:
        return pages
    return pages | {f"{PICTURES}/{skeleton.name}.svg": draw_skeleton(skeleton)}


def _in_order(registry: Registry) -> Iterator[tuple[Model, Sequence[ModelSpec]]]:
    """Alphabetical, the parts of a composite below it in the order they run in."""
    for entry in registry.entries.values():
        if entry.composite:
            continue
        model = entry.read()
        parts = registry.parts(model)
        yield model, parts
        if isinstance(model, CompositeSpec):
            yield from ((part, (part,)) for part in parts)


def _row(model: Model, parts: Sequence[ModelSpec], page: str, root: Path) -> tuple[str, ...]:
    name = format_local_link(page, model.name)
    if model.deprecated is not None:
        name = Markdown(f"{name} (deprecated)")
    return (
        Markdown(f"↳ {name}") if isinstance(model, ModelSpec) and model.composite else name,
        task_label(model.task),
        ", ".join(framework_labels(parts)),
        format_megabytes(download_size(parts)),
        _licenses(parts, root),
        *_figures(model),
    )


def _figures(model: Model) -> tuple[str, ...]:
    """GFLOPs and MParams, published and counted, and the first published AP; empty where nothing is said."""
    if isinstance(model, CompositeSpec):
        return ("",) * 5
    said, (gflops, mparams) = model.published, format_complexity(model)
    first = next((each for each in said.accuracy if each.metric == "AP"), None)
    ap = "" if first is None else format_percent(first.value)
    return _digits(said.gflops), gflops, _digits(said.mparams), mparams, ap


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _licenses(parts: Sequence[ModelSpec], root: Path) -> Markdown:
    links = {
        format_local_link(Path(os.path.relpath(license_path(part), root)).as_posix(), part.license.spdx)
        if part.license.text
        else Markdown("")
        for part in parts
    }
    return Markdown(", ".join(sorted(filter(None, links))))
