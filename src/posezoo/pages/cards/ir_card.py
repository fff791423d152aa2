"""The card beside the IR of a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from posezoo.core.declarations.model import Model, Precision
from posezoo.core.declarations.skeletons import FOLDER
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.manifest import read_manifest
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.registry import Registry, license_path, registry_root
from posezoo.core.resolve.stage_context import Context
from posezoo.core.sidecars import Sidecar
from posezoo.core.versions import version
from posezoo.figures.measured import NAME as MEASURED
from posezoo.figures.model_facts import ModelFacts, find_detector


def refresh_card(facts: ModelFacts, registry: Registry, listener: Listener = ignore_event) -> Path:
    """The path of a model's card beside its IR, which ``model_card.write_card`` draws again if
    something that it shows, or the card itself, has changed.
    """
    assert facts.layout
    card = facts.layout.model_dir(facts.model) / "README.md"
    folder = card.parent
    recipe = _describe_sources(facts, registry)
    manifest = read_manifest(folder)
    drawn = [name for name in manifest.files if manifest.says(name, recipe)]
    if card.name in drawn and manifest.has_bytes(folder, *drawn):
        return card
    from posezoo.pages.cards.model_card import write_card

    return write_card(facts, recipe, listener)


def _describe_sources(facts: ModelFacts, registry: Registry) -> dict[str, str]:
    pins = [(file.name, str(file.checksum)) for part in facts.parts for file in part.files]
    files = {str(path): registry.digest_of(path) for path in _list_declarations(facts)}
    files |= {str(path): _find_digest(path) for path in _list_records(facts)}
    content = json.dumps([version(), pins, files])
    return {"drawn_from": hashlib.sha256(content.encode()).hexdigest()}


def _list_declarations(facts: ModelFacts) -> Iterator[Path]:
    for model in facts.models:
        yield model.path
        yield model.path.with_name(MEASURED)
    root = registry_root(facts.model)
    yield root / "papers.yml"
    yield root / FOLDER / f"{facts.model.skeleton}.yml"
    yield from map(license_path, facts.parts)


def _list_records(facts: ModelFacts) -> Iterator[Path]:
    """The records of the IR, which a run may change."""
    assert facts.layout
    for part in facts.parts:
        for precision in Precision:
            yield facts.layout.provenance_path(part, precision)


def _find_digest(path: Path) -> str:
    with suppress(OSError):
        return compute_digest(path).value
    return ""


def _write(model: Model, context: Context, listener: Listener) -> Sequence[Path]:
    registry = context.registry
    parts = tuple(map(context.lock.with_pins, registry.parts(model)))
    facts = ModelFacts(model, parts, context.layout, find_detector(model, registry))
    card = refresh_card(facts, registry, listener)
    return *sorted(card.parent.glob("*.svg")), card.with_name("card.json"), card


SIDECAR = Sidecar(_write)
