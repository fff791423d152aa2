"""Files that are made from downloads as model.yml says: members of archives, and changed texts.

The manifest of the model's folder lists them with their recipes, in JSON types; if a recipe
changes, they are made again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from posezoo.core.declarations.model import (
    ModelSpec,
    RegexReplace,
    SourceFile,
    UnpackArchive,
)
from posezoo.core.files.manifest import Json, Manifest, read_manifest
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.layout import ModelLayout


def archive_recipe(step: UnpackArchive, spec: ModelSpec) -> Json:
    """How an archive is unpacked."""
    # The paths depend on which texts are replaced, so they are part of the recipe.
    rewritten = sorted(step.file for step in spec.postprocessing if isinstance(step, RegexReplace))
    expected = {}
    for file in spec.files:
        for name, digest in file.declared_digests.items():
            expected[name] = str(digest.value)
    unpack = f"{step.format} {step.index}".rstrip()
    return {"unpack": unpack, "rewritten": rewritten, "promised": expected}


def text_recipe(steps: Iterable[RegexReplace], published: Path) -> Json:
    """How a text is changed.

    Raises:
        OSError: the published text cannot be read.
    """
    replaced = [[step.pattern, step.replacement, step.count] for step in steps]
    return {"replace": replaced, "of": compute_digest(published).value}


def group_replacements(steps: Iterable[object]) -> Mapping[str, Sequence[RegexReplace]]:
    """The replacements of each text, by its name."""
    replacements: dict[str, list[RegexReplace]] = {}
    for step in steps:
        if isinstance(step, RegexReplace):
            replacements.setdefault(step.file, []).append(step)
    return replacements


def list_members(manifest: Manifest, archive: str) -> list[str]:
    """The members of an archive that were unpacked, by their names in the manifest."""
    return [name for name, entry in manifest.files.items() if entry.get("from") == archive]


def is_unpacked(step: UnpackArchive, spec: ModelSpec, layout: ModelLayout) -> bool:
    """Whether the manifest says that an archive was unpacked in this way, and all its members have
    the listed bytes, which are read.
    """
    folder = layout.model_download_dir(spec)
    manifest = read_manifest(folder)
    if not manifest.says(step.file, archive_recipe(step, spec)):
        return False
    members = list_members(manifest, step.file)
    return bool(members) and all(manifest.has_bytes(folder, name) for name in members)


def is_replaced_by_members(file: SourceFile, spec: ModelSpec, layout: ModelLayout) -> bool:
    """Whether a file is an archive that was unpacked and removed, as ``is_unpacked``."""
    if os.path.lexists(layout.download_path(spec, file.name)):
        return False
    steps = [
        step
        for step in spec.postprocessing
        if isinstance(step, UnpackArchive) and step.file == file.name
    ]
    return bool(steps) and all(is_unpacked(step, spec, layout) for step in steps)


def is_text_made(name: str, recipe: Json, folder: Path) -> bool:
    """Whether the manifest says that a text was changed in this way, and it has these bytes."""
    manifest = read_manifest(folder)
    return manifest.says(name, recipe) and manifest.has_bytes(folder, name)
