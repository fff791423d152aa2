"""The list of tests that the imitated Windows of make test-foreign skips."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_each_test_that_the_imitated_windows_skips_exists_and_has_a_reason():
    lines = (ROOT / "tests" / "foreign" / "not_there.txt").read_text("utf-8").splitlines()
    for line in lines[1:]:
        name, _, reason = line.partition(": ")
        file, _, test = name.partition("::")
        function = test.partition("[")[0]
        assert f"def {function}(" in (ROOT / file).read_text("utf-8"), name
        assert reason, name
