"""What a model is here, as a lock would say it: its model.yml, its published files, its IR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from posezoo import provenance
from posezoo.files import digest_of, is_good, is_good_file
from posezoo.layout import Layout
from posezoo.lock.entries import COMPOSITE_YML, FIRST_USE, MADE, MODEL_YML, PUBLISHED, Entry, model_key
from posezoo.lock.lock import declaration
from posezoo.spec.model import ModelSpec, Precision, SourceFile


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What was found of one model.

    Attributes:
        entries: a line for each file that is known to the last byte.
        loose: published files of which no SHA-384 is known: none is declared, and they are not here.
        odd: what is here and is not what its record says, in one line each.
    """

    entries: tuple[Entry, ...]
    loose: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()


def survey(spec: ModelSpec, layout: Layout, now: str) -> Surveyed:
    """Look at a model; its files are read where nobody declared their SHA-384, or nobody hashed them before.

    Args:
        spec: the model, with the pins of the lock so far.
        layout: where its files and IR lie.
        now: the time, as entries tell it.

    Raises:
        LockError: a model.yml cannot be read.
    """
    entries = list(declarations(spec, now))
    published = {file.name: published_entry(spec, file, layout.file(spec, file), now) for file in spec.files}
    entries += (entry for entry in published.values() if entry is not None)
    odd: list[str] = []
    for precision in Precision:
        entries += _made(spec, precision, layout, now, odd)
    return Surveyed(
        tuple(entries), tuple(name for name, entry in published.items() if entry is None), tuple(odd)
    )


def declarations(spec: ModelSpec, now: str) -> Iterator[Entry]:
    """A model's model.yml, and the composite-model.yml above it.

    Raises:
        LockError: one cannot be read.
    """
    yield declaration(model_key(spec), spec.path, MODEL_YML, spec.revision, now)
    if spec.composite:
        above = spec.path.parents[1] / COMPOSITE_YML
        yield declaration(spec.composite, above, COMPOSITE_YML, 0, now)


def published_entry(spec: ModelSpec, file: SourceFile, path: Path, now: str) -> Entry | None:
    """A published file as it is declared, else as it lies at a path; None where it is not good there."""
    origin = FIRST_USE if file.first_use else PUBLISHED
    digest, size = file.checksum, file.size
    if digest is None or digest.algorithm != "sha384" or size is None:
        if not is_good_file(path, file):
            return None
        digest, size = digest_of(path), path.stat().st_size
    return Entry(model_key(spec), file.name, size, digest.value, origin, now)


def _made(spec: ModelSpec, precision: Precision, layout: Layout, now: str, odd: list[str]) -> Iterator[Entry]:
    """An IR that was made of these very files, and is still what its record says."""
    record = provenance.read(layout.provenance(spec, precision))
    if record is None:
        return
    xml = layout.made(spec, precision)
    if record.key.get("sources") != provenance.digests_of(spec):
        again = f"posezoo convert {spec.full_name}{provenance.frame_flags(record, spec)}"
        odd.append(f"{xml}: was made from another file: {again} makes it anew")
        return
    found = []
    for suffix, content in record.contents.items():
        path = xml.with_suffix(suffix)
        if not is_good(path, content.size, content.digest):
            odd.append(f"{path}: is not what its record says: posezoo verify {spec.full_name}")
            return
        name = f"{precision}/{path.name}"
        found.append(Entry(model_key(spec), name, content.size, content.digest.value, MADE, now))
    yield from found
