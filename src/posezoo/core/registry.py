"""Find all models, or some by name or pattern, in one or several folders of model.yml files.

As for Open Model Zoo's tools, each model.yml below a registry's root is a model with the name of
its folder, at any depth (usual: ``{public,intel}/<name>/model.yml``); those below a
composite-model.yml are that composite's parts. Only one file is read to find a model by name, and a
file with an error does not stop the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from fnmatch import fnmatchcase
from functools import cache, cached_property
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import CompositeSpec, Family, Model, ModelSpec
from posezoo.core.declarations.safe_names import case_folded, explain_invalid_model_name
from posezoo.core.errors import (
    PosezooError,
    SettingsError,
    SpecError,
    UnknownModelError,
    os_reason,
    sanitize,
    shell_word,
    suggest,
)
from posezoo.core.other_words import explain_other_word
from posezoo.core.plugins import Hook
from posezoo.core.settings import REGISTRIES, WHEEL_REGISTRIES, user_folder
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.declarations.other_names import LeftOut, OtherNames

#: Separates a model's name from a variant's tag; no name contains it.
TAG_MARK = "@"

#: The files that declare a model or a composite.
MODEL_FILE = "model.yml"
COMPOSITE_FILE = "composite-model.yml"
_FILES = (MODEL_FILE, COMPOSITE_FILE)
#: The beginnings of the names of folders without models: hidden ones, and that of a file system.
_SKIPPED = (".", "lost+found")

#: The folder of the stand-in for openvino-dev with the registry of its release.
STAND_IN_DATA = "posezoo_openvino_dev_data"


class FileExplainer:
    """Knows no kind of file; a feature overrides the method."""

    def explain(self, name: str) -> tuple[str, str]:  # noqa: ARG002
        """What a file is that is named instead of a model, and what to do with it; else two empty
        texts.
        """
        return "", ""


_EXPLAINER = Hook(FileExplainer())


@frozen
class RegistryEntry:
    """A model.yml or composite-model.yml that was found, but not read."""

    name: str
    family: Family
    path: Path
    composite: str = ""  # the composite that it is a part of
    #: The folder that contains the model's own, as a path from the root; None for the usual one.
    parent: str | None = None
    twin: Path | None = None  # another file of the same root that declares the same name
    #: The later registries that have the name too, and are not used for it.
    also_in: tuple[str, ...] = ()

    @property
    def is_composite(self) -> bool:
        """Whether this is a composite and not a model."""
        return self.path.name == COMPOSITE_FILE

    def read(self) -> Model:
        """What the file declares.

        Raises:
            SpecError: the file has a mistake.
        """
        if self.twin:
            problem = f"the name {self.name} is also used by {self.twin}"
            raise SpecError(
                str(self.path), 1, 1, "", problem=problem, hint="rename one of the folders"
            )
        # Importing the YAML reader takes 50 ms, which commands without a model do not need.
        from posezoo.core.declarations.model_yml import read_composite, read_model

        reason = explain_invalid_model_name(self.name)
        if reason:
            problem = f"the folder name {sanitize(self.name)} is not a model name: {reason}"
            raise SpecError(str(self.path), 1, 1, "", problem=problem, hint="rename the folder")
        if self.is_composite:
            return read_composite(self.path, family=self.family, name=self.name, parent=self.parent)
        return read_model(
            self.path,
            family=self.family,
            name=self.name,
            composite=self.composite,
            parent=self.parent,
        )


@frozen
class Selection:
    """The models and composites that a user asked for, and the files that cannot be read."""

    models: tuple[ModelSpec, ...]
    composites: tuple[CompositeSpec, ...] = ()
    problems: tuple[SpecError, ...] = ()
    entries: Mapping[str, RegistryEntry] = field(default_factory=dict)  # of the whole registry

    def also_in(self, name: str) -> tuple[str, ...]:
        """The later registries that have a name, too; none for a model that no registry has."""
        entry = self.entries.get(name)
        return entry.also_in if entry else ()

    @property
    def all(self) -> tuple[Model, ...]:
        """The composites, then the models."""
        return *self.composites, *self.models

    @property
    def tops(self) -> list[Model]:
        """The composites, and the models that are in none of them."""
        parts = set(chain.from_iterable(composite.stages for composite in self.composites))
        alone = (spec for spec in self.models if spec.full_name not in parts)
        return [*self.composites, *alone]

    @property
    def exit_code(self) -> int:
        """Of a verb that only reads these models: 1 if a file cannot be read."""
        return 1 if self.problems else 0


class Registry:
    """The models of one or several roots; if two roots contain a name, the first root's model is
    used.

    Args:
        roots: folders of model.yml files.
        named_root: one of them whose models are only selected by name.
    """

    def __init__(self, roots: Sequence[Path], named_root: Path | None = None) -> None:
        named: dict[Path, None] = {}
        for root in roots:
            # License texts are beside a root, and the parent of "." is again ".".
            named[root if root.name not in ("", "..") else root.resolve()] = None
        self.roots = tuple(named)
        self.named_root = named_root
        self._parsed: dict[Path, Model | SpecError] = {}
        self._digests: dict[Path, str] = {}

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle only the roots; another process finds the files itself."""
        return Registry, (self.roots, self.named_root)

    def with_builtin(self) -> Registry:
        """The registry with posezoo's own models, whose detectors find people for models of any
        registry.
        """
        builtin = builtin_models_dir()
        return self if builtin in self.roots else Registry((*self.roots, builtin), builtin)

    @cached_property
    def entries(self) -> dict[str, RegistryEntry]:
        """Every model and composite by name, in alphabetical order; files are found, not read.

        If two files of one root declare the same name, or names that differ only in case, neither
        can be used. A PosezooError if a root is not a folder, or cannot be read.
        """
        entries: dict[str, RegistryEntry] = {}
        for root in self.roots:
            by_name: dict[str, RegistryEntry] = {}
            for entry in _scan(root):
                folded = case_folded(entry.name)
                twin = by_name.setdefault(folded, entry)
                if twin is not entry and not twin.path.samefile(entry.path):
                    by_name[folded] = replace(twin, twin=entry.path)
                    if entry.name != twin.name:
                        entries.setdefault(entry.name, replace(entry, twin=twin.path))
            for entry in by_name.values():
                first = entries.setdefault(entry.name, entry)
                if first is not entry:
                    entries[entry.name] = replace(
                        first, also_in=(*first.also_in, registry_name(root))
                    )
        return dict(sorted(entries.items()))

    def digest_of(self, path: Path) -> str:
        """The SHA-384 of a file of this registry, which is read once; empty if it cannot be
        read.
        """
        if path not in self._digests:
            from posezoo.core.files.verified_files import compute_digest  # a list needs none

            self._digests[path] = ""
            with suppress(OSError):
                self._digests[path] = compute_digest(path).value
        return self._digests[path]

    @cached_property
    def other_names(self) -> list[OtherNames]:
        """The aliases, and the models that are left out, of each root.

        A names.yml with a mistake is ignored: it may be a file of another program.
        """
        from posezoo.core.declarations.other_names import read_other_names

        other_names = []
        for root in self.roots:
            with suppress(SpecError):
                other_names.append(read_other_names(root))
        return other_names

    @property
    def default_names(self) -> tuple[str, ...]:
        """The models of these roots that run if none is named, in the order of their names.yml, or
        else of posezoo's own.
        """
        own = next((names.defaults for names in self.other_names if names.defaults), None)
        names = own or Registry([builtin_models_dir()]).other_names[0].defaults
        return tuple(name for name in names if self.real_name(name) in self.entries)

    def real_name(self, name: str) -> str:
        """The model's name for an alias or the path of its model.yml; any other name is returned
        unchanged.
        """
        if name in self.entries:
            return name
        if name.endswith("model.yml"):
            path = Path(name).resolve()
            named = (entry.name for entry in self.entries.values() if entry.path.resolve() == path)
            return next(named, name)
        aliases = (names.aliases for names in self.other_names)
        return next((names[name] for names in aliases if name in names), name)

    def names(self) -> list[str]:
        """The names of all models, including parts of composites, without the composites
        themselves.
        """
        models = (entry.name for entry in self.entries.values() if not entry.is_composite)
        return [name for name in models if not explain_invalid_model_name(name)]

    @property
    def empty_message(self) -> str:
        """The message for the user if there is no model at all; otherwise empty."""
        if self.entries:
            return ""
        single = (root for root in self.roots if any((root / name).is_file() for name in _FILES))
        meant = next((f"; did you mean {root.parent}?" for root in single), "")
        roots = ", ".join(map(str, self.roots))
        return f"no model found in {roots}; a model is a model.yml in a folder of its name{meant}"

    def find(self, name: str) -> Model:
        """The model or composite of this name; ``name@tag`` is one of a model's variants.

        Raises:
            UnknownModelError: there is none; the hint names the most similar one.
            SpecError: its file has a mistake.
        """
        base, _, tag = name.partition(TAG_MARK)
        base = self.real_name(base)
        if base not in self.entries:
            raise self._unknown(base)
        spec = self._read(self.entries[base])
        if TAG_MARK not in name:
            return spec
        variants = {variant.tag: variant for variant in _variants_of(spec)}
        if tag not in variants:
            raise _unknown_tag(spec, tag)
        return variants[tag]

    def find_single(self, name: str) -> ModelSpec:
        """As ``find``, also an UnknownModelError if the name is that of a composite."""
        model = self.find(name)
        if isinstance(model, CompositeSpec):
            raise UnknownModelError(
                f"{name} is a composite, and a file belongs to one of its parts",
                hint=f"name {' or '.join(model.stages)}",
            )
        return model

    def parts(self, model: Model) -> tuple[ModelSpec, ...]:
        """A composite's parts in the order in which they run; for a model, only the model itself.

        A part may lie in the folder of another composite of the registry. A SpecError if a stage is
        not one of its parts.
        """
        if isinstance(model, ModelSpec):
            return (model,)
        registry = self._registry_of(model)
        if registry is not self:
            return registry.parts(model)
        parts = []
        for stage in model.stages:
            entry = self.entries.get(stage)
            spec = None
            if entry and (entry.composite or entry.twin):
                spec = self._read(entry)
            if not isinstance(spec, ModelSpec):
                problem = f"{model.name} has no part {stage}"
                raise SpecError(str(model.path), 1, 1, "stages", problem=problem)
            parts.append(spec)
        return tuple(parts)

    def composite_of(self, spec: ModelSpec) -> Model:
        """The composite that a model is a part of, also in another registry; else the model itself.

        An UnknownModelError if there is no such composite, a SpecError if its file has a mistake.
        """
        if spec.composite:
            return self._registry_of(spec).find(spec.composite)
        return spec

    def _registry_of(self, spec: Model) -> Registry:
        root = registry_root(spec)
        return self if root in self.roots else open_registry((root,))

    def select(self, patterns: Iterable[str] | None = None) -> Selection:
        """The models that match any of the patterns, in the patterns' order; for None all models,
        but those of ``named_root``.

        Patterns are names or case-sensitive globs (``human-pose-*``); a composite's name stands for
        its parts, and a model's for its default variant, unless the pattern names others:
        ``name@tag``, ``name@*``. Files that cannot be read are returned as problems.

        Raises:
            UnknownModelError: a pattern matches no name; the hint names the most similar one.
        """
        models: dict[str, ModelSpec] = {}
        composites = {}
        problems: dict[str, SpecError] = {}
        for pattern in (None,) if patterns is None else patterns:
            for spec in self._chosen(pattern, problems):
                try:
                    parts = self.parts(spec)
                except SpecError as error:
                    problems[error.problem] = error
                    continue
                if isinstance(spec, CompositeSpec):
                    composites[spec.name] = spec
                for part in parts:
                    models.setdefault(part.full_name, part)
        return Selection(
            tuple(models.values()),
            tuple(composites.values()),
            tuple(problems.values()),
            entries=self.entries,
        )

    def has_name(self, pattern: str) -> bool:
        """Whether a name, or a glob, matches any model or composite; no file is read."""
        return any(fnmatchcase(name, pattern) for name in self.entries)

    def matches_any(self, pattern: str) -> bool:
        """Whether a pattern of ``select`` matches any model, even if its file cannot be read."""
        problems: dict[str, SpecError] = {}
        try:
            return bool(list(self._chosen(pattern, problems)) or problems)
        except UnknownModelError:
            return False

    def _chosen(self, pattern: str | None, problems: dict[str, SpecError]) -> Iterator[Model]:
        names, at, tags = (pattern or "").partition(TAG_MARK)
        if pattern is None:
            entries = [
                entry
                for entry in self.entries.values()
                if not (self.named_root and entry.path.is_relative_to(self.named_root))
            ]
        else:
            entries = self.matching(names)
        has_match = False
        for entry in entries:
            try:
                spec = self._read(entry)
            except SpecError as error:
                problems[error.problem] = error
                has_match = True
                continue
            chosen: list[Model] = [spec]
            if at:
                chosen = [each for each in _variants_of(spec) if fnmatchcase(each.tag, tags)]
            has_match = has_match or bool(chosen)
            yield from chosen
        if has_match or not at:
            return
        if names in self.entries:
            raise _unknown_tag(self._read(self.entries[names]), tags)
        raise UnknownModelError(f"no model {sanitize(names)} has a variant {sanitize(tags)}")

    def matching(self, pattern: str) -> list[RegistryEntry]:
        """The entries of a name, an alias or a glob; an UnknownModelError if there is none."""
        pattern = self.real_name(pattern)
        if pattern in self.entries:
            return [self.entries[pattern]]
        entries = [entry for name, entry in self.entries.items() if fnmatchcase(name, pattern)]
        if not entries:
            raise self._unknown(pattern)
        return entries

    def _read(self, entry: RegistryEntry) -> Model:
        if entry.path not in self._parsed:
            try:
                self._parsed[entry.path] = entry.read()
            except SpecError as error:
                self._parsed[entry.path] = error
        parsed = self._parsed[entry.path]
        if isinstance(parsed, SpecError):
            raise parsed
        return parsed

    def _unknown(self, name: str) -> UnknownModelError:
        problem, hint = _EXPLAINER.part.explain(name)
        if problem:
            return UnknownModelError(problem, hint=hint)
        if Path(name).suffix and os.path.isfile(name):
            return UnknownModelError(
                f"{name}: the ending of its name is not that of a network",
                hint="posezoo convert --help lists the endings",
            )
        hint = self.empty_message or self._other_registry(name)
        if not hint and (models := self.why_not(name)):
            hint = f"{models} (posezoo list shows what they need here)"
        hint = hint or suggest(name, self.entries)
        hint = hint or explain_other_word(name)
        if not hint:
            hint = "posezoo list shows them all"
            if not any(registry_name(root) in WHEEL_REGISTRIES for root in self.roots):
                hint += "; --registry omz adds the models of Open Model Zoo"
        return UnknownModelError(f"no model is called {sanitize(name)}", hint=hint)

    def why_not(self, name: str) -> LeftOut | None:
        """Why a model that is asked for is not in these registries; None if it is unknown."""
        return next(filter(None, (each.find_left_out(name) for each in self.other_names)), None)

    def _other_registry(self, name: str) -> str:
        with suppress(PosezooError):
            for registry in REGISTRIES:
                root = named_registry_root(registry)
                if root in self.roots or not root.is_dir():
                    continue
                other = Registry([root])
                if other.has_name(other.real_name(name)):
                    return f"the registry {registry} has it: --registry {registry}"
        return ""


