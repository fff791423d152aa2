"""Write the files of exports into a folder, which may have files of earlier exports and of the
user.

All files are staged first. A new folder, such as a model's next version, appears complete by one
rename. The manifest lists the files that exports wrote, with their digests: no other file is ever
replaced.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from posezoo.errors import OutputError
from posezoo.export.target_type import ExportFile
from posezoo.files.file_lock import exclusive
from posezoo.files.file_manifest import digest, digest_of_file, read_manifest, write_manifest
from posezoo.files.staging import staging_dir
from posezoo.files.verified_files import write_error, writing

MANIFEST = "posezoo-export.json"
NOTE = "written by posezoo export: its own files, by SHA-256"


@dataclass(frozen=True, slots=True)
class ExportChanges:
    """The changes of an export: paths below its folder, with / between their parts.

    ``kept`` are files that the user changed, but whose content for the export is the same as
    before.
    """

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def write_export(
    folder: Path,
    render: Callable[[Mapping[str, str]], Sequence[ExportFile]],
    *,
    versioned: Sequence[str] = (),
    is_dry_run: bool = False,
) -> ExportChanges:
    """Write the files that differ; all of them, or none if that is not possible.

    Args:
        folder: it is created if needed.
        render: the files, from those of earlier exports that still exist (SHA-256 by name).
        versioned: the models whose numbered folders must all have a file of an export.
        is_dry_run: only plan the changes.

    Raises:
        OutputError: a file there is not from an export, or cannot be written.
    """
    with writing(folder):
        if not is_dry_run:
            folder.mkdir(parents=True, exist_ok=True)
        with nullcontext() if is_dry_run else exclusive(folder / MANIFEST, wait_s=600):
            manifest = read_manifest(folder / MANIFEST) or {}
            present = {
                name: value for name, value in manifest.items() if os.path.lexists(folder / name)
            }
            files = {file.name: file for file in render(present)}
            digests = {
                file.name: (
                    file.digest
                    or (
                        digest(file.content)
                        if isinstance(file.content, bytes)
                        else digest_of_file(file.content)
                    )
                )
                for file in files.values()
            }
            _refuse_other_versions(folder, versioned, present, digests)
            changes = _compare(folder, files, present, digests)
            manifest = {**present, **digests}
            if not is_dry_run and (changes.created or changes.changed or manifest != present):
                _write(
                    folder,
                    [files[name] for name in (*changes.created, *changes.changed)],
                    digests,
                    manifest,
                )
    return changes


def _refuse_other_versions(
    folder: Path, models: Sequence[str], present: Mapping[str, str], digests: Mapping[str, str]
) -> None:
    for version in (
        path for model in models for path in folder.glob(f"{model}/*") if path.name.isdigit()
    ):
        names = [
            path.relative_to(folder).as_posix() for path in version.rglob("*") if path.is_file()
        ]
        if names and not any(
            name in present or digest_of_file(folder / name) == digests.get(name) for name in names
        ):
            raise OutputError(
                f"{version}: this version is not from an export",
                hint="move it away, or choose another folder",
            )


def _compare(
    folder: Path,
    files: Mapping[str, ExportFile],
    present: Mapping[str, str],
    digests: Mapping[str, str],
) -> ExportChanges:
    created, changed, unchanged, kept = [], [], [], []
    for name, file in files.items():
        path = folder / name
        found = digest_of_file(path)
        if found == digests[name]:
            unchanged.append(name)
        elif not os.path.lexists(path):
            created.append(name)
        elif found and found == present.get(name):
            changed.append(name)
        elif found and present.get(name) == digests[name] and isinstance(file.content, bytes):
            kept.append(name)
        else:
            how = (
                "was changed since it was exported"
                if name in present
                else "was not written by an export"
            )
            raise OutputError(f"{path}: {how}", hint="move it away, or choose another folder")
    return ExportChanges(tuple(created), tuple(changed), tuple(unchanged), tuple(kept))


def _write(
    folder: Path,
    files: Sequence[ExportFile],
    digests: Mapping[str, str],
    manifest: Mapping[str, str],
) -> None:
    """Stage all files, and only then move them; the manifest is the last."""
    with staging_dir(folder) as staging:
        for file in files:
            part = staging / file.name
            try:
                part.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(file.content, bytes):
                    part.write_bytes(file.content)
                else:
                    shutil.copyfile(file.content, part)
            except OSError as error:  # it names the part, or even the source
                raise write_error(
                    folder / file.name, OSError(error.errno, error.strerror)
                ) from error
            if digest_of_file(part) != digests[file.name]:
                raise OutputError(f"{folder / file.name}: its bytes changed while it was written")
        write_manifest(staging / MANIFEST, NOTE, manifest)
        for name in (*(file.name for file in files), MANIFEST):
            if (staging / name).exists():  # otherwise it was moved with its folder
                missing = next(
                    (
                        parent
                        for parent in reversed(Path(name).parents)
                        if not (folder / parent).exists()
                    ),
                    name,
                )
                os.replace(staging / missing, folder / missing)
