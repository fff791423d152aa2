"""Find models by name, by pattern, or all, in one or several folders of model.yml files.

A registry's root holds ``{public,intel}/<name>/model.yml``, and for a composite
``{public,intel}/<composite>/composite-model.yml`` with its parts one level deeper. A model's name is
its folder's, so finding one reads one file. A file with an error is set aside: it is told, and the
other models go on working. What was read of a large registry can be remembered, for those who only show it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from pathlib import Path

from posezoo.errors import OutputError, PosezooError, SpecError, UnknownModelError, suggest
from posezoo.spec.model import CompositeSpec, Family, ModelSpec
from posezoo.spec.safe_names import case_folded, explain_invalid_model_name

#: A registry of fewer files is read faster than it is remembered.
REMEMBERED_FROM = 50
#: Between a model's name and the tag of one of its variants; no name holds it.
TAG_MARK = "@"
#: Of a file that was changed less than this ago, another change may leave no other time stamp.
RECENT_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """A model.yml or composite-model.yml that was found, not read."""

    name: str
    family: Family
    path: Path
    composite: str = ""  # the composite that it is a part of
    twin: Path | None = None  # another file of the same root that declares this name

    @property
    def is_composite(self) -> bool:
        """Whether this is a composite and not a model."""
        return self.path.name == "composite-model.yml"

    def read(self) -> ModelSpec | CompositeSpec:
        """What the file declares.

        Raises:
            SpecError: it declares something that cannot be meant.
        """
        # The reader of YAML costs 20 ms: whoever knows the registry from before does not wait for it.
        from posezoo.spec.model_yml import read_composite, read_model

        if reason := explain_invalid_model_name(self.name):
            problem = f"the folder's name {_shown(self.name)} is no model's: {reason}"
            raise SpecError(str(self.path), 1, 1, "", problem, hint="rename the folder")
        if self.twin is not None:
            problem = f"the name {self.name} is also that of {self.twin}"
            raise SpecError(str(self.path), 1, 1, "", problem, hint="rename one of the folders")
        if self.is_composite:
            return read_composite(self.path, family=self.family, name=self.name)
        return read_model(self.path, family=self.family, name=self.name, composite=self.composite)


@dataclass(frozen=True, slots=True)
class Selection:
    """The models and composites that were asked for, and what is wrong with those that cannot be read."""

    models: tuple[ModelSpec, ...]
    composites: tuple[CompositeSpec, ...] = ()
    problems: tuple[SpecError, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the files of these models and composites, and was left out."""
        specs: tuple[ModelSpec | CompositeSpec, ...] = (*self.composites, *self.models)
        return tuple(warning for spec in specs for warning in spec.warnings)


ParsedModel = ModelSpec | CompositeSpec | SpecError
StatFingerprint = tuple[int, ...]  # of a file: size, inode, and times of change


