"""Find the models that a change touches, with Git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from posezoo.core.declarations import other_names
from posezoo.core.declarations.model import Model
from posezoo.core.declarations.yaml_nodes import read_yaml
from posezoo.core.download.transfer import ACCESS_POINTS
from posezoo.core.errors import SettingsError, SpecError
from posezoo.core.registry import (
    Registry,
    RegistryEntry,
    builtin_models_dir,
    registry_root,
)
from posezoo.core.workers.program import find_program
from posezoo.figures.measured import NAME as MEASURED
from posezoo.figures.measured import read_measured
from posezoo.figures.papers import NAME as PAPERS
from posezoo.figures.rehearsals import TABLE as REHEARSALS
from posezoo.lint.earlier_models import EarlierModels, read_reasons
from posezoo.lint.registry_view import ModelView, RegistryView
from posezoo.pages.cards.model_card import INDEX, PICTURES
from posezoo.pages.cards.registry_pages import PICTURE

TIMEOUT_S = 60
# The configuration of an unpacked repository can name programs that Git starts.
_NO_PROGRAMS = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
DECLARATIONS = ("model.yml", "composite-model.yml")
#: The files of a registry or of a family, which concern all models beside or below them.
REGISTRY_FILES = (INDEX, PICTURE, ACCESS_POINTS, REHEARSALS, other_names.NAME)


def find_changed_models(registry: Registry, revision: str) -> frozenset[str] | None:
    """The models and composites whose folders differ from a revision, committed or not; None if
    nothing differs.

    If an index page or a file of the whole registry, such as names.yml, differs, all models beside
    or below it count as changed; if papers.yml, the picture of a skeleton, a license text or
    another file to which cards link differs or was deleted, the models that name it; if a model
    was deleted, all.

    Raises:
        SettingsError: Git is not installed, there is no repository of the user's, or the revision
            does not exist.
    """
    refuse_installed_models(registry, "--changed_since")
    if not all(map(_has_commits, registry.roots)):
        return frozenset(registry.entries)  # before the first commit, all is new
    paths = {path for root in registry.roots for path in _list_changed_paths(root, revision)}
    if not paths:
        return None
    entries = registry.entries.values()
    folders = {entry.path.parent.resolve() for entry in entries}
    declarations = [path for path in paths if path.name in DECLARATIONS]
    if any(path.parent not in folders for path in declarations):
        return frozenset(registry.entries)  # a model was deleted, which any model may name
    touched = {each for path in paths for each in (path, *path.parents)}
    names = [entry.name for entry in entries if _is_touched(entry, paths, touched)]
    return _find_readers(registry, paths).union(names)


def read_earlier_models(registry: Registry, revision: str) -> EarlierModels:
    """The models as they were where the present branch left a revision's. A model.yml that cannot
    be read today is left out.
    """
    if not all(map(_has_commits, registry.roots)):
        new = frozenset(entry.path.resolve() for entry in registry.entries.values())
        return EarlierModels((), new, frozenset(), frozenset())
    models: list[Model] = []
    changed = set()
    reasons: set[str] = set()
    irs: set[str] = set()
    for root in registry.roots:
        top = _find_top(root)
        # The other branch may have gone on: its changes are not those of this one.
        merged = _start_git(root, "merge-base", "--end-of-options", revision, "HEAD")
        start = merged.stdout.strip() or revision
        with TemporaryDirectory() as folder:
            for path in _list_changed_paths(root, start):
                if path.name not in DECLARATIONS or not path.is_relative_to(root.resolve()):
                    continue
                changed.add(path)
                name = path.relative_to(top.resolve()).as_posix()
                copy = Path(folder, path.relative_to(root.resolve()))
                _copy_earlier(root, f"{start}:{name}", copy)
                records = f"{start}:{PurePosixPath(name).with_name(MEASURED)}"
                _copy_earlier(root, records, copy.with_name(MEASURED))
            for entry in Registry([Path(folder)]).entries.values():
                with suppress(SpecError):
                    reasons |= read_reasons(read_yaml(entry.path))
                    models.append(entry.read())
                    records_before = read_measured(entry.path.with_name(MEASURED))
                    irs |= {each.irs for each in records_before} - {""}
    return EarlierModels(tuple(models), frozenset(changed), frozenset(reasons), frozenset(irs))


def _copy_earlier(root: Path, blob: str, copy: Path) -> None:
    earlier = _start_git(root, "cat-file", "blob", blob)
    if earlier.returncode == 0:  # else there was none
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(earlier.stdout, "utf-8", errors="surrogateescape", newline="")


def _has_commits(root: Path) -> bool:
    return bool(_run_git(root, "rev-list", "--all", "--max-count=1"))


def _find_top(root: Path) -> Path:
    return Path(_run_git(root, "rev-parse", "--show-toplevel").strip())


def refuse_installed_models(registry: Registry, flag: str) -> None:
    """Raise a SettingsError if the registry is that of an installed posezoo."""
    models_dir = builtin_models_dir()
    if registry.roots == (models_dir,) and not Path.cwd().is_relative_to(models_dir.parent):
        raise SettingsError(
            f"{flag}: the models of the installed posezoo are in no repository of yours",
            hint="name the folder of your models: --models_dir DIR",
        )


def _is_touched(entry: RegistryEntry, paths: set[Path], touched: set[Path]) -> bool:
    folder = entry.path.parent.resolve()
    above = [parent / name for parent in folder.parents for name in REGISTRY_FILES]
    own_skeletons = {path.parent.parent for path in paths if path.match(f"{PICTURES}/*.yml")}
    in_composite = entry.composite and any(path.parent == folder.parent for path in paths)
    is_below = not paths.isdisjoint(above) or not own_skeletons.isdisjoint(folder.parents)
    return folder in touched or bool(in_composite) or is_below


def _list_changed_paths(root: Path, revision: str) -> Iterator[Path]:
    top = _find_top(root)
    commit = f"{revision}^{{commit}}"
    _run_git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", commit)
    names_only = ("--no-renames", "--name-only", "-z")  # of a renamed file, both names count
    without_programs = ("--no-ext-diff", "--ignore-submodules=all")
    changed = _run_git(
        top, "diff", *names_only, *without_programs, "--end-of-options", revision, "--"
    )
    listing = ("ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", ".")
    untracked = _run_git(root, *listing)
    for name in filter(None, (changed + untracked).split("\0")):
        yield (top / name).parent.resolve() / Path(name).name


def _find_readers(registry: Registry, paths: set[Path]) -> frozenset[str]:
    """The models and composites that name a changed file which is in no model's folder."""
    folders = {entry.path.parent.resolve() for entry in registry.entries.values()}
    outside = {path for path in paths if folders.isdisjoint(path.parents)}
    if not outside:
        return frozenset()  # no model.yml and no card has to be read
    views = RegistryView(registry).select(None)
    return frozenset(view.name for view in views if not outside.isdisjoint(_list_named(view)))


