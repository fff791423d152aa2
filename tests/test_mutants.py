"""The measurement of what the tests notice changes what it is told, and counts what was skipped."""

import mutants


def test_only_the_named_folders_and_modules_are_changed():
    chosen = mutants.choose(seed=1, count=40, only=["core/files", "core/errors"])
    assert {mutant.path.startswith("core/files/") for mutant in chosen} == {True, False}
    assert {mutant.path for mutant in chosen if "files" not in mutant.path} == {"core/errors.py"}


def test_each_mutant_that_is_left_out_can_be_made():
    for path, line in mutants.EQUIVALENT:
        made = [each for group in mutants.mutants_of(mutants.PACKAGE / path) for each in group]
        assert line in {mutant.mutated_line for mutant in made}, (path, line)


def test_skipped_tests_are_counted_once_for_each_line(tmp_path):
    test = tmp_path / "test_skipped.py"
    test.write_text(
        "import pytest\n\npytestmark = pytest.mark.quick\n\n\n"
        "@pytest.mark.parametrize('number', [1, 2])\n"
        "def test_there(number):\n    pytest.skip('nothing here')\n"
    )
    laboratory = mutants.Laboratory(tmp_path / "laboratory", time_limit_s=60)
    mutant = mutants.choose(seed=1, count=1, only=["core/errors"])[0]
    for _ in range(2):
        assert laboratory.find_killer(mutant, iter([[test]])) is None
    assert sum(laboratory.skipped.values()) == 2


def test_tests_that_do_not_end_notice_a_mutant_and_are_counted_apart(monkeypatch, capsys):
    monkeypatch.setattr(mutants.Laboratory, "_first_failure", lambda *_: mutants.TIME_LIMIT)
    monkeypatch.setattr("sys.argv", ["mutants.py", "--count", "1", "--only", "core/errors"])
    mutants.main()
    line, total = capsys.readouterr().out.splitlines()
    assert line.startswith("timeout  core/errors.py:")
    assert total == "1 of 1 mutants were killed, 1 by the time limit alone"