def _variants_of(spec: Model) -> tuple[ModelSpec, ...]:
    if isinstance(spec, ModelSpec) and spec.tag:
        return spec, *spec.variants
    return ()


def _unknown_tag(spec: Model, tag: str) -> UnknownModelError:
    tags = [variant.tag for variant in _variants_of(spec)]
    hint = suggest(tag, tags) or (
        f"its variants: {', '.join(tags)}" if tags else "it has no variants"
    )
    return UnknownModelError(f"{spec.name} has no variant {sanitize(tag)}", hint=hint)


def _scan(root: Path) -> Iterator[RegistryEntry]:
    """The models and composites in all folders of a root; each folder is read once.

    A link to a folder is followed, but no links below it: a circle of links would be endless.
    """
    if not root.is_dir():
        raise PosezooError(
            f"{root}: this models folder does not exist",
            hint="check --models_dir, or models_dir in posezoo.cfg",
        )
    # The path from the root, the composite whose folder contains it, and whether to follow links.
    pending = [("", "", True)]
    while pending:
        inside, composite, follow = pending.pop()
        folder = f"{root}/{inside}" if inside else f"{root}"
        files, folders = _list_folder(folder, follow=follow)
        parent, _, name = inside.rpartition("/")
        for file in files if inside else ():
            path = root / f"{inside}/{file}"
            of_composite = composite if file == MODEL_FILE else ""
            # Outside of both families, models are public.
            is_intel = inside.startswith(f"{Family.INTEL}/")
            family = Family.INTEL if is_intel else Family.PUBLIC
            yield RegistryEntry(name, family, path, of_composite, parent)
        composite_below = name if COMPOSITE_FILE in files else ""
        for child, is_link in folders:
            below = f"{inside}/{child}" if inside else child
            pending.append((below, composite_below, follow and not is_link))


