"""The slow tests that .ci/run chooses, for what changed since the last commit that passed all tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from fakes.checkout import git
from fakes.pages import PASTED, ROOT

if not (ROOT / ".ci" / "slow_tests.py").exists():
    pytest.skip("needs a clone", allow_module_level=True)
_spec = importlib.util.spec_from_file_location("slow_tests", ROOT / ".ci" / "slow_tests.py")
slow_tests = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(slow_tests)

ALL = slow_tests.EverythingChanged


def test_a_page_chooses_its_own_tests_the_site_and_those_that_name_it():
    (own,) = slow_tests.tests_of_page(ROOT / "docs" / "howto" / "int8.md")
    assert slow_tests.choose(["docs/howto/int8.md"]) == {own, "tests/test_site.py"}
    assert slow_tests.choose(["docs/cli.md"]) == {"tests/test_site.py"}
    assert "tests/test_migrating.py" in slow_tests.choose(["docs/migrating.md"])


def test_a_card_chooses_what_reads_cards():
    chosen = slow_tests.choose(["models/public/blazepose-full/README.md"])
    folders = {"lint", "pages", "test_site.py"}
    folders.add("test_docs.py::test_the_commands_of_a_card_run_as_pasted")
    assert {name.split("/")[1] for name in chosen} == folders


def test_a_feature_chooses_its_tests_those_of_its_importers_and_the_pages_with_its_verbs():
    chosen = slow_tests.choose(["src/posezoo/quantize/int8_comparison.py"])
    own = {name for name in slow_tests.slow_tests() if name.startswith("tests/quantize/")}
    others = {"tests/run/test_load.py", "tests/omz/verbs/test_shims.py"}
    pages = slow_tests.tests_of_page(ROOT / "docs" / "howto" / "int8.md")
    assert own | others | pages | {"tests/test_own_keypoints.py"} < chosen
    assert not any(name.startswith(("tests/networks", "tests/scale")) for name in chosen)


def test_a_part_that_the_core_calls_chooses_the_cores_tests():
    assert "tests/core/convert/test_publish.py" in slow_tests.choose(
        ["src/posezoo/omz/model_optimizer.py"]
    )


def test_a_test_outside_of_its_feature_is_chosen_by_its_name():
    chosen = slow_tests.choose(["src/posezoo/solutions/pose.py"])
    assert "tests/judges/test_mediapipe_solutions.py" in chosen


@pytest.mark.parametrize(
    "name", ["scale/no_such_module.py", "scale/__init__.py", "scale/verbs/summaries.json"]
)
def test_what_is_no_module_of_a_feature_changes_all_of_them(name):
    one = slow_tests.choose(["src/posezoo/scale/cluster.py"])
    assert one < slow_tests.choose([f"src/posezoo/{name}"])


@pytest.mark.parametrize(
    "name",
    [
        "src/posezoo/core/layout.py",
        "src/posezoo/api.py",
        "src/posezoo/__init__.py",
        "models/public/blazepose-full/model.yml",
        "setup.cfg",
        "constraints.txt",
        "Makefile",
        "tests/conftest.py",
        "tests/fakes/zoo.py",
        "tests/quantize/conftest.py",
        ".ci/run",
        "unknown.txt",
        "unknown/test_it.py",
    ],
)
def test_what_may_change_all_chooses_all(name):
    with pytest.raises(ALL, match=name):
        slow_tests.choose(["docs/cli.md", name])


def test_a_changed_test_is_chosen_and_the_record_of_a_green_commit_chooses_none():
    assert slow_tests.choose(["tests/test_growth.py"]) == {"tests/test_growth.py"}
    assert slow_tests.choose(["tests/gone/test_gone.py", ".ci/green"]) == set()


def test_the_tests_of_pages_exist():
    text = (ROOT / "tests" / "test_docs.py").read_text("utf-8")
    for page, test in slow_tests.PAGE_TESTS.items():
        assert (ROOT / page).exists() and f"def {test}(" in text
    assert f"def {slow_tests.PASTED_TEST}(" in text
    assert len(PASTED) > 10


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A repository of one commit that passed all tests, which the next one says."""
    monkeypatch.setattr(slow_tests, "ROOT", tmp_path)
    monkeypatch.setattr(slow_tests, "GREEN", tmp_path / "green")
    git(tmp_path, "init", "-q")
    (tmp_path / "page.md").write_text("a")
    commit(tmp_path)
    slow_tests.record()
    commit(tmp_path)
    return tmp_path


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@a.invalid", "commit", "-qm", "a")


def test_what_changed_is_committed_or_not_and_what_is_new_counts(clone):
    assert slow_tests.files_changed() == ["green"]
    (clone / "page.md").write_text("b")
    commit(clone)
    (clone / "new file.md").write_text("c")
    (clone / "green").write_text(f"{(clone / 'green').read_text()}\n")
    assert sorted(slow_tests.files_changed()) == ["green", "new file.md", "page.md"]


@pytest.mark.parametrize("known", ["", "0" * 40, None])
def test_without_a_known_commit_all_may_have_changed(clone, known, capsys):
    (clone / "green").unlink()
    if known is not None:
        (clone / "green").write_text(known)
    with pytest.raises(ALL, match="no commit is known"):
        slow_tests.files_changed()
    slow_tests.print_choice()
    said = capsys.readouterr()
    assert set(said.out.split()) == slow_tests.slow_tests().keys()
    assert "no commit is known" in said.err and said.err.endswith("left out: none\n")


def test_only_a_commit_is_recorded(clone, capsys):
    before = (clone / "green").read_text()
    (clone / "page.md").write_text("b")
    slow_tests.record()
    assert (clone / "green").read_text() == before
    assert ".ci/green stays" in capsys.readouterr().out


def test_one_line_says_what_was_chosen_why_and_what_was_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(slow_tests, "files_changed", lambda: ["tests/test_growth.py"])
    monkeypatch.setattr(slow_tests, "GREEN", tmp_path / "green")
    (tmp_path / "green").write_text("0123456789abcdef\n")
    slow_tests.print_choice()
    said = capsys.readouterr()
    assert said.out == "tests/test_growth.py\n"
    (line,) = said.err.splitlines()
    assert (
        line.startswith("== slow tests: 1 of 1") and " 1 files changed since 0123456789ab;" in line
    )
    assert "left out: tests " in line and ", tests/cli " in line
