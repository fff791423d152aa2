"""Whose a model is, on its card: terms with their text and holder, origin, papers, training, limits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from posezoo.cards.markdown import escape, format_code, format_code_block, format_link, format_local_link
from posezoo.facts.labels import Model, find_approach
from posezoo.facts.papers import collect_papers, format_bibtex
from posezoo.registry import license_path, read_copyright_line
from posezoo.spec.model import License, ModelSpec

ItemT = TypeVar("ItemT")

#: A text up to this length stands on the card: MIT's and BSD's, which ask to go with every copy.
SHORT = 4000

#: What follows from how a model looks at an image.
LIMITS = {
    "top-down": "It sees one person at a time: it is as good as whoever tells it where people are, and takes "
    "longer the more there are.",
    "bottom-up": "It sees the whole image at once, scaled to its input: people who are small in the image "
    "are found less well.",
}


def draw_training_section(parts: Sequence[ModelSpec]) -> Iterator[str]:
    """The section Training Pipeline: how the publisher trained the model, and its variants."""
    rows = []
    everyone = [model for part in parts for model in (part, *part.variants)]
    for each in everyone:
        whose = f" of {format_code(each.full_name)}" if len(everyone) > 1 else ""
        shown = {"Training command": each.training.command, "Training log": each.training.log}
        rows += [f"{title}{whose}: {format_link(address)}" for title, address in shown.items() if address]
    if rows:
        yield "## Training Pipeline"
        yield "\n\n".join(rows)


def draw_limitations_section(model: Model, parts: Sequence[ModelSpec]) -> Iterator[str]:
    """The section Limitations: what follows from how it works, and what its model.yml says."""
    if found := list_limitations(model, parts):
        yield "## Limitations"
        yield "\n".join(f"- {escape(each)}" for each in found)


def list_limitations(model: Model, parts: Sequence[ModelSpec]) -> list[str]:
    """What a model cannot do, a sentence or two each."""
    approach = find_approach(model)
    declared = unique([model.limits, *(part.limits for part in parts)])
    return [*([LIMITS[approach]] if approach else []), *declared]


def draw_legal_sections(model: Model, parts: Sequence[ModelSpec], *, linked: bool) -> Iterator[str]:
    """The sections Legal Information and Citation.

    Args:
        model: whose card it is.
        parts: the parts of a composite; a model itself, alone.
        linked: whether the card lies in the registry, from where the licence can be linked to.
    """
    yield "## Legal Information"
    for license in unique(part.license for part in parts):
        part = next(part for part in parts if part.license == license)
        terms = _terms(license, part, model.path.parent if linked else None)
        yield f"The model is distributed under {terms}."
        if holder := read_copyright_line(part) if license.text else "":
            yield escape(holder)
        if text := _short_text(part):
            yield format_code_block("text", text.splitlines())
    for note in unique(part.license_note for part in parts):
        yield escape(note)
    for title, addresses in (
        ("Origin", unique(part.origin.repository for part in parts)),
        ("Paper", unique(part.origin.paper for part in parts)),
    ):
        if addresses:
            yield f"{title}: {', '.join(map(format_link, addresses))}"
    if papers := collect_papers(parts):
        yield "## Citation"
        yield format_code_block("bibtex", "\n".join(map(format_bibtex, papers)).splitlines())


def _terms(license: License, part: ModelSpec, folder: Path | None) -> str:
    if not license.text:
        words = " ".join(filter(None, (license.spdx, "the terms at" if license.url else "")))
        return (
            " ".join(filter(None, (escape(words), format_link(license.url)))) or "terms that nobody declared"
        )
    text = license_path(part)
    if folder is None:
        return f"{escape(license.spdx)} ({format_code(f'licenses/{license.text}')})"
    return format_local_link(Path(os.path.relpath(text, folder)).as_posix(), license.spdx)


def _short_text(part: ModelSpec) -> str:
    """The licence's text without its holder's line, where it is short; else empty."""
    try:
        with open(license_path(part), encoding="utf-8") as file:
            text = file.read(SHORT + 1) if part.license.text else ""
    except (OSError, UnicodeDecodeError):
        return ""
    if len(text) > SHORT or not read_copyright_line(part):
        return ""
    plain = "".join(each if each.isprintable() or each == "\n" else "?" for each in text)
    return re.sub(r"\A.*\n+", "", plain).rstrip()


def unique(values: Iterable[ItemT]) -> list[ItemT]:
    """The values, each once and in their order, without empty ones."""
    return [value for value in dict.fromkeys(values) if value]
