"""Type what pages and posezoo itself print, where they print it, and judge the exit codes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import end_of, is_offline, not_tested, path_with, place, run
from promises import README, ROOT, Page, ReadingError

from fakes.pages import type_block

QUESTIONS = (
    "",
    "--max_latency 50ms --people 4",
    "--max_latency 200ms --people 4 --license permissive",
    "--3d",
    "--keypoints 133",
    "--keypoints 26",
)
#: Names that the zoo does not have, for which a hint names others.
UNKNOWN = ("alphapose", "vitpose-huge", "easy-vitpose-b", "openpose", "yolo11n-pose")


@dataclass(frozen=True)
class Printed:
    """A command, and who prints it."""

    place: str  # file:line, and the command that prints it
    command: str


def judge(
    where: str, ended: subprocess.CompletedProcess[str], may_be_offline: bool = True
) -> Iterator[str]:
    """A command ends with 0, or with 1 and the name of a host that this machine does not reach."""
    if may_be_offline and ended.returncode == 1 and is_offline(ended.stdout):
        not_tested(f"{where}, which asks hosts that do not answer")
    elif ended.returncode:
        yield f"{where}: exit code {ended.returncode}\n{end_of(ended.stdout)}"


# --- What posezoo prints


def read_printed(env: Path) -> Iterator[Printed]:
    """What README's table and the answers of recommend, list and info give to type.

    Raises:
        ReadingError: an answer gives none.
    """
    yield from read_rows()
    for question in QUESTIONS:
        where, answer = ask(env, f"recommend {question}".strip())
        found = re.findall(r"^\d+\. posezoo (run .*)$", answer, re.MULTILINE)
        if not found:
            raise ReadingError(f"{where} prints no command\n{end_of(answer)}")
        yield from (Printed(where, command) for command in found)
    listed, answer = ask(env, "list --format json")
    ready = [row["name"] for row in json.loads(answer) if not row["needs"]]
    for name in UNKNOWN:
        where, answer = ask(env, f"info {name}", expected=1)
        instead = answer.partition("Instead: ")[2].partition(" (")[0].split(", ")
        yield from (
            Printed(where, f"run {each} --input photo.jpg") for each in instead if each in ready
        )
    yield Printed(listed, shlex.join(["get", "--dry_run", *ready]))


def read_rows() -> Iterator[Printed]:
    """The cells of README's table of models, but for the row of any MODEL."""
    lines = (ROOT / README).read_text("utf-8").splitlines()
    cells = [
        (number, re.match(r"\|[^|]+\| `([^`]+)`", line)) for number, line in enumerate(lines, 1)
    ]
    found = [
        Printed(f"{README}:{number}", f"run {cell[1]} --input photo.jpg")
        for number, cell in cells
        if cell and cell[1] != "posezoo run" and "MODEL" not in cell[1].split()
    ]
    if not found:
        raise ReadingError(f"{README}:1: has no table of models")
    yield from found


def ask(env: Path, words: str, expected: int = 0) -> tuple[str, str]:
    """Where a verb is, with what it was asked, and its answer.

    Raises:
        ReadingError: it did not answer.
    """
    verb = words.split()[0]
    (module,) = ROOT.glob(f"src/posezoo/*/verbs/{verb}.py")
    where = f"{module.relative_to(ROOT)}:1: posezoo {words}"
    ended = run(["posezoo", *shlex.split(words)], PATH=path_with(env))
    if ended.returncode != expected:
        raise ReadingError(f"{where}: exit code {ended.returncode}\n{end_of(ended.stdout)}")
    return where, ended.stdout


def type_command(printed: Printed, env: Path, cache: Path) -> Iterator[str]:
    """Type a command in a folder with a photo."""
    folder = Path(tempfile.mkdtemp(dir=place()))
    shutil.copy(ROOT / "docs/images/poses.jpg", folder / "photo.jpg")
    words = ["posezoo", *shlex.split(printed.command)]
    ended = run(words, folder, PATH=path_with(env), XDG_CACHE_HOME=str(cache))
    shown = printed.command if len(printed.command) < 100 else f"{printed.command[:100]}..."
    yield from judge(f"{printed.place} prints `posezoo {shown}`", ended)


# --- What pages print


def type_pages(pages: Sequence[Page], env: Path, checkout: Path) -> Iterator[str]:
    """Type the blocks of pages, one page after the other, since some install something."""
    for page in pages:
        yield from type_page(page, env, checkout)


def type_page(page: Page, env: Path, checkout: Path) -> Iterator[str]:
    """Type the blocks of a page into one terminal, in a clone with the files that the page names.

    Raises:
        ReadingError: these files cannot be made.
    """
    folder = Path(tempfile.mkdtemp(dir=place()))
    clone, state = folder / "clone", folder / "state.sh"
    run(["git", "clone", "-q", checkout, clone])
    state.touch()
    environ = {"PATH": path_with(env), "XDG_CACHE_HOME": str(folder / "cache")}
    desk = ["python", "-m", "fakes.desk", str(clone), page.file]
    made = run(desk, clone, **environ, PYTHONPATH="tests")
    if made.returncode:
        raise ReadingError(f"tests/fakes/desk.py:1: {page.file}\n{end_of(made.stdout)}")
    # A tutorial runs where only the package indexes answer.
    may_be_offline = "tutorials" not in page.file
    for block in page.blocks:
        # What is mounted there is the reader's.
        script = type_block(block.kind, block.text, state).replace("/mnt/", f"{folder}/mnt/")
        ended = run(["bash", "-c", script], clone, **environ)
        first, *more = block.text.strip().splitlines()
        where = f"{block.place}: {first}{' ...' if more else ''}"
        yield from judge(where, ended, may_be_offline)
    shutil.rmtree(folder)