class Registry:
    """The models of one or several roots; where a name is in two of them, the first root's counts.

    Args:
        roots: folders of model.yml files.
        memory: a folder for what was read of a large registry, so that the next one need not read it again
            while no file changes. For those who only show what is declared: whoever fetches or converts
            reads the model.yml itself. None, or one that cannot be written: every file is read.
    """

    def __init__(self, roots: Sequence[Path], *, memory: Path | None = None) -> None:
        self.roots = tuple(roots)
        self._memory = memory
        self._known: dict[Path, ParsedModel] = {}
        self._states: dict[Path, StatFingerprint] = {}  # in which the files were before they were read

    @cached_property
    def entries(self) -> dict[str, RegistryEntry]:
        """Every model and composite by name, in alphabetical order; files are found, not read.

        Two files of one root that declare one name, or names that are one where case is ignored, are both
        no good: which of them is meant cannot be known.

        Raises:
            PosezooError: a root is no folder, or cannot be read.
        """
        found: dict[str, RegistryEntry] = {}
        for root in self.roots:
            for entry in _without_twins(_scan(root)):
                found.setdefault(entry.name, entry)
        return dict(sorted(found.items()))

    def names(self) -> list[str]:
        """The names of all models, parts of composites among them, without the composites' own."""
        models = (entry.name for entry in self.entries.values() if not entry.is_composite)
        return [name for name in models if not explain_invalid_model_name(name)]

    @property
    def empty_message(self) -> str:
        """Where models were looked for, and should lie, where there is none at all; else empty."""
        if self.entries:
            return ""
        # Open Model Zoo's models lie below models/, and each of its families below that.
        near = (each for root in self.roots for each in (root / "models", root.parent) if _holds_models(each))
        meant = "".join(f"; did you mean {each}?" for each in islice(near, 1))
        roots = ", ".join(map(str, self.roots))
        return f"no model lies below {roots}, as public/NAME/model.yml{meant}"

    def problems(self) -> tuple[SpecError, ...]:
        """Everything that is wrong with any file of the registry."""
        return self.select(None).problems

    def find(self, name: str) -> ModelSpec | CompositeSpec:
        """The model or composite of this name; ``name@tag`` is one of a model's variants.

        Raises:
            UnknownModelError: there is none; the hint names the nearest.
            SpecError: its file declares something that cannot be meant.
        """
        base, _, tag = name.partition(TAG_MARK)
        spec = self._read(self._entry(base))
        return spec if TAG_MARK not in name else _tagged(spec, tag)

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
            ours = entry is not None and (entry.composite == model.name or entry.twin is not None)
            spec = self._read(entry) if entry is not None and ours else None
            if not isinstance(spec, ModelSpec):
                raise SpecError(str(model.path), 1, 1, "stages", f"{model.name} has no part {stage}")
            parts.append(spec)
        return tuple(parts)

    def select(self, patterns: Iterable[str] | None = None) -> Selection:
        """The models that any of the patterns matches, in the patterns' order; all where it is None.

        Patterns are names or case-sensitive globs (``human-pose-*``). A composite's name stands for its
        parts. Of a model with variants the default is meant, unless a pattern's own ``@`` says which:
        ``name@tag``, ``name@*``. Files that cannot be read are returned as problems.

        Raises:
            UnknownModelError: a pattern matches no name; the hint names the nearest.
        """
        models: dict[str, ModelSpec] = {}
        composites: dict[str, CompositeSpec] = {}
        problems: dict[str, SpecError] = {}
        for pattern in (None,) if patterns is None else patterns:
            for spec in self._chosen(pattern, problems):
                try:
                    parts = self.parts(spec)
                except SpecError as error:
                    problems[error.problem] = error
                    parts = ()
                if isinstance(spec, CompositeSpec):
                    composites[spec.name] = spec
                for part in parts:
                    models.setdefault(part.full_name, part)
        if patterns is None:
            self._update_cache()
        return Selection(tuple(models.values()), tuple(composites.values()), tuple(problems.values()))

    def matches_any(self, pattern: str) -> bool:
        """Whether a pattern of ``select`` matches anything, if only a file that cannot be read."""
        problems: dict[str, SpecError] = {}
        try:
            return bool(list(self._chosen(pattern, problems)) or problems)
        except UnknownModelError:
            return False

    def _chosen(
        self, pattern: str | None, problems: dict[str, SpecError]
    ) -> Iterator[ModelSpec | CompositeSpec]:
        """What a pattern matches; what is wrong with files that cannot be read goes to ``problems``."""
        names, at, tags = ("*" if pattern is None else pattern).partition(TAG_MARK)
        found = False
        for entry in self._matching(names) if pattern is not None else self.entries.values():
            try:
                spec = self._read(entry)
            except SpecError as error:
                problems[error.problem] = error
                found = True
                continue
            for variant in _variants_of(spec) if at else (spec,):
                if not at or (isinstance(variant, ModelSpec) and fnmatchcase(variant.tag, tags)):
                    found = True
                    yield variant
        if at and not found:
            raise self._no_tag(names, tags)

    def _no_tag(self, names: str, tags: str) -> UnknownModelError:
        if names in self.entries:
            return _unknown_tag(self._read(self.entries[names]), tags)
        return UnknownModelError(f"no model {_shown(names)} has a variant {_shown(tags)}")

    def _read(self, entry: RegistryEntry) -> ModelSpec | CompositeSpec:
        if entry.path not in self._known:
            if self._memory is not None:
                self._states[entry.path] = _stat_fingerprint(entry.path)
            self._known[entry.path] = self._cached_spec(entry) or _format_problem(entry)
        known = self._known[entry.path]
        if isinstance(known, SpecError):
            raise known
        return known

    def _cached_spec(self, entry: RegistryEntry) -> ModelSpec | None:
        if entry.twin is not None or not self._read_cache:
            return None
        state, spec = self._read_cache.get(str(entry.path), ((), None))
        return spec if state == self._states[entry.path] else None

    @cached_property
    def _read_cache(self) -> dict[str, tuple[StatFingerprint, ModelSpec]]:
        """What was read before, by path, each with the state that its file was in."""
        if self._memory is None or len(self.entries) < REMEMBERED_FROM:
            return {}
        from posezoo.spec import json_codec

        try:
            found = json_codec.from_json_text(_memory_file(self._memory, self.roots).read_bytes())
            reader, memories = found
            specs = [spec for _, spec in memories.values()]
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # there is none, or it is not what we wrote
        if reader != _reader_fingerprint() or not all(isinstance(spec, ModelSpec) for spec in specs):
            return {}
        return dict(memories)

    def _update_cache(self) -> None:
        if self._memory is None or len(self.entries) < REMEMBERED_FROM:
            return
        specs = {str(path): spec for path, spec in self._known.items() if isinstance(spec, ModelSpec)}
        known = {path: spec for path, (_, spec) in self._read_cache.items()}
        if all(spec is known.get(path) for path, spec in specs.items()):
            return
        from posezoo.files.verified_files import write_atomically
        from posezoo.spec import json_codec

        states = {path: self._states[Path(path)] for path in specs}
        memories = {path: (state, specs[path]) for path, state in states.items() if _is_settled(state)}
        content = json_codec.to_json_text((_reader_fingerprint(), memories)).encode()
        with suppress(OutputError):  # a cache folder that cannot be written costs time, nothing else
            write_atomically(_memory_file(self._memory, self.roots), content, lasting=False)

    def _matching(self, pattern: str) -> list[RegistryEntry]:
        if pattern in self.entries:
            return [self.entries[pattern]]
        matches = [entry for name, entry in self.entries.items() if fnmatchcase(name, pattern)]
        if not matches:
            raise self._unknown(pattern)
        return matches

    def _entry(self, name: str) -> RegistryEntry:
        entry = self.entries.get(name)
        if entry is None:
            raise self._unknown(name)
        return entry

    def _unknown(self, name: str) -> UnknownModelError:
        hint = self.empty_message or suggest(name, self.entries) or "posezoo list shows them all"
        return UnknownModelError(f"no model is called {_shown(name)}", hint=hint)


