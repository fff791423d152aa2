"""The legal part of a card: licenses with text and holder, origin, papers, training,
limitations.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from posezoo.cli.labels import join
from posezoo.core.declarations.model import License, ModelSpec
from posezoo.core.registry import license_path
from posezoo.core.regular_files import read_beginning
from posezoo.pages.cards.markdown import (
    Paragraphs,
    escape,
    format_code,
    format_code_block,
    format_link,
    format_local_link,
)
from posezoo.pages.facts.model_facts import ModelFacts, unique
from posezoo.pages.facts.papers import format_bibtex
from posezoo.pages.license_notice import read_copyright_line

#: The card contains a license text up to this length: MIT and BSD texts must be part of every copy.
SHORT = 4000


def render_training_section(facts: ModelFacts) -> Paragraphs:
    """The section Training Pipeline: how the publisher trained the model and its variants."""
    rows = []
    models = facts.parts_and_variants
    for model in models:
        owner = f" of {format_code(model.full_name)}" if len(models) > 1 else ""
        addresses = {"Training command": model.training.command, "Training log": model.training.log}
        rows += [
            f"{title}{owner}: {format_link(address)}"
            for title, address in addresses.items()
            if address
        ]
    if rows:
        yield "## Training Pipeline"
        yield "\n\n".join(rows)


def render_limitations_section(facts: ModelFacts) -> Paragraphs:
    """The section Limitations: what the model cannot do."""
    limits = facts.limits
    if limits:
        yield "## Limitations"
        yield "\n".join(f"- {escape(limit)}" for limit in limits)


def render_legal_sections(facts: ModelFacts) -> Paragraphs:
    """The sections Legal Information and Citation."""
    parts = facts.parts
    folder = facts.model.path.parent if facts.layout is None else None
    yield "## Legal Information"
    by_license: dict[License, ModelSpec] = {}
    for part in parts:
        by_license.setdefault(part.license, part)
    for part in by_license.values():
        yield from _license(part, folder)
    yield from map(escape, unique(part.license_note for part in parts))
    repositories = unique(part.origin.repository for part in parts)
    papers = unique(address for part in parts for address in part.origin.papers)
    for title, listed in (("Origin", repositories), ("Paper", papers)):
        if listed:
            yield f"{title}: {', '.join(map(format_link, listed))}"
    if facts.papers:
        yield "## Citation"
        yield format_code_block("bibtex", map(format_bibtex, facts.papers))


def _license(part: ModelSpec, folder: Path | None) -> Paragraphs:
    """The terms of a part, its copyright line, and its license text if it is short."""
    terms = _terms(part.license, part, folder)
    yield f"The model is distributed under {terms}." if terms else "No license is declared."
    holder = read_copyright_line(part)
    if holder:
        yield escape(holder)
    text = _short_text(part)
    if text:
        yield format_code_block("text", text.splitlines())


def _terms(license: License, part: ModelSpec, folder: Path | None) -> str:
    """The name of a license, with a link to its text; empty if no license is declared.

    ``folder`` is the card's; None if the card is outside the registry and cannot link to its files.
    """
    if license.text and folder:
        path = Path(os.path.relpath(license_path(part), folder))
        return format_local_link(path.as_posix(), license.spdx)
    if license.text:
        return f"{escape(license.spdx)} ({format_code(f'licenses/{license.text}')})"
    address = f"the terms at {format_link(license.url)}" if license.url else ""
    return join(escape(license.spdx), address, separator=" ")


def _short_text(part: ModelSpec) -> str:
    """The license text without the copyright line; empty if it is too long or cannot be read."""
    try:
        text = read_beginning(license_path(part), 2 * SHORT)
    except OSError:
        return ""
    if len(text) > SHORT or not read_copyright_line(part):
        return ""
    plain = "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
    return re.sub(r"\A.*\n+", "", plain).rstrip()
