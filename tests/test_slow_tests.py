"""The slow tests that .ci/run chooses for a change."""

import shutil
from pathlib import Path

import pytest

from fakes.checkout import ROOT, git
from fakes.command import run_process

CHOOSE = Path(".ci", "slow_tests.sh")
#: What a line in poses/ runs: pipelines feed its decoders.
POSES = {"tests/poses", "tests/run"}


def choose(folder, *changed):
    """The tests, and what is printed about them."""
    ended = run_process(["bash", folder / CHOOSE, *changed], check=True)
    return set(ended.stdout.splitlines()), ended.stderr


@pytest.fixture(scope="module")
def every_day():
    chosen, _ = choose(ROOT, "unknown.txt")
    return chosen


@pytest.fixture
def clone(tmp_path):
    """A repository with one commit on main."""
    for part in ("lint", "poses", "run", "quantize"):
        (tmp_path / "tests" / part).mkdir(parents=True)
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / CHOOSE, tmp_path / CHOOSE)
    git(tmp_path, "init", "-q")
    commit(tmp_path, "setup.cfg")
    return tmp_path


def commit(folder, name):
    """Add a file."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()
    git(folder, "add", ".")
    git(folder, "commit", "-qm", name)


def test_the_tests_of_every_day_exist(every_day):
    for test in every_day:
        path, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / path).read_text("utf-8"), test


def test_on_a_branch_all_that_it_changed_counts_and_on_main_the_last_commit(clone, every_day):
    git(clone, "checkout", "-qb", "branch")
    commit(clone, "src/posezoo/poses/rtmo.py")
    commit(clone, "src/posezoo/lint/rules/names.py")
    (clone / "tests" / "test_new.py").touch()
    chosen, _ = choose(clone)
    assert chosen - every_day == {*POSES, "tests/lint", "tests/test_new.py"}
    git(clone, "branch", "-f", "main")
    chosen, _ = choose(clone)
    assert chosen - every_day == {"tests/lint", "tests/test_new.py"}


def test_on_main_a_merge_counts_as_the_branch_that_it_merges(clone, every_day):
    git(clone, "checkout", "-qb", "branch")
    commit(clone, "src/posezoo/poses/rtmo.py")
    commit(clone, "src/posezoo/lint/rules/names.py")
    git(clone, "checkout", "-q", "main")
    git(clone, "merge", "-q", "--no-ff", "branch")
    chosen, _ = choose(clone)
    assert chosen - every_day == {*POSES, "tests/lint"}


def test_without_history_those_of_every_day_are_chosen(clone, every_day):
    chosen, said = choose(clone)
    assert chosen == every_day
    assert said.startswith("== not tested here: ")


def test_a_change_of_run_runs_what_compares_int8_by_poses(every_day):
    chosen, _ = choose(ROOT, "src/posezoo/run/load.py")
    assert chosen - every_day == {"tests/run", "tests/quantize", "tests/test_second_opinion.py"}


def test_each_folder_of_the_code_has_tests_that_its_changes_run(every_day):
    for package in (ROOT / "src" / "posezoo").glob("*/__init__.py"):
        chosen, _ = choose(ROOT, package.relative_to(ROOT))
        assert f"tests/{package.parent.name}" in chosen


@pytest.mark.parametrize("left", [(), ("fakes.py",)], ids=["no folder", "no test in it"])
def test_a_folder_of_the_code_without_tests_is_an_error(clone, left):
    commit(clone, "src/posezoo/convert/__init__.py")
    for name in left:
        commit(clone, f"tests/convert/{name}")
    ended = run_process(["bash", clone / CHOOSE, "setup.cfg"], check=False)
    assert ended.returncode == 1 and not ended.stdout
    assert ended.stderr == (
        "src/posezoo/convert/__init__.py: error: tests/convert has no tests; "
        "move the tests of this folder there\n"
    )
