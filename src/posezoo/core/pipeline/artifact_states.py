"""Compare the files of a model on disk with model.yml and their records, byte by byte; report all
others.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from posezoo.core.declarations.model import (
    CompositeSpec,
    Digest,
    ModelSpec,
    RegexReplace,
    SourceFile,
    UnpackArchive,
)
from posezoo.core.download.made_files import is_replaced_by_members
from posezoo.core.files.file_lock import is_part_of
from posezoo.core.files.manifest import NAME, Json, read_digests, read_manifest
from posezoo.core.files.result_files import RECORDS_DIR
from posezoo.core.files.staging import PREFIX
from posezoo.core.files.verified_files import is_verified, is_verified_file
from posezoo.core.ir import provenance
from posezoo.core.layout import ModelLayout
from posezoo.core.values import frozen

# Files that posezoo writes beside a model's files and IR, or that a registry has beside its
# model.yml. A killed process may leave the last two.
_OWN_FILES = frozenset(
    {
        NAME, "README.md", "card.json", "model.yml", "composite-model.yml", "measured.yml",
        f".{NAME}.guard", f".{NAME}.part",
    }
)  # fmt: skip


# The states of entries that are not known, by their types; other types are states themselves.
_STATES = {"file": "extra", "folder": "extra"}


@frozen
class ArtifactState:
    """One artifact and its state."""

    model: str  # the full name of the model, or the name of the composite
    artifact: str  # the path of the file relative to the model's folder
    path: Path  # the path of the file
    #: ``good``, ``missing``, ``changed``, ``unknown`` (no record and no pin), ``extra`` (neither
    #: declared nor made by posezoo), ``symlinked`` (any symbolic link) or ``special`` (a folder
    #: instead of a file, a pipe, a socket or a device).
    state: str
    converted: bool = False  # whether the file was made by a conversion, not downloaded
    quantized: bool = False  # whether it is INT8 that was made with photos
    expected: str = ""  # the expected checksum
    flags: str = ""  # the conversion flags that change the input images, with a space before each


def check_artifacts(spec: ModelSpec, layout: ModelLayout) -> Iterator[ArtifactState]:
    """The state of each published file of a model, each converted IR, and each other file in its
    folders.

    Not reported if they do not exist: an archive that was unpacked, an IR that was not converted
    yet, and a precision of a published IR of which another one exists.
    """
    yield from _check_published_files(spec, layout)
    yield from _check_made_files(spec, layout)
    yield from _check_converted_irs(spec, layout)
    for path, state in _find_untracked(spec, layout):
        is_made = path.is_relative_to(layout.model_dir(spec))
        root = layout.model_dir(spec) if is_made else layout.model_download_dir(spec)
        yield ArtifactState(spec.full_name, path.relative_to(root).as_posix(), path, state)


def list_changed_files(spec: ModelSpec, layout: ModelLayout) -> list[ArtifactState]:
    """The files here, published or made from those, that are not those of a model."""
    states = [*_check_published_files(spec, layout), *_check_made_files(spec, layout)]
    return [each for each in states if each.state not in ("good", "missing", "unknown")]


def was_fetched(spec: ModelSpec, layout: ModelLayout) -> bool:
    """Whether any file is or was in the folders of a model; no file is read."""
    manifest = layout.model_download_dir(spec) / NAME
    expected = {manifest, *_expected_files(spec, layout)} - _files_of_registry(spec, layout)
    return any(map(Path.exists, expected)) or any(_find_untracked(spec, layout))


def _check_published_files(spec: ModelSpec, layout: ModelLayout) -> Iterator[ArtifactState]:
    for file in _requested_files(spec, layout):
        if is_replaced_by_members(file, spec, layout):
            continue
        path = layout.file_path(spec, file)
        expected = file.pin_text
        if file.is_pinned and file.is_weakly_pinned:
            expected += ", weak"
        state = _unusual_state(path)
        if not state and file.is_pinned:
            state = "changed"
            if is_verified_file(path, file):
                state = "good"
        yield ArtifactState(spec.full_name, file.name, path, state or "unknown", expected=expected)


def _requested_files(spec: ModelSpec, layout: ModelLayout) -> list[SourceFile]:
    """A model's files; of a published IR only the precisions that have any file, if one has."""
    existing = {
        file.name.partition("/")[0] for file in spec.files if layout.file_path(spec, file).exists()
    }
    if not spec.is_ir or not existing:
        return list(spec.files)
    return [file for file in spec.files if file.name.partition("/")[0] in existing]


