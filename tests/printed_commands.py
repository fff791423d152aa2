"""Type what posezoo prints in README's own install: no run may end with a package that is not there.

``make printed-commands`` does it in that environment; tests/test_printed_commands.py without PyTorch in this one.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = (
    "",
    "--max_latency 50ms --people 4",
    "--max_latency 33ms --people 4 --license permissive",
    "--3d",
    "--keypoints 133",
    "--keypoints 26",
)
#: Names that the zoo does not have, for which a hint names others.
UNKNOWN = ("alphapose", "vitpose-huge", "easy-vitpose-b", "openpose", "yolo11n-pose")
MISSING = re.compile(r"(is|are) not installed|cannot be converted here")
#: A host that does not answer is not what is asked for here.
SOON = ("--attempts", "1", "--stall_timeout", "2")


def recommended_commands(question: str) -> list[str]:
    """The commands in the answer of ``posezoo recommend``."""
    answer = _answer("recommend", *shlex.split(question))
    return re.findall(r"^\d+\. posezoo (run .*)$", answer, re.MULTILINE)


def other_commands() -> Iterator[str]:
    """Those of README, and those that run the models which hints, list and info say run here."""
    readme = (ROOT / "README.md").read_text("utf-8")
    for cell in re.findall(r"^\|[^|]+\| `([^`]+)`", readme, re.MULTILINE):
        if cell != "posezoo run":
            yield f"run {cell} --input photo.jpg"
    for name in UNKNOWN:
        why, *needing = _answer("info", "--why_not", name).splitlines()
        names = why.partition("Instead: ")[2].split(", ")
        waiting = {line.split()[0] for line in needing}
        yield from (f"run {each} --input photo.jpg" for each in names if each not in waiting)
    listed = json.loads(_answer("list", "--format", "json"))
    yield shlex.join(["plan", *(row["name"] for row in listed if not row["needs"])])


def find_wrong(commands: list[str], photo: Path) -> list[str]:
    """The commands that end with a missing package, with the line that says so."""

    def run(command: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "photo.jpg").write_bytes(photo.read_bytes())
            words = shlex.split(command)
            ended = _run([*words, *SOON] if words[0] == "run" else words, cwd=folder)
            lines = f"{ended.stdout}{ended.stderr}".splitlines()
        return next((f"{command}: {line}" for line in lines if MISSING.search(line)), "")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(filter(None, pool.map(run, commands)))


def _answer(*words: str) -> str:
    return _run(words).stdout


def _run(words, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "posezoo", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **more,
    )


def main(photo: Path = ROOT / "docs" / "images" / "poses.jpg") -> int:
    """Print the wrong commands and how many were typed."""
    commands = [command for question in QUESTIONS for command in recommended_commands(question)]
    commands = [*dict.fromkeys([*commands, *other_commands()])]
    wrong = find_wrong(commands, photo)
    count = f"{len(wrong)} of {len(commands)} printed commands end with a missing package"
    sys.stdout.write("\n".join([*wrong, count, ""]))
    return 1 if wrong or len(commands) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
