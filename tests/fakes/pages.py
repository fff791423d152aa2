"""The commands and the code on the pages of the documentation, and how a terminal runs them.

.ci/environments.py imports it where pytest is not installed.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {"build", "dist", "quickstart", "node_modules"}


def _find_pages() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in LEFT_OUT and name[0] != "."]
        pages = (name for name in names if name.endswith(".md"))
        yield from (Path(folder, name) for name in pages if name[0] != ".")


PAGES = sorted(_find_pages())

#: The extras that a page names in its sentences and in its commands.
_EXTRAS = re.compile(r"extras?(?:\]\([^)]*\))?((?:,? (?:and )?`\w+`)+)|\[([\w,]+)\]['\"]")

#: Begins the paragraph before a block that the tests do not run; the reason follows.
MARK = "Not run by the tests: "


def blocks(page: Path | str, kind: str) -> list[str]:
    """What the fences of a kind contain, on a page or in a text, except those that are marked."""
    text = page.read_text("utf-8") if isinstance(page, Path) else page
    parts = re.split(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [
        block
        for before, kind_here, block in zip(parts[::3], parts[1::3], parts[2::3], strict=False)
        if re.fullmatch(kind, kind_here) and MARK not in before.strip().rpartition("\n\n")[2]
    ]


def commands(text: Path | str) -> list[str]:
    """The commands of the console blocks of a page or a text, without comments and outputs."""
    lines = "\n".join(blocks(text, "console")).splitlines()
    return [
        line.removeprefix("$ ").partition("  #")[0].strip()
        for line in lines
        if line.startswith("$ ")
    ]


def named_extras(text: str) -> frozenset[str]:
    """README's extra, and those that a page names."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    known = set(setup["options.extras_require"])
    found = _EXTRAS.findall(" ".join(text.split()))
    named = {word for each in found for word in re.findall(r"\w+", " ".join(each))}
    return frozenset({"run"} | (named & known))


def blocks_of(text: str) -> list[tuple[str, str]]:
    """The kind and the text of each block that the tests run, in order."""
    found = re.findall(rf"^```({SCRIPTS})\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [(kind, block) for kind, block in found if block in blocks(text, kind)]


def type_block(kind: str, block: str, state: Path) -> str:
    """The script of bash that types a block into a terminal.

    Args:
        kind: what its fence says, such as console.
        block: its text.
        state: what the terminal remembers between two blocks, its folder and its exported variables; an empty file at
            first.
    """
    if kind == "python":
        program = state.with_name("pasted.py")
        program.write_text(block, "utf-8")
        block = f"PYTHONPATH=. python '{program}'"
    if kind == "console":
        block = "\n".join(commands(f"```console\n{block}```\n"))
    remember = f"{{ export -p; printf 'cd %q\\n' \"$PWD\"; }} >'{state}'"
    return f"set -euo pipefail\n. '{state}'\n{block}\n{remember}\n"


#: The kinds of blocks that the tests of these pages run.
OWN_TESTS = {
    "README.md": ("console", "python"),
    "docs/container.md": ("console",),
    "tests/golden/first_minutes.md": ("console",),
    "docs/howto/cameras.md": ("python",),
    "docs/howto/measure_your_own.md": ("console",),
    "docs/howto/own_service.md": ("console", "python"),
    "docs/howto/your_network.md": ("sh", "python"),
    "docs/migrating.md": ("console", "python"),
}
#: Every other page with commands or Python; the cards have their own tests.
SCRIPTS = "console|sh|bash|python"
PASTED = [
    page
    for page in PAGES
    if not page.is_relative_to(ROOT / "models")
    and page.relative_to(ROOT).as_posix() not in OWN_TESTS
    and blocks(page, SCRIPTS)
]


def put_on_path(folder: Path) -> None:
    """Write the commands posezoo and python, which run this Python, to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, arguments in (("posezoo", "-m posezoo"), ("python", "")):
        (folder / name).write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n'
        )
        (folder / name).chmod(0o755)


def environ_of(desk: Path, mirror: Path) -> dict[str, str]:
    """The environment of a user: the desk's commands, a cache of its own, and a mirror of all downloads."""
    path = f"{desk / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": path,
        "POSEZOO_MIRROR": str(mirror),
        "XDG_CACHE_HOME": str(desk / "cache"),
    }