def check_listed_files(folder: Path, model: str) -> Iterator[ArtifactState]:
    """The state of each file that the manifest of a folder lists with a digest."""
    for name, entry in read_manifest(folder).files.items():
        path = folder / name
        for digest in read_digests(entry)[:1]:
            state = file_state(path, None, digest)
            yield ArtifactState(model, name, path, state, expected=str(digest))


def _check_made_files(spec: ModelSpec, layout: ModelLayout) -> Iterator[ArtifactState]:
    """The members of archives, and the changed texts, that the manifest lists."""
    folder = layout.model_download_dir(spec)
    entries = read_manifest(folder).files
    origins = {name: _find_original(name, entries[name], spec) for name in entries}
    if not any(origins.values()):
        return
    for each in check_listed_files(folder, spec.full_name):
        if origins[each.artifact]:
            yield replace(each, expected=f"{each.expected}, of {origins[each.artifact]}")


def _find_original(name: str, entry: Json, spec: ModelSpec) -> str:
    """The file that a step of model.yml makes a file from; empty if none does."""
    for step in spec.postprocessing:
        if isinstance(step, UnpackArchive) and step.file == entry.get("from"):
            return step.file
        if isinstance(step, RegexReplace) and step.file == name and "recipe" in entry:
            return f"{name}.orig"
    return ""


def _check_converted_irs(spec: ModelSpec, layout: ModelLayout) -> Iterator[ArtifactState]:
    folder = layout.model_dir(spec)
    for xml in layout.made_irs(spec):
        record = provenance.read_ir_record(xml)
        if record:
            for each in check_listed_files(xml.parent, spec.full_name):
                yield replace(
                    each,
                    artifact=each.path.relative_to(folder).as_posix(),
                    converted=True,
                    quantized=provenance.was_calibrated(record),
                    flags=conversion_flags(record, spec),
                )
            continue
        for path in map(xml.with_suffix, provenance.SUFFIXES):
            # The IR of a model published as IR was downloaded.
            if path.exists() and not spec.is_ir:
                artifact = path.relative_to(folder).as_posix()
                yield ArtifactState(spec.full_name, artifact, path, "unknown", converted=True)


def conversion_flags(record: provenance.Provenance, spec: ModelSpec) -> str:
    """The flags, each after a space, with which an IR was converted for other images than model.yml
    declares, or to decode.
    """
    arguments = record.key.get("arguments")
    if not isinstance(arguments, Mapping):
        return ""
    inputs = arguments.get("inputs")
    if not isinstance(inputs, list):
        inputs = []
    flags: dict[str, None] = {}
    for declared, recorded in zip(spec.inputs, inputs, strict=False):
        if not isinstance(recorded, Mapping):
            continue
        element_type = recorded.get("element_type", "")
        if element_type != declared.element_type:
            flags[f"--input_type {shlex.quote(str(element_type))}"] = None
        layout = recorded.get("to_layout", "")
        if layout != declared.to_layout:
            flags[f"--input_layout {shlex.quote(str(layout or declared.layout))}"] = None
        if recorded.get("resize") and not declared.resize:
            flags["--resize"] = None
    decoding = arguments.get("decoding")
    if isinstance(decoding, Mapping):
        flags["--decode"] = None
        if decoding.get("max_people"):
            flags[f"--max_people {shlex.quote(str(decoding['max_people']))}"] = None
        flags[f"--min_score {shlex.quote(str(decoding.get('min_score')))}"] = None
    return "".join(f" {flag}" for flag in flags)


def check_composite(composite: CompositeSpec, layout: ModelLayout) -> Iterator[ArtifactState]:
    """The files in a composite's folder that are neither a part nor written by posezoo."""
    for output_dir in dict.fromkeys((layout.download_dir, layout.output_dir)):
        folder = output_dir / composite.subdirectory
        if _is_folder_of_registry(folder, composite):
            continue
        for path, kind in _entries(folder):
            names = {path.name, path.name.partition("@")[0]}
            is_part = kind == "folder" and not names.isdisjoint(composite.stages)
            if not is_part and path.name not in _card_images(composite):
                yield ArtifactState(composite.name, path.name, path, _STATES.get(kind, kind))


