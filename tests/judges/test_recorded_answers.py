"""What other programs answered is kept, and another answer of theirs is noticed."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from fakes import model_optimizer
from fakes.recorded_answers import RecordedAnswers

PEOPLE = [[np.array([[1.25, 2], [3, 4]]), np.zeros((2, 2))], [], [np.ones((2, 2))]]


def unwanted():
    pytest.fail("the program was asked")


def test_a_kept_answer_is_given_without_asking(tmp_path):
    RecordedAnswers(tmp_path, "compare").people("a/b", "a 1.0", lambda: PEOPLE)
    answer = RecordedAnswers(tmp_path, "").people("a/b", "a 1.0", unwanted)
    assert answer.by == "a 1.0"
    assert [len(found) for found in answer.people] == [2, 0, 1]
    assert np.array_equal(answer.people[0], PEOPLE[0])
    assert np.array_equal(answer.people[2], PEOPLE[2])


@pytest.mark.parametrize(
    ("people", "by", "problem"),
    [
        ([PEOPLE[0], [], [np.full((2, 2), 1.1)]], "a 1.0", "picture 2"),
        ([PEOPLE[0], [], []], "a 1.0", "finds other people"),
        (PEOPLE, "a 1.1", "was answered by a 1.0"),
    ],
)
def test_another_answer_or_version_fails_until_it_is_kept(tmp_path, people, by, problem):
    asking = RecordedAnswers(tmp_path, "compare")
    asking.people("a", "a 1.0", lambda: PEOPLE)
    with pytest.raises(AssertionError, match=problem):
        asking.people("a", by, lambda: people)
    RecordedAnswers(tmp_path, "store").people("a", by, lambda: people)
    assert asking.people("a", by, lambda: people).by == by


def test_values_of_json_are_kept_too(tmp_path):
    asking = RecordedAnswers(tmp_path, "compare")
    assert asking.value("a", lambda: {"one": (1, 2)}) == {"one": [1, 2]}
    assert RecordedAnswers(tmp_path, "").value("a", unwanted) == {"one": [1, 2]}
    with pytest.raises(AssertionError, match="answers another thing"):
        asking.value("a", lambda: {"one": [1]})


def test_the_files_and_the_exit_code_of_model_optimizer_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(model_optimizer, "RECORDED", tmp_path / "recorded")
    monkeypatch.setattr(model_optimizer, "ASKS", "compare")

    def run_in(folder, text):
        def run():
            (folder / "out").mkdir()
            (folder / "out" / "net.xml").write_text(text)
            return subprocess.CompletedProcess([], 0, "", "")

        return model_optimizer.recorded_run(["line"], folder, run)

    assert run_in(tmp_path / "asked", "<net/>").returncode == 0
    with pytest.raises(AssertionError, match="makes another thing"):
        run_in(tmp_path / "changed", "<another/>")
    monkeypatch.setattr(model_optimizer, "ASKS", "")
    ended = model_optimizer.recorded_run(["line"], tmp_path / "kept", unwanted)
    assert ended.returncode == 0
    assert (tmp_path / "kept" / "out" / "net.xml").read_text() == "<net/>"
    with pytest.raises(AssertionError, match="make judge ASK=store"):
        model_optimizer.recorded_run(["another line"], tmp_path / "none", unwanted)
