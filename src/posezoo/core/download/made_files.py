"""Files that are made from downloads as model.yml says: members of archives, and changed texts.

The manifest of the model's folder lists them with their recipes, in JSON types; if a recipe
changes, they are made again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from posezoo.core.declarations.model import (
    Digest,
    ModelSpec,
    RegexReplace,
    SourceFile,
    UnpackArchive,
)
from posezoo.core.events import Listener
from posezoo.core.files.manifest import (
    NAME,
    Json,
    Manifest,
    describe,
    list_path,
    read_manifest,
    settle,
    stage,
)
from posezoo.core.files.verified_files import compute_digest, writing
from posezoo.core.layout import ModelLayout
from posezoo.core.values import frozen

#: Size and digest of an unpacked member.
Member = tuple[int, Digest]


@frozen
class Listing:
    """Where the members of an archive are listed.

    Attributes:
        folder: the folder of the manifest.
        archive: the archive's name there.
        recipe: how it is unpacked.
        model: as for ``manifest.stage``.
    """

    folder: Path
    archive: str
    recipe: Json
    model: str = ""

    def stage(self, members: Mapping[Path, Member], listener: Listener) -> Manifest:
        """List the digests of members that are about to get their names."""
        digests = {list_path(self.folder, path): each for path, (_, each) in members.items()}
        with writing(self.folder / NAME):
            return stage(self.folder, digests, listener, model=self.model)

    def settle(self, members: Mapping[Path, Member]) -> None:
        """List the members, in place of those of an earlier archive of this name."""
        entries = {
            list_path(self.folder, path): describe(size, digest, **{"from": self.archive})
            for path, (size, digest) in members.items()
        }
        manifest = read_manifest(self.folder)
        earlier = {*self.list_members(manifest)} - entries.keys()
        archive = {**manifest.files.get(self.archive, {}), "recipe": self.recipe}
        with writing(self.folder / NAME):
            settle(self.folder, {self.archive: archive, **entries}, gone=earlier)

    def list_members(self, manifest: Manifest) -> list[str]:
        """The members that are listed, by their names in the manifest."""
        return [name for name, entry in manifest.files.items() if entry.get("from") == self.archive]

    def is_up_to_date(self) -> bool:
        """Whether the manifest has this recipe, and all members, which are read, their bytes."""
        manifest = read_manifest(self.folder)
        members = self.list_members(manifest)
        is_same = bool(members) and manifest.says(self.archive, self.recipe)
        return is_same and manifest.has_bytes(self.folder, *members)


def list_archive(step: UnpackArchive, spec: ModelSpec, layout: ModelLayout) -> Listing:
    """Where the members of a model's archive are listed."""
    # The paths depend on which texts are replaced, so they are part of the recipe.
    rewritten = sorted(step.file for step in spec.postprocessing if isinstance(step, RegexReplace))
    expected = {}
    for file in spec.files:
        for name, digest in file.declared_digests.items():
            expected[name] = str(digest.value)
    unpack = f"{step.format} {step.index}".rstrip()
    recipe = {"unpack": unpack, "rewritten": rewritten, "promised": expected}
    return Listing(layout.model_download_dir(spec), step.file, recipe, spec.full_name)


def is_replaced_by_members(file: SourceFile, spec: ModelSpec, layout: ModelLayout) -> bool:
    """Whether a file is an archive that was unpacked and removed, and all its members have the
    listed bytes.
    """
    if os.path.lexists(layout.download_path(spec, file.name)):
        return False
    steps = [step for step in spec.postprocessing if step.file == file.name]
    archives = [step for step in steps if isinstance(step, UnpackArchive)]
    return bool(archives) and all(
        list_archive(step, spec, layout).is_up_to_date() for step in archives
    )


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
