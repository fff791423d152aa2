"""What checks the repository, when, and in how many CPU minutes: read from what calls it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MINUTES = ".ci/cpu_minutes.tsv"
#: What calls checks, the most frequent first.
CALLERS = {
    "each change": (".ci/run", "tests.yml", "metadata.yml"),
    "each night": (".ci/nightly", "nightly.yml"),
    "each week": ("prove.yml", "sources.yml"),
    "each release": ("release.yml",),
}
BY_HAND = "by hand"
#: CPU minutes: a check of each change takes at most so many.
LIMIT = 10
#: What only prepares checks, or calls others, which are listed.
PREPARES = re.compile(r"make (build/|\.venv/)|\.ci/(run|nightly|slow_tests\.sh|step\.sh)")


class CheckError(Exception):
    """Why the table cannot be drawn; the text begins with a file and a line."""


def draw_values() -> Mapping[str, str]:
    """The table of checks.

    Raises:
        CheckError: a check has no CPU minutes, or takes too many for each change.
    """
    minutes = read_minutes()
    when = dict(read_calls())
    unknown = [check for check in when if check not in minutes]
    if unknown:
        raise CheckError(f"{MINUTES}:1: lacks {', '.join(unknown)}")
    for check, value in minutes.items():
        if when.get(check) == "each change" and float(value or 0) > LIMIT:
            raise CheckError(f"{MINUTES}:1: {check} takes {value} CPU minutes: run it each night")
    lines = ["| Check | What it does | When | CPU minutes |", "| --- | --- | --- | --- |"]
    for moment in (*CALLERS, BY_HAND):
        for check, value in minutes.items():
            if when.get(check, BY_HAND) == moment:
                lines.append(f"| `{check}` | {describe(check)} | {moment} | {value or '?'} |")
    return {"checks": "\n".join(lines)}


def read_minutes() -> dict[str, str]:
    """The CPU minutes of each check, empty where nobody measured them.

    Raises:
        CheckError: a check does not exist.
    """
    minutes = {}
    for number, line in enumerate((ROOT / MINUTES).read_text("utf-8").splitlines(), 1):
        check, _, value = line.partition("\t")
        if not describe(check):
            raise CheckError(
                f"{MINUTES}:{number}: {check} does not exist, or says nothing of itself"
            )
        minutes[check] = value
    return minutes


def read_calls() -> Iterator[tuple[str, str]]:
    """Each check that something calls, and when it is first called."""
    seen = set()
    for when, callers in CALLERS.items():
        for caller in callers:
            for check in calls_of(caller):
                if check not in seen:
                    seen.add(check)
                    yield check, when


def calls_of(caller: str) -> list[str]:
    """The checks that a file calls; a workflow that calls none is one."""
    path = ROOT / ".github" / "workflows" / caller if caller.endswith(".yml") else ROOT / caller
    lines = path.read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    pattern = r"\bmake [a-z][\w./-]*(?: ENTER=--nightly)?|\.ci/[\w.]+"
    found = [call for call in re.findall(pattern, text) if not PREPARES.match(call)]
    return found or ([caller] if caller.endswith(".yml") else [])


def describe(check: str) -> str:
    """What the Makefile, a program or a workflow says of itself in one sentence; empty if nothing."""
    if check.startswith("make "):
        target = check.split()[1]
        text = "".join((ROOT / name).read_text("utf-8") for name in ("Makefile", ".ci/more.mk"))
        rules = re.findall(r"^([^\s:]+):.*## (.+)", text, re.MULTILINE)
        return next((said for rule, said in rules if fnmatch(target, rule.replace("%", "*"))), "")
    path = ROOT / (check if "/" in check else f".github/workflows/{check}")
    if not path.is_file():
        return ""
    comment = re.search(r"(?:^# .*\n)+", path.read_text("utf-8"), re.MULTILINE)
    words = " ".join(comment[0].replace("# ", "").split()) if comment else ""
    return re.split(r"(?<=[a-z)])[.:] ", words)[0].rstrip(".")
