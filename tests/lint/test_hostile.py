"""What strangers wrote to do harm ends in bounded time and memory, with a finding."""

import shutil
import sys

import pytest

from fakes.command import json_of, run_process
from fakes.memory import WATCHED
from fakes.omz_zoo import write_omz_zoo
from posezoo.cli.main import main

BOUND_KB = 400 * 1024  # generous: only a reader that copies what it reads over and over takes this

#: Written when it is tested: together they have 50 MB.
HOSTILE = {
    "ten megabytes of words": lambda: (
        "name - `data`, shape - `1, 3, 224, 288` mean values " * 200_000
    ),
    "a table of a million cells": lambda: (
        "| a | b |\n|---|---|\n" + ("| 1 | 2 " * 1000 + "|\n") * 500
    ),
    "one row of a million cells": lambda: "| a |\n|---|\n" + "|1" * 1_000_000,
    "one line of brackets": lambda: "## Input\n\n" + "[" * 2_000_000,
    "one line of backticks": lambda: "## Input\n\nname - " + "`" * 2_000_000,
    "mean values for ever": lambda: "## Input\n\n" + "mean values " * 150_000,
    "blanks before a word": lambda: (
        "## Input\n\n" + " " * 500_000 + "shape" + " " * 500_000 + "- `1, 2`"
    ),
    "blanks after a word": lambda: "## Input\n\nshape" + " " * 2_000_000 + "x",
    "commas and letters": lambda: "## Input\n\nshape - `" + "1, a" * 500_000 + "`",
    "a hundred thousand headings": lambda: "## Input\n" * 100_000,
    "a hundred thousand links": lambda: "[a](../b/README.md) " * 100_000,
    "hashes": lambda: "#" * 2_000_000 + " x",
    "dashes that are no rule": lambda: "| a |\n" + "-" * 2_000_000 + "x",
    "TODO for ever": lambda: "TODO\n" * 300_000,
    "a product with zero": lambda: "## Input\n\nshape - `1, 2, 3, 4`, format is `B, N*0, H, W`",
}

#: Each in a model of its own.
HOSTILE_YAML = (
    "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "[" * 100_000,
    "x: " + "y" * 3_000_000,
    "models: [{name: pose-b, launchers: 1, datasets: {}}]\n",
    "\x1b[2J: \u202e\n",
    "models:\n" + "  - name: pose-b\n" * 9_000,
    "{description: [], task_type: {}, files: 7, framework: ~, license: 1}",
)


@pytest.fixture
def zoo(tmp_path):
    return write_omz_zoo(tmp_path / "models")


def lint(zoo):
    """Kilobytes at most, and the findings; a reader that takes quadratic time does not end within HANG_S."""
    command = ["lint", "--models_dir", str(zoo), "--format", "json"]
    ended = run_process([sys.executable, "-c", WATCHED, *command])
    assert "Traceback" not in ended.stderr, ended.stderr
    return int(ended.stderr.split()[-1]), json_of(ended)["findings"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_card_ends_in_time_with_a_finding(zoo, name):
    card = zoo / "public" / "pose-a" / "README.md"
    card.write_text(f"# pose-a\n\n{HOSTILE[name]()}\n", "utf-8")
    kilobytes, findings = lint(zoo)
    assert any(finding["model"] == "pose-a" for finding in findings)
    assert kilobytes < BOUND_KB


@pytest.mark.parametrize("file", ["accuracy-check.yml", "model.yml"])
def test_hostile_yaml_ends_in_time_and_other_models_are_checked(zoo, file):
    for number, text in enumerate(HOSTILE_YAML):
        folder = shutil.copytree(zoo / "public" / "pose-a", zoo / "public" / f"hostile-{number}")
        (folder / file).write_text(text, "utf-8")
    card = zoo / "public" / "pose-b" / "README.md"
    card.write_text(card.read_text().replace("TODO", "").replace("28.6180", "82.6180"), "utf-8")
    kilobytes, findings = lint(zoo)
    models = {finding["model"] for finding in findings}
    assert models >= {"pose-b", *(f"hostile-{number}" for number in range(len(HOSTILE_YAML)))}
    assert all("\x1b" not in finding["message"] for finding in findings)
    assert kilobytes < BOUND_KB


def test_a_card_that_is_cut_and_a_yaml_bomb_are_named(zoo):
    folder = zoo / "public" / "pose-a"
    (folder / "README.md").write_text("# pose-a\n" + "word " * 2_000_000, "utf-8")
    (folder / "accuracy-check.yml").write_text("a: &a [x]\nmodels: *a\n", "utf-8")
    found = {each["rule"]: each["message"] for each in lint(zoo)[1] if each["model"] == "pose-a"}
    assert found["too-large"].startswith("the card is too large: only its first 262,144 characters")
    assert found["readable"] == "anchors and aliases, and tags, are not used here"


def test_a_hostile_index_ends_in_time(zoo):
    (zoo / "public" / "index.md").write_text(
        "| GFlops |\n|---|\n" + "| <br> " * 300_000 + "|\n", "utf-8"
    )
    kilobytes, _ = lint(zoo)
    assert kilobytes < BOUND_KB


def test_files_that_are_folders_links_or_no_text_are_left_alone(zoo):
    folder = zoo / "public" / "pose-a"
    (folder / "README.md").unlink()
    (folder / "README.md").mkdir()
    (folder / "accuracy-check.yml").write_bytes(b"\xff\xfe\x00models")
    (zoo / "public" / "index.md").unlink()
    (zoo / "public" / "index.md").symlink_to("/dev/zero")
    kilobytes, findings = lint(zoo)
    assert {finding["rule"] for finding in findings} == {"readable", "no-card"}
    assert kilobytes < BOUND_KB


def test_names_of_folders_do_no_harm_on_a_terminal(zoo, capsys):
    (zoo / "public" / "pose-a").rename(zoo / "public" / "a\x1b[2J\u202eb\n::error::c")
    for style in ("text", "github", "json", "sarif"):
        assert main(["lint", "--models_dir", str(zoo), "--format", style]) == 1
        told = capsys.readouterr().out
        assert "u202eb" in told  # the name is told, and escaped
        assert "\x1b" not in told
        assert "\u202e" not in told
        assert "\n::error::c" not in told