def _list_named(view: ModelView) -> Iterator[Path]:
    for linked in view.linked_files:
        yield linked.path.parent.resolve() / linked.path.name
    root = registry_root(view.declaration).resolve()
    for spec in view.variants:
        for folder in (root, root.parent):  # as license_path has it, also for one that is gone
            yield folder / "licenses" / spec.license.text
        yield root / PICTURES / f"{spec.skeleton}.svg"
        if spec.origin.papers:
            yield root / PAPERS


def _run_git(folder: Path, *words: str) -> str:
    # Git would start the programs that convert files, as the repository's configuration names them.
    without_filters: list[str] = []
    names = _start_git(folder, "config", "--null", "--name-only", "--get-regexp", r"^filter\.")
    for name in filter(None, names.stdout.split("\0")):
        if "=" in name:  # Git could not switch it off
            raise SettingsError(
                f"--changed_since: the repository's configuration has a filter called {name!a}",
                hint="remove it from .git/config",
            )
        without_filters += ("-c", f"{name}=")
    result = _start_git(folder, *without_filters, *words)
    if result.returncode:
        reasons = result.stderr.strip().splitlines() or [
            f"no revision {words[-1].partition('^')[0]!r}"
        ]
        raise SettingsError(
            f"--changed_since: {reasons[0]}", hint="name a commit, a branch or a tag"
        )
    return result.stdout


def _start_git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    git = find_program("git") or "/git"
    try:
        return subprocess.run(
            [git, "--no-pager", "-C", str(folder), *_NO_PROGRAMS, *words],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env={**os.environ, "GIT_NO_LAZY_FETCH": "1"},
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"git {words[0]}: {error}", hint="--changed_since needs Git") from error
