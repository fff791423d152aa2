"""The versions of posezoo and of installed packages."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from pathlib import Path

# The folder of a checkout, if posezoo runs in one.
_CHECKOUT = Path(__file__).resolve().parents[3]


@cache
def version() -> str:
    """The version of posezoo with its commit, such as ``0.2.0+g1a2b3c4d``; without one if neither a
    git checkout runs nor what was built from one.

    The commit is a local version identifier of PEP 440. It tells two builds of one version apart.
    """
    release = release_version()
    commit = _COMMIT_AT_START or _packed_commit()
    return f"{release}+g{commit[:8]}" if commit else release


def _packed_commit() -> str:
    """The commit that a wheel or an sdist was built from, which .ci/build_backend.py states."""
    with suppress(OSError):
        return (Path(__file__).parents[1] / "commit.txt").read_text("ascii").strip()
    return ""


def release_version() -> str:
    """The installed version without its commit; in a checkout that is not installed, that of
    setup.cfg.
    """
    if installed := package_version("posezoo"):
        return installed
    import configparser

    parser = configparser.ConfigParser(interpolation=None)
    parser.read(_CHECKOUT / "setup.cfg", encoding="utf-8")
    return parser.get("metadata", "version", fallback="unknown")


def _checked_out_commit(git: Path) -> str:
    """The commit of a checkout, read from its ``.git`` without git; empty if there is none.

    See gitrepository-layout(5): HEAD names a commit, or a branch in a file of its own or in
    packed-refs.
    """
    try:
        if git.is_file():  # a second working tree
            git = git.parent / git.read_text("utf-8").partition("gitdir: ")[2].strip()
        head = (git / "HEAD").read_text("utf-8").strip()
        branch = head.partition("ref: ")[2]
        common = git / "commondir"
        if common.is_file():
            git = git / common.read_text("utf-8").strip()
        if not branch:
            return head
        if (git / branch).is_file():
            return (git / branch).read_text("utf-8").strip()
        packed = (git / "packed-refs").read_text("utf-8")
        line = re.search(rf"^([0-9a-f]{{40,64}}) {re.escape(branch)}$", packed, re.MULTILINE)
        return line[1] if line else ""
    except (OSError, UnicodeDecodeError):
        return ""


_COMMIT_AT_START = _checked_out_commit(_CHECKOUT / ".git")


def parse_version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, which are enough to compare releases.

    >>> parse_version("2026.4.1-dev")
    (2026, 4, 1)
    """
    return tuple(map(int, re.findall(r"\d+", text.split("+")[0])[:3]))


@cache
def package_version(name: str) -> str:
    """The version of an installed distribution, without importing it; empty if it is not
    installed.
    """
    # Its import takes a quarter of the time of posezoo --help.
    from importlib import metadata

    # The result is cached: reading takes a millisecond, and a conversion needs it twenty times.
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def package_versions(*names: str) -> dict[str, str]:
    """The versions of several distributions, by name; those that are not installed are left out.

    posezoo's own is with its commit.
    """
    found = {name: version() if name == "posezoo" else package_version(name) for name in names}
    return {name: each for name, each in found.items() if each}