def _list_folder(folder: str, *, follow: bool) -> tuple[list[str], list[tuple[str, bool]]]:
    """The files of a folder that declare models, and its subfolders in reverse order, each with
    whether it is a link. Hidden folders, such as .git, and lost+found are left out.
    """
    files = []
    folders = []
    try:
        with os.scandir(folder) as children:
            for child in children:
                name = child.name
                if name in _FILES:
                    files += [name] if child.is_file() else []
                elif not name.startswith(_SKIPPED) and child.is_dir(follow_symlinks=follow):
                    folders.append((name, child.is_symlink()))
    except OSError as error:
        raise PosezooError(f"{folder}: cannot be read: {os_reason(error)}") from error
    return sorted(files), sorted(folders, reverse=True)


@cache
def builtin_models_dir() -> Path:
    """The folder of posezoo's own models: in the installed package, or the checkout's models/.

    By path: importlib.resources fails in an editable install and in a bare checkout.
    """
    package = Path(__file__).resolve().parents[1]
    installed = package / "models"
    return installed if installed.is_dir() else package.parents[1] / "models"


def registry_root(spec: Model) -> Path:
    """The root of the registry that contains a model or composite; for own weights, a folder above
    them.
    """
    folders = spec.path.parents
    depth = spec.subdirectory.count("/") + 1
    return folders[min(depth, len(folders) - 1)]


