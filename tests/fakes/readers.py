"""Readers of the pages: each has a clone, and README's install with the extras that the page names.

They have package indexes, and no host that their machine does not reach; or also a mirror, as if the internet were there.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest

from fakes.checkout import ROOT, copy_checkout, git
from fakes.command import Ended, run_process
from fakes.fence import ONLINE, online
from fakes.pages import type_block

#: Where a user keeps which index is asked, and how.
_OF_AN_INDEX = (".config/pip", ".config/uv", ".pip", ".npmrc", ".netrc")
#: A skier, whom weak models do not find, and two photos with several people.
FIXED_PHOTOS = ("000000000785.jpg", "000000000790.jpg", "000000229358.jpg")


def choose_photos(folder: Path) -> list[Path]:
    """Three photos that stay, and three that the commit draws; they are printed."""
    commit = git(ROOT, "rev-parse", "HEAD").strip() if (ROOT / ".git").exists() else ""
    others = [path.name for path in sorted(folder.glob("*.jpg")) if path.name not in FIXED_PHOTOS]
    chosen = [*FIXED_PHOTOS, *random.Random(commit).sample(others, 3)]
    sys.stdout.write(f"photos of commit {commit[:9]}: {' '.join(chosen)}\n")
    return [folder / name for name in chosen]


@contextmanager
def _ci_on_path() -> Iterator[ModuleType]:
    with mock.patch.object(sys, "path", [str(ROOT / ".ci"), *sys.path]):
        yield importlib.import_module("machine")


class Readers:
    """A repository, and the environments that its readers install."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._repository = folder / "repository"
        copy_checkout(self._repository)
        git(self._repository, "init", "--quiet")
        git(self._repository, "add", "--all", "--force")
        git(self._repository, "commit", "--quiet", "--message", "The pages")

    def install(self, extras: frozenset[str]) -> Path:
        """The environment with these extras, which is made once."""
        env = self._folder / "-".join(["env", *sorted(extras)])
        if env.exists():
            return env
        words = ("-c", "constraints.txt", f".[{','.join(sorted(extras))}]", "pip")
        with _ci_on_path() as machine, online():
            if not Path(machine.UV).exists():
                pytest.skip("needs uv")
            with mock.patch.object(machine, "place", lambda: self._folder):
                why = machine.install(env, words, self._repository)
            if machine.is_offline(why):
                pytest.skip("no package index answers")
        assert not why, why
        return env

    def begin(self, folder: Path, extras: frozenset[str], mirror: Path | None = None) -> Reader:
        """A reader with a clone."""
        env = self.install(extras)
        git(folder, "clone", "--quiet", self._repository, "clone")
        return Reader(folder / "clone", _environ_of(folder, env, mirror))


def _environ_of(folder: Path, env: Path, mirror: Path | None) -> dict[str, str]:
    """The environment of somebody who uses posezoo for the first time, with the index of the tester."""
    home = folder / "home"
    for name in _OF_AN_INDEX:
        if (kept := Path(ONLINE.get("HOME", os.devnull)) / name).exists():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).symlink_to(kept)
    home.mkdir(exist_ok=True)
    environ = {key: ONLINE[key] for key in ONLINE if not key.startswith(("POSEZOO_", "PYTHON"))}
    environ |= {"HOME": str(home), "PATH": f"{env / 'bin'}{os.pathsep}{ONLINE['PATH']}"}
    return environ | ({"POSEZOO_MIRROR": str(mirror)} if mirror else {})


class Reader:
    """Types the blocks of a page into one terminal, in the clone."""

    def __init__(self, clone: Path, environ: Mapping[str, str]) -> None:
        self.clone = clone
        self._environ = environ
        self._state = clone.parent / "state.sh"
        self._state.touch()

    def type(self, kind: str, block: str, timeout_s: float = 900) -> Ended:
        """Run one block, as pasted."""
        script = type_block(kind, block, self._state)
        return run_process(
            ["bash", "-c", script], cwd=self.clone, env=self._environ, timeout=timeout_s
        )