def file_state(path: Path, size: int | None, digest: Digest) -> str:
    """``good``, ``missing``, ``changed``, ``symlinked`` or ``special``; every byte is read."""
    state = _unusual_state(path)
    if state:
        return state
    if is_verified(path, size, digest):
        return "good"
    return "changed"


def _unusual_state(path: Path) -> str:
    kind = _file_type(path)
    return {"file": "", "folder": "special"}.get(kind, kind)


def _find_untracked(spec: ModelSpec, layout: ModelLayout) -> Iterator[tuple[Path, str]]:
    """The other files in the folders of a model, with their states: ``extra``, ``symlinked`` or
    ``special``.

    A folder without any known file is reported as one item. Links are not followed. What else a
    registry has beside its model.yml, such as pictures and patches, belongs to the registry.
    """
    expected = _expected_files(spec, layout)
    needed: set[Path] = set()
    for path in expected:
        needed.update(path.parents)
    for folder in dict.fromkeys((layout.model_download_dir(spec), layout.model_dir(spec))):
        is_of_registry = _is_folder_of_registry(folder, spec)
        for path, state in find_untracked_below(folder, expected, needed):
            if is_of_registry and path.parent == folder:
                continue
            # A file may be kept under another name when a download or an IR took its place.
            name, _, number = path.name.rpartition(".bak")
            if not (name and number.isdecimal() and path.with_name(name) in expected):
                yield path, state


def _is_folder_of_registry(folder: Path, model: ModelSpec | CompositeSpec) -> bool:
    """Whether files of a model go into the folder of its model.yml."""
    return folder.resolve() == model.path.parent.resolve()


def _expected_files(spec: ModelSpec, layout: ModelLayout) -> set[Path]:
    downloads = layout.model_download_dir(spec)
    expected = {layout.onnx_path(spec), *_files_of_registry(spec, layout)}
    for file in spec.files:
        expected |= {layout.file_path(spec, file), downloads / file.name}
    for name in _card_images(spec):
        expected.add(layout.model_dir(spec) / name)
    for folder in (downloads, layout.model_dir(spec)):
        expected |= {folder / name for name in read_manifest(folder).files}
    for step in spec.postprocessing:
        if isinstance(step, RegexReplace):
            expected |= {downloads / step.file, layout.published_path(spec, step.file)}
    for xml in layout.made_irs(spec):
        expected |= set(map(xml.with_suffix, provenance.SUFFIXES))
        expected.add(xml.with_name(NAME))
    return expected


def _files_of_registry(spec: ModelSpec, layout: ModelLayout) -> set[Path]:
    return {layout.model_download_dir(spec) / beside.file for beside in spec.files_beside}


def _card_images(model: ModelSpec | CompositeSpec) -> set[str]:
    return {f"{model.skeleton}.svg"} if model.skeleton else set()


def find_untracked_below(
    folder: Path, tracked: set[Path], needed: set[Path]
) -> Iterator[tuple[Path, str]]:
    """The unknown files below a folder with their states; ``needed`` are the parent folders of
    ``tracked`` files.
    """
    for path, kind in _entries(folder):
        part = path.with_name(path.name.removesuffix(".json"))  # or the state of a part
        is_part = kind == "file" and part.name.endswith(".part")
        if path in tracked or (is_part and any(is_part_of(part, file) for file in tracked)):
            continue
        if path in needed and kind == "folder":
            yield from find_untracked_below(path, tracked, needed)
        # A failed download may leave an empty folder.
        elif kind != "folder" or any(find_untracked_below(path, set(), set())):
            yield path, _STATES.get(kind, kind)


def _entries(folder: Path) -> Iterator[tuple[Path, str]]:
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in paths:
        kind = _file_type(path)
        is_own_folder = path.name == RECORDS_DIR or path.name.startswith(PREFIX)
        if not (is_own_folder if kind == "folder" else kind == "file" and path.name in _OWN_FILES):
            yield path, kind


def _file_type(path: Path) -> str:
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    types = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "folder"), (stat.S_ISLNK, "symlinked"))
    return next((name for is_type, name in types if is_type(mode)), "special")
