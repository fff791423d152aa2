"""The card beside the IR of a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from posezoo.core.declarations.model import Model, Precision
from posezoo.core.declarations.skeletons import FOLDER
from posezoo.core.files.file_record import read_record, update_record
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import license_path, registry_root
from posezoo.core.resolve.stage_context import Context
from posezoo.core.sidecars import Sidecar
from posezoo.core.versions import version
from posezoo.pages.facts.model_facts import ModelFacts, find_detector
from posezoo.run.measured import NAME as MEASURED


def refresh_card(facts: ModelFacts) -> Path:
    """The path of a model's card beside its IR, which ``model_card.write_card`` draws again if
    something that it shows, or the card itself, has changed.
    """
    assert facts.layout
    card = facts.layout.model_dir(facts.model) / "README.md"
    if read_record(card).drawn == _describe_sources(facts, card):
        return card
    from posezoo.pages.cards.model_card import write_card

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
    assert facts.layout
    for model in facts.models:
        yield model.path
        yield model.path.with_name(MEASURED)
    root = registry_root(facts.model)
    yield root / "papers.yml"
    yield root / FOLDER / f"{facts.model.skeleton}.yml"
    for part in facts.parts:
        yield license_path(part)
        for precision in Precision:
            yield facts.layout.provenance_path(part, precision)
    yield card
    yield card.with_name("card.json")
    yield from sorted(card.parent.glob("*.svg"))


def _fingerprint(path: Path) -> str | None:
    try:
        return compute_digest(path).value
    except OSError:
        return None


def _write(model: Model, context: Context) -> Sequence[Path]:
    parts = tuple(map(context.lock.with_pins, context.registry.parts(model)))
    detector = find_detector(model, context.registry)
    card = refresh_card(ModelFacts(model, parts, context.layout, detector))
    return *sorted(card.parent.glob("*.svg")), card.with_name("card.json"), card


def _list_own(model: Model, layout: ModelLayout) -> Iterator[Path]:
    from posezoo.pages.cards.model_card import FACTS, NAME, OURS, has_note

    folder = layout.model_dir(model)
    if has_note(folder / NAME, OURS):
        paths = (folder / name for name in (NAME, FACTS, f"{model.skeleton}.svg"))
        yield from filter(Path.is_file, paths)


SIDECAR = Sidecar(_list_own, _write)
