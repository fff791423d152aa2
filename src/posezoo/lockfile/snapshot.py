"""The present state of a model as lock entries: its model.yml, its published files, its IR."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posezoo.files.verified_files import compute_digest, is_verified, is_verified_file
from posezoo.ir import provenance
from posezoo.layout import ModelLayout
from posezoo.lockfile.entries import (
    FIRST_USE,
    MADE,
    PUBLISHED,
    LockEntry,
    declaration_entries,
    model_key,
)
from posezoo.spec.model import ModelSpec, Precision, SourceFile


@dataclass(frozen=True, slots=True)
class ModelSnapshot:
    """The present state of one model.

    Attributes:
        entries: an entry for each file whose SHA-384 is known.
        unpinned: published files whose SHA-384 is unknown: it is not declared, and the file is missing.
        warnings: one line for each existing file that differs from its record.
    """

    entries: tuple[LockEntry, ...]
    unpinned: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def collect_entries(spec: ModelSpec, layout: ModelLayout, now: str) -> ModelSnapshot:
    """Collect the state of a model; a file is read if its SHA-384 is not declared, or it is not verified yet.

    Args:
        spec: the model, with the pins of the present lock.
        layout: the paths of its files and IR.
        now: the current time, in the format of entries.

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
        record = provenance.read_provenance(layout.provenance_path(spec, precision))
        if record is None:
            continue
        xml = layout.converted_ir_path(spec, precision)
        if record.key.get("sources") != provenance.source_digests(spec):
            again = f"posezoo convert {spec.full_name}{provenance.camera_input_flags(record, spec)}"
            warnings.append(f"{xml}: was converted from another file: {again} converts it again")
            continue
        converted = []
        for suffix, content in record.contents.items():
            path = xml.with_suffix(suffix)
            if not is_verified(path, content.size, content.digest):
                warnings.append(f"{path}: does not match its record: posezoo verify {spec.full_name}")
                break
            name, digits = f"{precision}/{path.name}", content.digest.value
            converted.append(LockEntry(model_key(spec), name, content.size, digits, MADE, now))
        else:
            entries += converted
    unpinned = (name for name, entry in published.items() if entry is None)
    return ModelSnapshot(tuple(entries), tuple(unpinned), tuple(warnings))


def published_entry(spec: ModelSpec, file: SourceFile, path: Path, now: str) -> LockEntry | None:
    """The entry of a published file, from its declaration or else its bytes; None if it is not verified."""
    origin = FIRST_USE if file.first_use else PUBLISHED
    digest, size = file.checksum, file.size
    if digest is None or digest.algorithm != "sha384" or size is None:
        if not is_verified_file(path, file):
            return None
        digest, size = compute_digest(path), path.stat().st_size
    return LockEntry(model_key(spec), file.name, size, digest.value, origin, now)
