"""Find the models that a change touches, with Git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from posezoo.errors import SettingsError
from posezoo.registry import Registry

TIMEOUT_S = 60


def find_changed_models(registry: Registry, revision: str) -> frozenset[str]:
    """The models and composites whose folders differ from a revision, committed or not.

    If an index page differs, all models of its family count as changed.

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
    names: set[str] = set()
    for root in registry.roots:
        top = Path(_run_git(root, "rev-parse", "--show-toplevel").strip())
        _run_git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        changed = _run_git(root, "diff", "--name-only", "-z", "--end-of-options", revision, "--", ".")
        listing = ("ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", ".")
        untracked = _run_git(root, *listing)
        for name in filter(None, (changed + untracked).split("\0")):
            path = (top / name).parent.resolve() / Path(name).name
            nearest = next((each for each in (path, *path.parents) if each in names_by_path), None)
            names |= names_by_path[nearest] if nearest is not None else set()
    return frozenset(names)


def _run_git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"git {words[0]}: {error}", hint="--changed_since needs Git") from error
    if result.returncode:
        reasons = result.stderr.strip().splitlines() or [f"no revision {words[-1].partition('^')[0]!r}"]
        raise SettingsError(f"--changed_since: {reasons[0]}", hint="name a commit, a branch or a tag")
    return result.stdout
