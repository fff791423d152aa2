"""Write the files of exports into a folder, which may have files of earlier exports and of the
user.

All files are staged first, so that a new folder, such as a model's next version, appears by one
rename. The manifest has the digests of exported files: no other file is ever replaced.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from posezoo.core.errors import OutputError
from posezoo.core.files.file_lock import exclusive
from posezoo.core.files.staging import create_parent, staging_dir
from posezoo.core.files.verified_files import write_error, writing
from posezoo.core.values import frozen
from posezoo.export.file_manifest import digest, digest_of_file, read_manifest, write_manifest
from posezoo.export.target_type import ExportFile

MANIFEST = "posezoo-export.json"
NOTE = "written by posezoo export: its own files, by SHA-256"
_HINT = "move it away, or choose another folder"


@frozen
class ExportChanges:
    """The changes of an export: paths below its folder, with / between their parts.

    ``kept`` are files that the user changed, with the same content for the export as before.
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
        render: the files, from those of earlier exports that still exist (SHA-256 by name).
        versioned: the models whose numbered folders must all have a file of an export.
        is_dry_run: only plan the changes.

    Raises:
        OutputError: a file there is not from an export, or cannot be written.
    """
    with writing(folder):
        if is_dry_run:
            return _plan(folder, render, versioned)[0]
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / MANIFEST, wait_s=600):
            changes, files, manifest = _plan(folder, render, versioned)
            written = [*changes.created, *changes.changed]
            if written or manifest != read_manifest(folder / MANIFEST):
                _write(folder, [files[name] for name in written], manifest)
    return changes


def _plan(
    folder: Path,
    render: Callable[[Mapping[str, str]], Sequence[ExportFile]],
    versioned: Sequence[str],
) -> tuple[ExportChanges, dict[str, ExportFile], dict[str, str]]:
    manifest = read_manifest(folder / MANIFEST) or {}
    present = {name: value for name, value in manifest.items() if os.path.lexists(folder / name)}
    files = {file.name: file for file in render(present)}
    digests = {name: _digest(file) for name, file in files.items()}
    for model in versioned:
        for version in folder.glob(f"{model}/*"):
            if version.name.isdigit():
                _refuse_other_version(folder, version, present, digests)
    states: dict[str, list[str]] = {"created": [], "changed": [], "unchanged": [], "kept": []}
    for name, file in files.items():
        is_text = isinstance(file.content, bytes)
        states[_compare(folder / name, digests[name], present.get(name), is_text)].append(name)
    changes = ExportChanges(**{state: tuple(names) for state, names in states.items()})
    return changes, files, present | digests


def _digest(file: ExportFile) -> str:
    if isinstance(file.content, bytes):
        return digest(file.content)
    return file.digest or digest_of_file(file.content)


def _refuse_other_version(
    folder: Path, version: Path, present: Mapping[str, str], digests: Mapping[str, str]
) -> None:
    paths = [path for path in version.rglob("*") if path.is_file()]
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if name in present or digest_of_file(path) == digests.get(name):
            return
    if paths:
        raise OutputError(f"{version}: this version is not from an export", hint=_HINT)


def _compare(path: Path, expected: str, exported: str | None, is_text: bool) -> str:
    actual = digest_of_file(path)
    if actual == expected:
        return "unchanged"
    if not os.path.lexists(path):
        return "created"
    if actual:
        if actual == exported:
            return "changed"
        if exported == expected and is_text:
            return "kept"
    how = "was not written by an export"
    if exported is not None:
        how = "was changed since it was exported"
    raise OutputError(f"{path}: {how}", hint=_HINT)


def _write(folder: Path, files: Sequence[ExportFile], manifest: Mapping[str, str]) -> None:
    """Stage all files, and only then move them; the manifest is the last."""
    with staging_dir(folder) as staging:
        for file in files:
            part = staging / file.name
            try:
                create_parent(part)
                if isinstance(file.content, bytes):
                    part.write_bytes(file.content)
                else:
                    shutil.copyfile(file.content, part)
            except OSError as error:  # it names the part, or even the source
                plain_error = OSError(error.errno, error.strerror)
                raise write_error(folder / file.name, plain_error) from error
            if digest_of_file(part) != manifest[file.name]:
                raise OutputError(f"{folder / file.name}: its bytes changed while it was written")
        write_manifest(staging / MANIFEST, NOTE, manifest)
        for name in (*(file.name for file in files), MANIFEST):
            if (staging / name).exists():  # otherwise it was moved with its folder
                missing = _first_missing(folder, name)
                os.replace(staging / missing, folder / missing)


def _first_missing(folder: Path, name: str) -> str | Path:
    """The uppermost folder of a file that does not exist yet, else the file itself."""
    for parent in reversed(Path(name).parents):
        if not (folder / parent).exists():
            return parent
    return name
