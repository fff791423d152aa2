"""Every command that a hint, a page or a card gives is one that the real parser takes; none is run."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from posezoo.cli import flags
from posezoo.cli.main import VERBS, create_parser

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src" / "posezoo").rglob("*.py"))
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "models").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md")),
]
#: What stands for a placeholder whose type argparse checks.
VALUES = {"H,W": "368,432", "P[,P]": "FP16", "N": "8", "S": "0.5", "PX": "368", "PRECISION": "FP16"}

#: The verbs that download models; each offers every flag that a hint of the download names.
DOWNLOADING = ("download", "get", "run", "demo", "evaluate", "benchmark", "mirror")


@cache
def verb_parsers() -> dict[str, argparse.ArgumentParser]:
    (verbs,) = (each for each in create_parser()._actions if isinstance(each, argparse._SubParsersAction))
    return dict(verbs.choices)


def offered(verb: str) -> set[str]:
    return {flag for action in verb_parsers()[verb]._actions for flag in action.option_strings}


def texts(path: Path) -> list[tuple[int, str]]:
    """The texts of a module with their lines; what an f-string inserts is a model's name."""
    found, inner = [], set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(child) for child in ast.walk(node) if child is not node}
            words = [part.value if isinstance(part, ast.Constant) else "\0" for part in node.values]
            text = re.sub(r"(?<=[\w\0])\0", "", "".join(map(str, words)))
            found.append((node.lineno, text.replace("\0", "blazepose-full")))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            found.append((node.lineno, node.value))
    return found


def words_of(line: str) -> list[str]:
    """The arguments of the first command in a line for the shell."""
    return shlex.split(re.sub(r"\s(#|\||>|&&|\.\.\.).*$", "", line))[1:]


def commands_in_text(text: str) -> list[list[str]]:
    """The commands in a sentence: a verb, and the words after it that look like arguments."""
    lines = text.splitlines()
    if text.startswith("\n"):  # the examples of a verb
        calls = (words_of(line) for line in lines if line.startswith("posezoo "))
        return [words for words in calls if words[0] in VERBS]
    found = []
    for match in re.finditer(rf"\bposezoo ({'|'.join(VERBS)})\b(?!-)([^\n`]*)", text):
        parser = verb_parsers()[match[1]]
        takes = {flag for each in parser._actions if each.nargs != 0 for flag in each.option_strings}
        subverbs = {word for each in parser._actions for word in each.choices or ()}
        words = [match[1]]
        for token in match[2].split():
            word = token.rstrip(",;:.)")
            is_argument = (
                word.startswith("-")
                or words[-1] in takes
                or word in subverbs
                or re.fullmatch(r"[A-Z][A-Z_,|]*|blazepose-full|'.*'", word)
            )
            if not is_argument or not word:
                break
            words.append(word.strip("'"))
            if word != token:
                break
        found.append(words)
    return found


def commands_of_page(page: Path) -> list[list[str]]:
    text = page.read_text("utf-8")
    lines = re.findall(r"`(posezoo [^`\n]+)`", text)
    for block in re.findall(r"```(?:console|sh|bash)\n(.*?)```", text, re.DOTALL):
        lines += re.findall(r"(?:^\$ |^|&& )(posezoo [^\n]+)", block.replace("\\\n", " "), re.MULTILINE)
    found = []
    for line in lines:
        words = words_of(line)
        if words[0] in VERBS:
            found.append(words)
    return found


def problem_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    subverbs = {word for each in verb_parsers()[words[0]]._actions for word in each.choices or ()}
    if set(words[1:]) <= subverbs:
        return ""  # a verb that is named, not called
    words = [VALUES.get(word, word) for word in words]
    try:
        args = create_parser().parse_args(words)
        if len(words) > 1 and hasattr(args, "models") and hasattr(args, "all"):
            args.all = args.all or not args.models  # a verb may be named without its models
            flags.patterns_from_args(args)
    except SystemExit as exit_:
        return capsys.readouterr().err.strip().splitlines()[-1] if exit_.code else ""
    return ""


def test_every_command_in_the_source_parses(capsys):
    wrong = []
    for path in SOURCES:
        for line, text in texts(path):
            for words in commands_in_text(text):
                if problem := problem_of(words, capsys):
                    wrong.append(f"{path.relative_to(ROOT)}:{line}: posezoo {' '.join(words)}: {problem}")
    assert not wrong, "\n".join(wrong)


def test_every_command_of_the_pages_and_cards_parses(capsys):
    found = {(str(page.relative_to(ROOT)), *words) for page in PAGES for words in commands_of_page(page)}
    assert len(found) > 300
    wrong = [
        f"{words}: {problem}" for words in sorted(found) if (problem := problem_of([*words[1:]], capsys))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("verb", DOWNLOADING)
def test_a_verb_that_downloads_has_the_flags_that_the_hints_of_a_download_name(verb):
    hints = [text for path in SOURCES if "download" in path.parts for _, text in texts(path)]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z_]+", " ".join(hints))) & offered("download")
    assert {"--trust_on_first_use", "--mirror", "--allow_http", "--ca_bundle"} <= named
    assert named - offered(verb) == set()
