"""The present state of a model, for a posezoo.lock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.files.manifest import read_digests
from posezoo.core.files.verified_files import compute_digest, is_verified_file
from posezoo.core.ir import provenance
from posezoo.core.ir.people_metadata import list_equal_digests, read_stamp
from posezoo.core.lockfile import LockFile
from posezoo.core.lockfile.entries import (
    MADE,
    LockEntry,
    ModelSnapshot,
    declaration_entries,
    model_key,
    published_entry,
)
from posezoo.core.pipeline.artifact_states import conversion_flags
from posezoo.core.registry import format_command
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.stage_context import Context


def collect_entries(spec: ModelSpec, context: Context) -> ModelSnapshot:
    """The state of a model; its files and IR are read."""
    layout = context.layout
    now = context.lock.timestamp
    spec = context.lock.with_pins(spec)
    entries = list(declaration_entries(spec, now))
    unpinned = []
    warnings = []
    for file in spec.files:
        path = layout.file_path(spec, file)
        entry = published_entry(spec, file, path, now)
        if path.is_file() and file.is_pinned and not is_verified_file(path, file):
            warnings.append(f"{path}: is not the file that model.yml declares")
        if entry is None:
            unpinned.append(file.name)
        else:
            entries.append(entry)
    for xml in layout.made_irs(spec):
        record = provenance.read_ir_record(xml)
        if record is None:
            continue
        problem = _explain_stale(xml, record, spec, context)
        if changed := provenance.explain_changed_files(xml, record):
            problem = f"{xml}: {changed}: posezoo verify {spec.full_name}"
        if problem:
            warnings.append(problem)
        else:
            entries += _list_made(xml, record, spec, context.lock)
    return ModelSnapshot(tuple(entries), tuple(unpinned), tuple(warnings))


def list_without_ir(lock: LockFile, specs: Iterable[ModelSpec]) -> list[ModelSpec]:
    """The models in a lock that --locked refuses to convert, because it lists no IR of them."""
    return [
        spec
        for spec in specs
        if spec.is_converted and lock.entries_of(spec) and not lock.made_entries(spec)
    ]


def _list_made(
    xml: Path, record: provenance.Provenance, spec: ModelSpec, lock: LockFile
) -> Iterator[LockEntry]:
    """The entries of an IR that has the bytes of its record; the lock's, if another OpenVINO made
    the same one.
    """
    for path in map(xml.with_suffix, provenance.SUFFIXES):
        compared = read_digests(record.manifest.files[path.name])
        sha384 = [each for each in compared if each.algorithm == "sha384"] or [compute_digest(path)]
        entry = LockEntry(
            model_key(spec),
            f"{xml.parent.name}/{path.name}",
            path.stat().st_size,
            sha384[0].value,
            origin=MADE,
            first_seen=lock.timestamp,
        )
        locked = lock.entries.get(entry.key)
        if path == xml:
            entry = _with_origin(entry, xml, record)
            if locked and locked.sha384 in list_equal_digests(xml, locked.openvino):
                # What was proven are the bytes of one OpenVINO.
                is_same = locked.has_same_content(entry)
                entry = locked.completed_by(entry) if is_same else locked
        yield entry


def _with_origin(entry: LockEntry, xml: Path, record: provenance.Provenance) -> LockEntry:
    """The entry of an .xml, with what made it, and how it was proven."""
    entry = replace(
        entry,
        openvino=read_stamp(xml) or str(record.key.get("openvino", "")),
        posezoo=record.posezoo,
        proof=record.proof,
    )
    if record.proof != provenance.EQUAL:
        return entry
    return replace(entry, proven_with=record.reference, proven_at=record.checked_at)


def _explain_stale(
    xml: Path, record: provenance.Provenance, spec: ModelSpec, context: Context
) -> str:
    """Why an IR is not of this model.yml: it was made from another file, or without flags with
    other arguments. Empty if it is.
    """
    given = conversion_flags(record, spec)
    other = "model.yml"
    if not provenance.was_made_from(record, spec):
        other = "file"
    elif given:
        return ""
    else:
        resolved = resolve_model(spec, (), context)
        now = provenance.conversion_key(resolved.source, resolved.decoder)
        if record.key.get("arguments") == now["arguments"]:
            return ""
    again = format_command("convert", spec) + given
    again += f" --precisions {xml.parent.name}"
    return f"{xml}: was converted from another {other}: {again} converts it again"