def _variants_of(spec: ModelSpec | CompositeSpec) -> tuple[ModelSpec, ...]:
    """The variants of a model that has tags, the default first; nothing of any other."""
    return (spec, *spec.variants) if isinstance(spec, ModelSpec) and spec.tag else ()


def _tagged(spec: ModelSpec | CompositeSpec, tag: str) -> ModelSpec:
    for variant in _variants_of(spec):
        if variant.tag == tag:
            return variant
    raise _unknown_tag(spec, tag)


def _unknown_tag(spec: ModelSpec | CompositeSpec, tag: str) -> UnknownModelError:
    tags = [variant.tag for variant in _variants_of(spec)]
    hint = suggest(tag, tags) or (f"there is {', '.join(tags)}" if tags else "it has no variants")
    return UnknownModelError(f"{spec.name} has no variant {_shown(tag)}", hint=hint)


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 60 else name[:57] + "...")


def _format_problem(entry: RegistryEntry) -> ParsedModel:
    try:
        return entry.read()
    except SpecError as error:
        return error


def _stat_fingerprint(path: Path) -> StatFingerprint:
    """What differs when a model.yml, or what lies beside it, is another than before."""
    try:
        file, folder = path.stat(), path.parent.stat()
    except OSError:
        return ()
    return file.st_size, file.st_ino, file.st_mtime_ns, file.st_ctime_ns, folder.st_mtime_ns


