"""What a model is here, as a lock would say it: its model.yml, its published files, its IR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from posezoo.files.verified_files import compute_digest, is_verified, is_verified_file
from posezoo.ir import provenance
from posezoo.layout import ModelLayout
from posezoo.lockfile.entries import (
    COMPOSITE_YML,
    FIRST_USE,
    MADE,
    MODEL_YML,
    PUBLISHED,
    LockEntry,
    model_key,
)
from posezoo.lockfile.lockfile import declaration_entry
from posezoo.spec.model import ModelSpec, Precision, SourceFile


@dataclass(frozen=True, slots=True)
class ModelSnapshot:
    """What was found of one model.

    Attributes:
        entries: a line for each file that is known to the last byte.
        unpinned: published files of which no SHA-384 is known: none is declared, and they are not here.
        warnings: what is here and is not what its record says, in one line each.
    """

    entries: tuple[LockEntry, ...]
    unpinned: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def collect_entries(spec: ModelSpec, layout: ModelLayout, now: str) -> ModelSnapshot:
    """Look at a model; its files are read where nobody declared their SHA-384, or nobody hashed them before.

    Args:
        spec: the model, with the pins of the lock so far.
        layout: where its files and IR lie.
        now: the time, as entries tell it.

    Raises:
        LockError: a model.yml cannot be read.
    """
    entries = list(declaration_entries(spec, now))
    published = {
        file.name: published_entry(spec, file, layout.file_path(spec, file), now) for file in spec.files
    }
    entries += (entry for entry in published.values() if entry is not None)
    warnings: list[str] = []
    for precision in Precision:
        entries += _made(spec, precision, layout, now, warnings)
    return ModelSnapshot(
        tuple(entries), tuple(name for name, entry in published.items() if entry is None), tuple(warnings)
    )


def declaration_entries(spec: ModelSpec, now: str) -> Iterator[LockEntry]:
    """A model's model.yml, and the composite-model.yml above it.

    Raises:
        LockError: one cannot be read.
    """
    yield declaration_entry(model_key(spec), spec.path, MODEL_YML, spec.revision, now)
    if spec.composite:
        above = spec.path.parents[1] / COMPOSITE_YML
        yield declaration_entry(spec.composite, above, COMPOSITE_YML, 0, now)


def published_entry(spec: ModelSpec, file: SourceFile, path: Path, now: str) -> LockEntry | None:
    """A published file as it is declared, else as it lies at a path; None where it is not good there."""
    origin = FIRST_USE if file.first_use else PUBLISHED
    digest, size = file.checksum, file.size
    if digest is None or digest.algorithm != "sha384" or size is None:
        if not is_verified_file(path, file):
            return None
        digest, size = compute_digest(path), path.stat().st_size
    return LockEntry(model_key(spec), file.name, size, digest.value, origin, now)


def _made(
    spec: ModelSpec, precision: Precision, layout: ModelLayout, now: str, warnings: list[str]
) -> Iterator[LockEntry]:
    """An IR that was made of these very files, and is still what its record says."""
    record = provenance.read_provenance(layout.provenance_path(spec, precision))
    if record is None:
        return
    xml = layout.converted_ir_path(spec, precision)
    if record.key.get("sources") != provenance.source_digests(spec):
        again = f"posezoo convert {spec.full_name}{provenance.camera_input_flags(record, spec)}"
        warnings.append(f"{xml}: was made from another file: {again} makes it anew")
        return
    found = []
    for suffix, content in record.contents.items():
        path = xml.with_suffix(suffix)
        if not is_verified(path, content.size, content.digest):
            warnings.append(f"{path}: is not what its record says: posezoo verify {spec.full_name}")
            return
        name = f"{precision}/{path.name}"
        found.append(LockEntry(model_key(spec), name, content.size, content.digest.value, MADE, now))
    yield from found
