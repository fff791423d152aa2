"""The measurement of what the tests notice says so if it measured nothing, or not all."""

import sys
from pathlib import Path

import pytest

import mutants
from fakes.command import misuse, misuse_alone, run_process

SCRIPT = Path(mutants.__file__)


def measure(*flags):
    command = [sys.executable, SCRIPT, *flags]
    return run_process(command)


@pytest.mark.parametrize(
    ("only", "problem"),
    [
        ("core/files,download", "no folder or module download: did you mean core/download?"),
        ("no_such_part", "no folder or module no_such_part\n"),
    ],
)
def test_parts_that_do_not_exist_are_an_error(only, problem):
    assert f"error: --only: src/posezoo has {problem}" in misuse_alone(measure("--only", only))


def test_a_choice_of_nothing_is_an_error():
    assert "error: no code was chosen to change" in misuse(measure("--count", "0"))


def test_only_the_named_folders_and_modules_are_changed():
    chosen = mutants.choose(seed=1, count=40, only=["core/files", "core/errors"])
    assert {mutant.path.startswith("core/files/") for mutant in chosen} == {True, False}
    assert {mutant.path for mutant in chosen if "files" not in mutant.path} == {"core/errors.py"}


def test_skipped_tests_are_counted_once_for_each_line(tmp_path):
    test = tmp_path / "test_skipped.py"
    test.write_text(
        "import pytest\n\n\n"
        "@pytest.mark.parametrize('number', [1, 2])\n"
        "def test_there(number):\n    pytest.skip('nothing here')\n"
    )
    laboratory = mutants.Laboratory(tmp_path / "laboratory", time_limit_s=60)
    mutant = mutants.choose(seed=1, count=1, only=["core/errors"])[0]
    for _ in range(2):
        assert laboratory.find_killer(mutant, iter([[test]])) is None
    assert sum(laboratory.skipped.values()) == 2
