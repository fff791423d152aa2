"""Copies of this checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fakes.fence import ONLINE

ROOT = Path(__file__).resolve().parents[2]
DOWNLOADER = ROOT / "tools" / "downloader" / "downloader.py"


def copy_checkout(target: Path) -> None:
    """Copy what git would hand out, uncommitted changes included; of an unpacked sdist, all that is there."""
    if (ROOT / ".git").exists():
        require_git()
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        printed = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode()
        names = [name for name in printed.split("\0") if name and (ROOT / name).is_file()]
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes((ROOT / name).read_bytes())
        (target / name).chmod((ROOT / name).stat().st_mode)


def require_git() -> None:
    """Skip the test where there is no git."""
    if shutil.which("git") is None:
        pytest.skip("needs git")


def git(folder: Path, *arguments: str | Path) -> str:
    """What git prints in a repository, for a user with a name; commits have the same time on every run."""
    person = {
        f"GIT_{who}_{what}": "ann@example.com"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    times = {f"GIT_{who}_DATE": "2026-11-21T12:00:00Z" for who in ("AUTHOR", "COMMITTER")}
    environ = {**ONLINE, **person, **times, "GIT_CONFIG_GLOBAL": os.devnull}
    require_git()
    command = ["git", "-C", folder, "-c", "init.defaultBranch=main", *arguments]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout


def commit_all(folder: Path) -> None:
    """A repository with all files of a folder, in one commit of the branch main."""
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "in order"]):
        git(folder, *words)
