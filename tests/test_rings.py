"""Which tests are quick is measured and written down by a program; pytest runs them by what it wrote."""

import os
import sys

import pytest

import cpu_seconds
import rings
from fakes.command import run_process
from fakes.long_tests import LongTests
from rings import CHANGED, QUICK, Row

FAST, SLOW = 0.01, 0.7
CASES = [f"tests/a.py::test_cases[{number}]" for number in range(5)]


def chosen(cpu_s, *, lacking=(), mutants=(), old=()):
    rows = rings.choose(cpu_s, dict(lacking), dict(mutants), {row.test: row for row in old})
    return [row for row in rows if row.ring == CHANGED or row.reason]


def test_a_slow_test_and_one_that_lacks_a_package_are_in_the_second_ring():
    cpu_s = {"tests/a.py::test_a": FAST, "tests/a.py::test_b": SLOW, "tests/a.py::test_c": FAST}
    assert chosen(cpu_s, lacking={"tests/a.py::test_c": "torch"}) == [
        Row("tests/a.py::test_b", CHANGED, SLOW),
        Row("tests/a.py::test_c", CHANGED, FAST, "needs torch"),
    ]


def test_a_file_that_cannot_be_imported_without_a_package_has_one_row():
    cpu_s = {"tests/a.py::test_a": FAST, "tests/a.py::test_b": SLOW}
    expected = [Row("tests/a.py", CHANGED, SLOW, "needs torch")]
    assert chosen(cpu_s, lacking={"tests/a.py": "torch"}) == expected


def test_a_slow_test_that_alone_notices_a_mutant_stays_quick():
    cpu_s = {"tests/a.py::test_a": SLOW, "tests/a.py::test_b": SLOW}
    assert chosen(cpu_s, mutants={"tests/a.py::test_a": "core/layout.py:7"}) == [
        Row("tests/a.py::test_a", QUICK, SLOW, "core/layout.py:7"),
        Row("tests/a.py::test_b", CHANGED, SLOW),
    ]


@pytest.mark.parametrize(
    ("slow", "expected"),
    [
        (CASES[:1], [Row(CASES[0], CHANGED, SLOW)]),
        (CASES[:3], [Row("tests/a.py::test_cases", CHANGED, SLOW)]),
        (CASES, [Row("tests/a.py::test_cases", CHANGED, SLOW)]),
    ],
    ids=["one", "most", "all"],
)
def test_the_slow_cases_of_a_test_have_a_row_each_unless_most_are_slow(slow, expected):
    cpu_s = {case: SLOW if case in slow else FAST for case in CASES} | {"tests/a.py::test_b": FAST}
    assert chosen(cpu_s) == expected


def test_a_test_at_the_limit_stays_where_it_is():
    near = rings.LIMIT_S * 0.9
    cpu_s = {"tests/a.py::test_a": near, "tests/a.py::test_b": FAST}
    assert not chosen(cpu_s)
    row = Row("tests/a.py::test_a", CHANGED, near)
    assert chosen(cpu_s, old=[row]) == [row]


def test_what_is_written_is_read_without_tests_that_are_gone(tmp_path):
    name = "tests/test_rings.py::test_what_is_written_is_read_without_tests_that_are_gone"
    rows = [Row(name, CHANGED, 0.7321, "needs torch"), Row("tests/test_rings.py", QUICK, None)]
    rows += [Row("tests/test_rings.py::test_of_last_year", CHANGED, 1.0)]
    rows += [Row("tests/test_of_last_year.py", CHANGED, 1.0)]
    rings.write_rows(rows, tmp_path / "rings.tsv")
    assert rings.read_rows(tmp_path / "rings.tsv") == {name: Row(name, CHANGED, 0.7, "needs torch")}


def test_a_case_has_the_row_of_its_test_or_of_its_file():
    rows = {name: Row(name, CHANGED, SLOW) for name in ("tests/a.py", "tests/b.py::test_b")}
    assert rings.row_of("tests/a.py::test_a[1]", rows) is rows["tests/a.py"]
    assert rings.row_of("tests/b.py::test_b[1]", rows) is rows["tests/b.py::test_b"]
    assert rings.is_quick(rings.row_of("tests/b.py::test_c", rows))


def test_a_quick_test_beyond_its_row_is_found_and_a_busy_machine_is_no_alarm():
    name = "tests/test_rings.py::test_a"
    rows = {name: Row(name, QUICK, 1.0, "core/layout.py:7")}
    measured = {name: 1.9, "tests/test_rings.py::test_new": 0.39}
    assert [each for each in rings.check(measured, rows) if "CPU s" in each] == []
    measured = {name: 2.1, "tests/test_rings.py::test_new": 0.41}
    found = [each for each in rings.check(measured, rows) if "CPU s" in each]
    assert [each.partition(",")[0] for each in found] == [
        f"{name} takes 2.1 CPU s",
        "tests/test_rings.py::test_new takes 0.4 CPU s",
    ]


def test_the_cpu_time_of_a_process_that_still_runs_counts():
    before = cpu_seconds.read_cpu_s()
    code = "import time; [None for _ in iter(lambda: time.process_time() < 0.2, False)]; print(flush=True); input()"
    with rings.subprocess.Popen(
        [sys.executable, "-c", code], stdin=-1, stdout=-1, text=True
    ) as process:
        process.stdout.readline()
        assert cpu_seconds.read_cpu_s() - before >= 0.1
        process.communicate("\n")


def test_the_plug_in_measures_in_each_process(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_a(): pass\ndef test_b(): assert 0\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-n1", "-p", "cpu_seconds"]
    environ = {**os.environ, "PYTHONPATH": str(rings.ROOT / "tests")}
    ended = run_process(
        [*command, "--cpu_seconds=measured.json"], cwd=tmp_path, env=environ, check=False
    )
    measured = cpu_seconds.Measured(**rings.json.loads((tmp_path / "measured.json").read_text()))
    assert set(measured.cpu_s) == {"test_it.py::test_a", "test_it.py::test_b"}, ended.stdout
    assert set(measured.not_passed) == {"test_it.py::test_b"}
    assert len(measured.collecting_cpu_s) == 1


def test_a_test_that_runs_for_long_is_named_while_it_runs():
    lines = []
    running = LongTests(lines.append, after_s=0)
    running.pytest_runtest_logstart("tests/a.py::test_a")
    running._timers["tests/a.py::test_a"].join()
    running.pytest_runtest_logfinish("tests/a.py::test_a")
    assert lines == ["tests/a.py::test_a runs for 0 s"]
