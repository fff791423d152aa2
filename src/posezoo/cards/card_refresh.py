"""Draw a card beside IR again if something that it is drawn from has changed.

This module imports little: most runs find a card that is up to date.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from posezoo import facts as facts_package
from posezoo.facts.model_facts import ModelFacts
from posezoo.files.file_record import fingerprint, read_record, update_record
from posezoo.measured import NAME as MEASURED
from posezoo.registry import license_path, registry_root
from posezoo.spec.model import Precision
from posezoo.versions import version

#: In posezoo's own folders, for those who change how a card is drawn.
_CODE = (Path(__file__).parent, Path(facts_package.__file__).parent)


def refresh_card(facts: ModelFacts) -> Path:
    """The path of a model's card beside its IR; see ``model_card.write_card``.

    The record of the card has a digest of what it was drawn from, and of the card itself: it is
    drawn again also if the user removed or changed it.
    """
    assert facts.layout
    card = facts.layout.model_dir(facts.model) / "README.md"
    if read_record(card).drawn == _describe_sources(facts, card):
        return card
    from posezoo.cards.model_card import write_card

    write_card(facts)
    if card.is_file():
        update_record(card, drawn=_describe_sources(facts, card))
    return card


def _describe_sources(facts: ModelFacts, card: Path) -> dict[str, str]:
    pins = [(file.name, str(file.checksum)) for part in facts.parts for file in part.files]
    files = {str(path): _fingerprint(path) for path in _list_files(facts, card)}
    content = json.dumps([version(), pins, files])
    return {"digest": hashlib.sha256(content.encode()).hexdigest()}


def _list_files(facts: ModelFacts, card: Path) -> Iterator[Path]:
    """All files that a card is drawn from, then the card and the files beside it."""
    assert facts.layout
    for model in facts.models:
        yield model.path
        yield model.path.with_name(MEASURED)
    yield registry_root(facts.model) / "papers.yml"
    for part in facts.parts:
        yield license_path(part)
        for precision in Precision:
            yield facts.layout.provenance_path(part, precision)
    for folder in _CODE:
        yield from sorted(folder.glob("*.py"))
    yield card
    yield card.with_name("card.json")
    yield from sorted(card.parent.glob("*.svg"))


def _fingerprint(path: Path) -> dict[str, int] | None:
    try:
        return fingerprint(path)
    except OSError:
        return None
