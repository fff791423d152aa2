"""Which models a change touches, by Git."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from posezoo.errors import SettingsError
from posezoo.registry import Registry

TIMEOUT_S = 60


def find_changed_models(registry: Registry, revision: str) -> frozenset[str]:
    """The models and composites of whose folders something differs from a revision, committed or not.

    Where an index page differs, its whole family may: all models of it.

    Raises:
        SettingsError: there is no Git, no repository, or no such revision.
    """
    changed: set[Path] = set()
    for root in registry.roots:
        top = Path(_git(root, "rev-parse", "--show-toplevel").strip())
        _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        listed = _git(root, "diff", "--name-only", "-z", "--end-of-options", revision, "--", ".")
        fresh = _git(root, "ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", ".")
        changed |= {top / name for name in (*listed.split("\0"), *fresh.split("\0")) if name}
    return frozenset(_touched(registry, changed))


def _touched(registry: Registry, changed: Iterable[Path]) -> set[str]:
    folders: dict[Path, set[str]] = {}
    for entry in registry.entries.values():
        folder = entry.path.parent.resolve()
        folders.setdefault(folder, set()).add(entry.name)
        folders.setdefault(folder / "index.md", set())
        if entry.composite:  # its card may be the composite's
            folders.setdefault(folder.parent, set()).add(entry.name)
        for above in folder.parents:
            folders.setdefault(above / "index.md", set()).add(entry.name)
    names: set[str] = set()
    for path in changed:
        for each in (path.parent.resolve() / path.name, *(path.parent.resolve() / path.name).parents):
            if each in folders:
                names |= folders[each]
                break
    return names


def _git(folder: Path, *words: str) -> str:
    try:
        ended = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"git {words[0]}: {error}", hint="--changed_since needs Git") from error
    if ended.returncode:
        said = ended.stderr.strip().splitlines()[:1] or [f"no revision {words[-1].partition('^')[0]!r}"]
        raise SettingsError(f"--changed_since: {said[0]}", hint="name a commit, a branch or a tag")
    return ended.stdout
