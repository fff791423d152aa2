"""The present state of a model, for a posezoo.lock."""

from __future__ import annotations

from dataclasses import replace

from posezoo.cli.artifact_states import conversion_flags
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.files.verified_files import is_verified, is_verified_file
from posezoo.core.ir import provenance
from posezoo.core.ir.people_metadata import read_stamp
from posezoo.core.layout import ModelLayout
from posezoo.core.lockfile.entries import (
    MADE,
    LockEntry,
    ModelSnapshot,
    declaration_entries,
    model_key,
    published_entry,
)
from posezoo.core.registry import format_command


def collect_entries(
    spec: ModelSpec, layout: ModelLayout, now: str, *, remember: bool = True
) -> ModelSnapshot:
    """Collect the state of a model; a file is read if its SHA-384 is not declared, or it is not
    verified yet.

    The model has the pins of the present lock; ``now`` has the format of entries; ``remember`` is
    as for ``is_verified``.
    """
    entries = list(declaration_entries(spec, now))
    unpinned = []
    warnings = []
    for file in spec.files:
        path = layout.file_path(spec, file)
        entry = published_entry(spec, file, path, now, remember=remember)
        if (
            path.is_file()
            and file.is_pinned
            and not is_verified_file(path, file, remember=remember)
        ):
            warnings.append(f"{path}: is not the file that model.yml declares")
        if entry is None:
            unpinned.append(file.name)
        else:
            entries.append(entry)
    for xml in layout.made_irs(spec):
        record = provenance.read_ir_record(xml)
        if record is None:
            continue
        if not provenance.was_made_from(record, spec):
            again = format_command("convert", spec) + conversion_flags(record, spec)
            again += f" --precisions {xml.parent.name}"
            warnings.append(f"{xml}: was converted from another file: {again} converts it again")
            continue
        converted = []
        for suffix, content in record.contents.items():
            path = xml.with_suffix(suffix)
            if not is_verified(path, content.size, content.digest, remember=remember):
                warnings.append(
                    f"{path}: does not match its record: posezoo verify {spec.full_name}"
                )
                break
            name = f"{xml.parent.name}/{path.name}"
            digits = content.digest.value
            entry = LockEntry(
                model_key(spec), name, content.size, digits, origin=MADE, first_seen=now
            )
            if suffix == ".xml":
                entry = replace(entry, openvino=read_stamp(path), posezoo=record.posezoo)
            converted.append(entry)
        else:
            entries += converted
    return ModelSnapshot(tuple(entries), tuple(unpinned), tuple(warnings))