def _is_settled(state: StatFingerprint) -> bool:
    return bool(state) and time.time_ns() - max(state[2:]) > RECENT_NS


def _reader_fingerprint() -> tuple[tuple[str, int, int], ...]:
    """What differs when another posezoo reads: the files of its reader."""
    found = []
    for path in sorted((Path(__file__).parent / "spec").glob("*.py")):
        status = path.stat()
        found.append((path.name, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _memory_file(folder: Path, roots: Sequence[Path]) -> Path:
    from hashlib import sha256

    places = "\n".join(str(root.absolute()) for root in roots)
    return folder / f"{sha256(places.encode(errors='surrogateescape')).hexdigest()[:32]}.json"


def _without_twins(entries: Iterable[RegistryEntry]) -> Iterator[RegistryEntry]:
    by_name: dict[str, RegistryEntry] = {}
    for entry in entries:
        twin = by_name.setdefault(case_folded(entry.name), entry)
        if twin is not entry:
            by_name[case_folded(entry.name)] = replace(twin, twin=entry.path)
            if entry.name != twin.name:
                yield replace(entry, twin=twin.path)
    yield from by_name.values()


def _scan(root: Path) -> Iterator[RegistryEntry]:
    if not root.is_dir():
        raise PosezooError(f"{root}: no such folder of models", hint="check --models_dir")
    for family in Family:
        for folder in _folders(root / family):
            if (composite := folder / "composite-model.yml").is_file():
                yield RegistryEntry(folder.name, family, composite)
                for part in _folders(folder):
                    if (model := part / "model.yml").is_file():
                        yield RegistryEntry(part.name, family, model, composite=folder.name)
            elif (model := folder / "model.yml").is_file():
                yield RegistryEntry(folder.name, family, model)


def _holds_models(root: Path) -> bool:
    try:
        return any(True for _ in _scan(root))
    except PosezooError:
        return False


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            return sorted(Path(each.path) for each in found if each.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise PosezooError(f"{folder}: cannot be read: {error.strerror or error}") from error


def builtin_models_dir() -> Path:
    """The registry that comes with posezoo: inside the installed package, else the checkout's models/.

    Found by path: importlib.resources fails in an editable install and in a bare checkout.
    """
    package = Path(__file__).resolve().parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parents[1] / "models"


def registry_root(spec: ModelSpec | CompositeSpec) -> Path:
    """The root of the registry that a model or composite lies in."""
    return spec.path.parents[3 if isinstance(spec, ModelSpec) and spec.composite else 2]


def license_path(spec: ModelSpec) -> Path:
    """The licence text that a model names: in licenses/, beside the root of its registry."""
    return registry_root(spec).parent / "licenses" / spec.license.text


def read_copyright_line(spec: ModelSpec) -> str:
    """The holder's line that opens a model's licence text; empty where there is none."""
    try:
        with open(license_path(spec), encoding="utf-8") as text:
            first = text.readline(1000).strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return first if _names_a_holder(first) else ""


#: What a template leaves for the holder to fill in: ``<year>``, ``[name of copyright owner]``.
_BLANK = re.compile(
    r"[<\[{][^<>\[\]{}]*(?:year|yyyy|name|owner|holder|author)[^<>\[\]{}]*[>\]}]", re.IGNORECASE
)


def _names_a_holder(line: str) -> bool:
    """Whether a line says Copyright and whose: years alone, and a template that nobody filled in, do not."""
    if not line.startswith("Copyright ") or _BLANK.search(line):
        return False
    rest = line.removeprefix("Copyright ").replace("(c)", "").replace("(C)", "")
    return any(each.isalpha() for each in rest.replace("All rights reserved", ""))


def open_registry(roots: Sequence[Path] = (), *, memory: Path | None = None) -> Registry:
    """The registry of these roots; the one that comes with posezoo where none is given."""
    return Registry(roots or (builtin_models_dir(),), memory=memory)
