"""Records of the files that were made from published files, by digest; an archive that was removed
after it was unpacked counts as present.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from posezoo.core.declarations.model import (
    Digest,
    ModelSpec,
    RegexReplace,
    SourceFile,
    UnpackArchive,
)
from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.files.file_record import Json, read_record, update_record
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.layout import ModelLayout
from posezoo.core.operating_system import sync
from posezoo.core.values import frozen


@frozen
class PostprocessRecord:
    """A recipe, and the SHA-384 of each file that it read or made."""

    subject: Path  # the file that the record belongs to
    recipe: Mapping[str, object]  # in JSON types; if it changes, the files are made again
    removable: bool = False  # whether the subject itself may be missing

    def is_up_to_date(self) -> bool:
        """Whether the same recipe was carried out and no file has changed since; all are read."""
        if read_record(self.subject).outputs.get("recipe") != self.recipe:
            return False
        is_removed = self.removable and not os.path.lexists(self.subject)
        files = self._entries()
        try:
            for path, entry in files.items():
                if not (is_removed and path == self.subject) and not _is_entry(path, entry):
                    return False
        except (OSError, LookupError):
            return False
        return bool(files)

    def outputs(self) -> dict[Path, str]:
        """The files that were made, with SHA-384, or "" if only the size is known; empty without a
        record.
        """
        if read_record(self.subject).outputs.get("recipe") != self.recipe:
            return {}
        return {path: sha384 for path, sha384 in self._files().items() if path != self.subject}

    def digests(self) -> dict[Path, Digest]:
        """The digests of the files that were read or made with any recipe, where they are known."""
        digests = {path: sha384 for path, sha384 in self._files().items() if sha384}
        return {path: Digest("sha384", sha384) for path, sha384 in digests.items()}

    def _files(self) -> dict[Path, str]:
        return {path: str(entry.get("sha384", "")) for path, entry in self._entries().items()}

    def _entries(self) -> dict[Path, Json]:
        """What the record has of each file; nothing if it names one that posezoo does not write."""
        files = read_record(self.subject).outputs.get("files")
        entries: dict[Path, Json] = {}
        for name, entry in files.items() if isinstance(files, dict) else ():
            if explain_unsafe_file_name(name.replace(os.sep, "/")) or not isinstance(entry, dict):
                return {}
            entries[self.subject.parent / name] = entry
        return entries

    def write(self, files: Collection[Path], *, sizes_only: bool = False) -> None:
        """Record the files; if the record cannot be written, the next run makes the files again."""
        entries: dict[Path, Json] = {}
        for path in files:
            entry: dict[str, object] = {"size": path.stat().st_size}
            if not sizes_only:
                entry["sha384"] = compute_digest(path).value
            entries[path] = entry
        self._record(entries)

    def _record(self, entries: Mapping[Path, Json]) -> None:
        for path in entries:
            with suppress(OSError):
                sync(path)
        folder = self.subject.parent
        files = {os.path.relpath(path, folder): entry for path, entry in entries.items()}
        update_record(self.subject, outputs={"recipe": self.recipe, "files": files})


def _is_entry(path: Path, entry: Json) -> bool:
    if "sha384" not in entry:
        return entry == {"size": path.stat().st_size}
    return bool(compute_digest(path).value == entry["sha384"])


def archive_record(step: UnpackArchive, spec: ModelSpec, layout: ModelLayout) -> PostprocessRecord:
    """The record of a model's archive that was unpacked."""
    # The paths depend on which texts are replaced, so they are part of the recipe.
    rewritten = sorted(step.file for step in spec.postprocessing if isinstance(step, RegexReplace))
    expected = {}
    for file in spec.files:
        for name, digest in file.declared_digests.items():
            expected[name] = str(digest.value)
    unpack = f"{step.format} {step.index}".rstrip()
    recipe = {"unpack": unpack, "rewritten": rewritten, "promised": expected}
    return PostprocessRecord(layout.download_path(spec, step.file), recipe, removable=True)


def text_record(
    file: str, steps: Iterable[RegexReplace], spec: ModelSpec, layout: ModelLayout
) -> PostprocessRecord:
    """The record of a model's text that was changed."""
    recipe = {"replace": [[step.pattern, step.replacement, step.count] for step in steps]}
    return PostprocessRecord(layout.download_path(spec, file), recipe)


def is_unpacked(file: SourceFile, spec: ModelSpec, layout: ModelLayout) -> bool:
    """Whether a file is an archive that was unpacked and removed, and all its members are up to
    date; as ``PostprocessRecord.is_up_to_date``.
    """
    records = []
    for step in spec.postprocessing:
        if isinstance(step, UnpackArchive) and step.file == file.name:
            records.append(archive_record(step, spec, layout))
    if not records or os.path.lexists(records[0].subject):
        return False
    return all(record.is_up_to_date() for record in records)
