"""Find models by name, by pattern, or all, in one or several folders of model.yml files.

A registry's root holds ``{public,intel}/<name>/model.yml``, and for a composite
``{public,intel}/<composite>/composite-model.yml`` with its parts one level deeper. A model's name is
its folder's, so finding one reads one file. A file with an error is set aside: it is told, and the
other models go on working.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from posezoo.errors import PosezooError, SpecError, UnknownModelError, nearest
from posezoo.spec.model import CompositeSpec, Family, ModelSpec
from posezoo.spec.model_yml import read_composite, read_model
from posezoo.spec.names import why_not_a_model_name
from posezoo.spec.reader import shown


@dataclass(frozen=True, slots=True)
class Entry:
    """A model.yml or composite-model.yml that was found, not read."""

    name: str
    family: Family
    path: Path
    composite: str = ""  # the composite that it is a part of

    @property
    def is_composite(self) -> bool:
        """Whether this is a composite and not a model."""
        return self.path.name == "composite-model.yml"

    def read(self) -> ModelSpec | CompositeSpec:
        """What the file declares.

        Raises:
            SpecError: it declares something that cannot be meant.
        """
        if why := why_not_a_model_name(self.name):
            raise SpecError(
                str(self.path), 1, 1, "", f"the folder's name {shown(self.name)} is no model's: {why}"
            )
        if self.is_composite:
            return read_composite(self.path, family=self.family, name=self.name)
        return read_model(self.path, family=self.family, name=self.name, composite=self.composite)


@dataclass(frozen=True, slots=True)
class Selection:
    """The models and composites that were asked for, and what is wrong with those that cannot be read."""

    models: tuple[ModelSpec, ...]
    composites: tuple[CompositeSpec, ...] = ()
    problems: tuple[SpecError, ...] = ()


class Registry:
    """The models of one or several roots; where a name is in two of them, the first root's counts."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(roots)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Every model and composite by name, in alphabetical order; files are found, not read.

        Raises:
            PosezooError: a root is no folder.
        """
        found: dict[str, Entry] = {}
        for root in self.roots:
            for entry in _scan(root):
                found.setdefault(entry.name, entry)
        return dict(sorted(found.items()))

    def names(self) -> list[str]:
        """The names of all models, parts of composites among them, without the composites' own."""
        return [entry.name for entry in self.entries.values() if not entry.is_composite]

    def find(self, name: str) -> ModelSpec | CompositeSpec:
        """The model or composite of this name.

        Raises:
            UnknownModelError: there is none; the hint names the nearest.
            SpecError: its file declares something that cannot be meant.
        """
        return self._entry(name).read()

    def parts(self, model: ModelSpec | CompositeSpec) -> tuple[ModelSpec, ...]:
        """A composite's parts in the order they run in; a model itself, alone.

        Raises:
            SpecError: a stage is no part of the composite, or its file declares what cannot be meant.
        """
        if isinstance(model, ModelSpec):
            return (model,)
        parts = []
        for stage in model.stages:
            entry = self.entries.get(stage)
            spec = entry.read() if entry is not None and entry.composite == model.name else None
            if not isinstance(spec, ModelSpec):
                raise SpecError(str(model.path), 1, 1, "stages", f"{model.name} has no part {stage}")
            parts.append(spec)
        return tuple(parts)

    def select(self, patterns: Iterable[str] | None = None) -> Selection:
        """The models that any of the patterns matches, in the patterns' order; all where it is None.

        Patterns are names or case-sensitive globs (``human-pose-*``). A composite's name stands for its
        parts. Files that cannot be read are returned as problems.

        Raises:
            UnknownModelError: a pattern matches no name; the hint names the nearest.
        """
        chosen: dict[str, Entry] = {}
        for entry in self.entries.values() if patterns is None else self._matching(patterns):
            chosen[entry.name] = entry
        models: dict[str, ModelSpec] = {}
        composites: list[CompositeSpec] = []
        problems: dict[str, SpecError] = {}
        for entry in chosen.values():
            try:
                spec = entry.read()
                if isinstance(spec, CompositeSpec):
                    composites.append(spec)
                models.update((part.name, part) for part in self.parts(spec))
            except SpecError as error:
                problems[error.problem] = error
        return Selection(tuple(models.values()), tuple(composites), tuple(problems.values()))

    def _matching(self, patterns: Iterable[str]) -> Iterator[Entry]:
        for pattern in patterns:
            if pattern in self.entries:
                yield self.entries[pattern]
                continue
            matches = [entry for name, entry in self.entries.items() if fnmatchcase(name, pattern)]
            if not matches:
                raise self._unknown(pattern)
            yield from matches

    def _entry(self, name: str) -> Entry:
        entry = self.entries.get(name)
        if entry is None:
            raise self._unknown(name)
        return entry

    def _unknown(self, name: str) -> UnknownModelError:
        hint = nearest(name, self.entries) or "posezoo list shows them all"
        return UnknownModelError(f"no model is called {shown(name)}", hint=hint)


def _scan(root: Path) -> Iterator[Entry]:
    if not root.is_dir():
        raise PosezooError(f"{root}: no such folder of models", hint="check --models_dir")
    for family in Family:
        for folder in _folders(root / family):
            if (composite := folder / "composite-model.yml").is_file():
                yield Entry(folder.name, family, composite)
                for part in _folders(folder):
                    if (model := part / "model.yml").is_file():
                        yield Entry(part.name, family, model, composite=folder.name)
            elif (model := folder / "model.yml").is_file():
                yield Entry(folder.name, family, model)


def _folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []


def builtin_root() -> Path:
    """The registry that comes with posezoo: inside the installed package, else the checkout's models/.

    Found by path: importlib.resources fails in an editable install and in a bare checkout.
    """
    package = Path(__file__).resolve().parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parents[1] / "models"


def license_text(spec: ModelSpec) -> Path:
    """The licence text that a model names: in licenses/, beside the root of its registry."""
    root = spec.path.parents[3 if spec.composite else 2]
    return root.parent / "licenses" / spec.license.text


def copyright_line(spec: ModelSpec) -> str:
    """The holder's line that opens a model's licence text; empty where there is none."""
    try:
        with open(license_text(spec), encoding="utf-8") as text:
            first = text.readline(1000).strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return first if first.startswith("Copyright ") else ""


def open_registry(roots: Sequence[Path] = ()) -> Registry:
    """The registry of these roots; the one that comes with posezoo where none is given."""
    return Registry(roots or (builtin_root(),))
