"""Find the models that a change touches, with Git."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path

from posezoo.cards.model_card import PICTURES
from posezoo.errors import SettingsError
from posezoo.facts.papers import NAME as PAPERS
from posezoo.registry import Registry, license_path, registry_root
from posezoo.spec.model import ModelSpec

TIMEOUT_S = 60


def find_changed_models(registry: Registry, revision: str) -> frozenset[str] | None:
    """The models and composites whose folders differ from a revision, committed or not.

    If an index page differs, all models of its family count as changed. If a license text, the
    picture of a skeleton or papers.yml differs, or was deleted, so do the models that name it. If a
    model was deleted, all models count as changed.

    Returns:
        Their names; None if nothing in the repository differs from the revision.

    Raises:
        SettingsError: Git is not installed, there is no repository, or the revision does not exist.
    """
    names_by_path: dict[Path, set[str]] = {}
    for entry in registry.entries.values():
        folder = entry.path.parent.resolve()
        names_by_path.setdefault(folder, set()).add(entry.name)
        names_by_path.setdefault(folder / "index.md", set())
        if entry.composite:  # its card may be the composite's
            names_by_path.setdefault(folder.parent, set()).add(entry.name)
        for parent in folder.parents:
            names_by_path.setdefault(parent / "index.md", set()).add(entry.name)
    paths: set[Path] = set()
    for root in registry.roots:
        top = Path(_run_git(root, "rev-parse", "--show-toplevel").strip())
        if not _run_git(root, "rev-list", "--all", "--max-count=1"):
            return frozenset(registry.entries)  # before the first commit, all is new
        _run_git(
            root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        )
        names_only = ("--no-renames", "--name-only", "-z")  # of a renamed file, both names count
        changed = _run_git(top, "diff", *names_only, "--end-of-options", revision, "--")
        listing = ("ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", ".")
        untracked = _run_git(root, *listing)
        for name in filter(None, (changed + untracked).split("\0")):
            paths.add((top / name).parent.resolve() / Path(name).name)
    if not paths:
        return None
    if any(_is_deleted_model(path, names_by_path) for path in paths):
        return frozenset(registry.entries)  # any model may name it
    names = _find_readers(registry, paths)
    for path in paths:
        nearest = next((each for each in (path, *path.parents) if each in names_by_path), None)
        names |= names_by_path[nearest] if nearest is not None else set()
    return frozenset(names)


def _is_deleted_model(path: Path, names_by_path: Collection[Path]) -> bool:
    return path.name in ("model.yml", "composite-model.yml") and path.parent not in names_by_path


def _find_readers(registry: Registry, paths: set[Path]) -> set[str]:
    """The models that name one of the files outside of their folders."""
    if not any(path.parent.name in ("licenses", PICTURES) or path.name == PAPERS for path in paths):
        return set()  # no model.yml has to be read
    return {spec.full_name for spec in registry.select().models if paths & _named_files(spec)}


def _named_files(spec: ModelSpec) -> set[Path]:
    root, text = registry_root(spec).resolve(), license_path(spec)
    files = {root.parent / text.parent.name / text.name, root / PICTURES / f"{spec.skeleton}.svg"}
    return files | {root / PAPERS} if spec.origin.paper else files


def _run_git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"git {words[0]}: {error}", hint="--changed_since needs Git") from error
    if result.returncode:
        reasons = result.stderr.strip().splitlines() or [
            f"no revision {words[-1].partition('^')[0]!r}"
        ]
        raise SettingsError(
            f"--changed_since: {reasons[0]}", hint="name a commit, a branch or a tag"
        )
    return result.stdout