def named_registry_root(name: str) -> Path:
    """The folder of a registry of ``REGISTRIES``; of one in a wheel, that of an installed stand-in
    for openvino-dev, or the one to which it is read, if complete.
    """
    if name == "posezoo":
        return builtin_models_dir()
    package = find_spec(STAND_IN_DATA)
    if package:
        for folder in package.submodule_search_locations or ():
            root = Path(folder, "registries", name, "models")
            if root.is_dir():
                return root
    return user_folder("cache") / "registries" / name / "models"


def registry_name(root: Path) -> str:
    """The name of a registry, as the setting ``registries`` has it; the path of any other."""
    if root == builtin_models_dir():
        return "posezoo"
    is_wheel = root.parent.name in WHEEL_REGISTRIES and root.parents[1].name == "registries"
    return root.parent.name if is_wheel else f"{root}"


def is_declared(spec: Model) -> bool:
    """Whether a model.yml declares a model; else it is the user's own weights."""
    return spec.path.name.endswith("model.yml")


def format_command(verb: str, spec: Model, folder: Path | None = None) -> str:
    """A command of posezoo about a model, with its registry, and its root ``folder``
    (``--weights_dir``), if they are not the default.
    """
    words = ["posezoo", verb, shell_word(spec.full_name)]
    usual = None
    if is_declared(spec):  # the user's own weights are in no registry
        root = registry_root(spec)
        registry = registry_name(root)
        if registry in WHEEL_REGISTRIES:
            words += ["--registry", registry]
        elif registry != "posezoo" and root.is_dir():
            words += ["--models_dir", shell_word(root)]
    elif any(file.sources for file in getattr(spec, "files", ())):  # a checkpoint that was named
        words[-1] = shell_word(spec.path)
    with suppress(SettingsError):  # a user without a home folder
        usual = user_folder("cache") / "models"
    if folder not in (None, usual):
        words += ["--weights_dir", shell_word(folder)]
    return " ".join(words)


def license_path(spec: ModelSpec) -> Path:
    """The path of a model's license text: in licenses/ within its registry, else beside it."""
    root = registry_root(spec)
    within = root / "licenses" / spec.license.text
    return within if within.is_file() else root.parent / "licenses" / spec.license.text


def open_registry(roots: Sequence[Path] = ()) -> Registry:
    """The registry of these roots; posezoo's own registry if no root is given."""
    return Registry(roots or (builtin_models_dir(),))
