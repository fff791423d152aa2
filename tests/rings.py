"""Measure the tests, and write into rings.tsv those that `make test` leaves out and those that it keeps although they are slow.

    python tests/rings.py --light PYTHON [--mutants REPORT] [TEST...]    measure and write (make rings)
    python tests/rings.py --check                                        (make check-rings)

Quick is a test that takes at most LIMIT_S of CPU time and passes in the environment of `make test`. All others are in
the second ring: .ci/run runs those of the folders that changed, and make test-all runs all. A slow test stays quick if
it is the one that noticed a mutant (tests/mutants.py --report). A test without a row is quick. With --check, nothing is
written: the quick tests are measured, and those that take more than twice as long as their row says are listed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cpu_seconds import Measured

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "tests" / "rings.tsv"
COLUMNS = ("test", "ring", "cpu_s", "reason")
QUICK, CHANGED = "quick", "changed"
#: CPU seconds, with those of all processes that a test starts: user and system.
LIMIT_S = 0.2
#: A test of the second ring comes back if it is well below the limit, so that it does not move each time.
BACK_S = 0.15
#: What --check lets a quick test take at least, since a busy machine needs more CPU time for the same work.
ALARM_S = 0.4
#: What all quick tests may take, with collecting them.
BUDGET_S = 360
MEASURED = "not judge and not release and not soak"


@dataclass(frozen=True)
class Row:
    """A file, a test or a case of it, by the id that pytest gives it."""

    test: str
    ring: str
    cpu_s: float | None  # of its slowest case; None: not measured yet
    reason: str = ""  # the mutant that it alone notices, or the package that it needs


def read_rows(path: Path = ROWS) -> dict[str, Row]:
    """The rows by their first column."""
    rows = {}
    for line in path.read_text("utf-8").splitlines()[1:]:
        test, ring, cpu_s, reason = line.split("\t")
        rows[test] = Row(test, ring, float(cpu_s) if cpu_s else None, reason)
    return rows


def row_of(test: str, rows: Mapping[str, Row]) -> Row | None:
    """The row of a case: its own, else that of its test, else that of its file."""
    for name in (test, function_of(test), file_of(test)):
        if name in rows:
            return rows[name]
    return None


def is_quick(row: Row | None) -> bool:
    """Whether `make test` runs what has this row, or none."""
    return row is None or row.ring == QUICK


def function_of(test: str) -> str:
    return test.partition("[")[0]


def file_of(test: str) -> str:
    return test.partition("::")[0]


def choose(
    cpu_s: Mapping[str, float | None],
    lacking: Mapping[str, str],
    mutants: Mapping[str, str],
    old: Mapping[str, Row],
) -> list[Row]:
    """The rows of tests, as few as say it.

    Args:
        cpu_s: of each case; None where it was not measured.
        lacking: the package that a case or a file needs, and `make test` does not install.
        mutants: the mutant that a case noticed.
        old: the rows of before.
    """
    cases = [_choose_ring(test, seconds, lacking, mutants, old) for test, seconds in cpu_s.items()]
    # Where most cases of a test are slow, the others rarely show more: a row for each would be longer than the test.
    functions = _join(cases, function_of, least=0.5)
    return sorted(_join(functions, file_of, least=1), key=lambda row: row.test)


def _choose_ring(
    test: str,
    cpu_s: float | None,
    lacking: Mapping[str, str],
    mutants: Mapping[str, str],
    old: Mapping[str, Row],
) -> Row:
    package = lacking.get(test) or lacking.get(file_of(test))
    if package:
        return Row(test, CHANGED, cpu_s, f"needs {package}")
    if cpu_s is not None and cpu_s <= (LIMIT_S if is_quick(row_of(test, old)) else BACK_S):
        return Row(test, QUICK, None)
    if test in mutants:
        return Row(test, QUICK, cpu_s, mutants[test])
    return Row(test, CHANGED, cpu_s)


def _join(rows: list[Row], part_of: Callable[[str], str], least: float) -> list[Row]:
    """One row in place of those of a test or of a file, if at least this part of them is in the second ring."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[part_of(row.test)].append(row)
    joined = []
    for name, group in groups.items():
        second_ring = [row for row in group if row.ring == CHANGED]
        if len(second_ring) < least * len(group) or any(
            row.reason for row in group if row.ring == QUICK
        ):
            joined += group
            continue
        reasons = {row.reason for row in group if row.reason}
        measured = [row.cpu_s for row in group if row.cpu_s is not None]
        cpu_s = max(measured, default=None)
        joined.append(Row(name, CHANGED, cpu_s, ", ".join(sorted(reasons))))
    return joined


def write_rows(rows: Iterable[Row], path: Path = ROWS) -> None:
    """Those that say something, without tests that are gone."""
    lines = ["\t".join(COLUMNS)]
    for row in sorted(rows, key=lambda row: row.test):
        if (row.ring == CHANGED or row.reason) and is_there(row.test):
            lines.append("\t".join((row.test, row.ring, _rounded(row.cpu_s), row.reason)))
    path.write_text("\n".join(lines) + "\n", "utf-8")


def is_there(test: str) -> bool:
    """Whether a file exists, and has a test of this name."""
    path = ROOT / file_of(test)
    name = function_of(test).rpartition("::")[2] if "::" in test else ""
    return path.is_file() and f"def {name}" in path.read_text("utf-8")


def _rounded(cpu_s: float | None) -> str:
    """To one digit or a tenth, so that the file stays as it is if nothing changed."""
    if cpu_s is None:
        return ""
    return f"{round(cpu_s, 1) if cpu_s < 1 else float(f'{cpu_s:.1g}'):g}"


def measure(python: str, marks: str, tests: list[str]) -> Measured:
    """The CPU seconds of tests in an environment.

    Raises:
        SystemExit: pytest broke off.
    """
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.json")
        command = [python, "-m", "pytest", "-q", "-p", "cpu_seconds", f"--cpu_seconds={results}"]
        command += [f"--numprocesses={os.cpu_count()}", "--dist=loadfile", "--no-loadscope-reorder"]
        environ = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        ended = subprocess.run([*command, "-m", marks, *tests], cwd=ROOT, env=environ)
        if ended.returncode not in (0, 1) or not results.exists():
            raise SystemExit(f"pytest ended with exit code {ended.returncode}")
        return Measured(**json.loads(results.read_text("utf-8")))


def packages_of(not_passed: Mapping[str, str]) -> dict[str, str]:
    """The package that each test or file names as missing."""
    pattern = r"needs ([\w.-]+)|No module named '(\w+)|\[(torch|quantize|cluster|video|docs)\]"
    found = {}
    for test, said in not_passed.items():
        named = re.findall(pattern, said)
        found[test] = "".join(named[-1]) if named else "what make test-all installs"
    return found


def read_mutants(report: Path) -> dict[str, str]:
    """The first mutant that each test of the second ring noticed, and no quick one."""
    found: dict[str, str] = {}
    for mutant in json.loads(report.read_text("utf-8")):
        if mutant["killed_by"] and mutant["ring"] == CHANGED:
            found.setdefault(mutant["killed_by"], f"{mutant['path']}:{mutant['line']}")
    return found


def write(light: str, mutants: Mapping[str, str], tests: list[str]) -> None:
    """Measure the tests here, see which of the fast ones pass in the light environment, and write their rows."""
    old = read_rows()
    kept = {row.test: row.reason for row in old.values() if row.ring == QUICK}
    noticed = {**kept, **mutants}
    here = measure(sys.executable, MEASURED, tests)
    files = {file_of(test) for test in here.cpu_s}
    others = [row for row in old.values() if file_of(row.test) not in files]
    write_rows([*others, *choose(here.cpu_s, {}, noticed, old)])
    there = measure(light, QUICK, tests)
    failed = {test: said for test, said in there.not_passed.items() if test not in here.not_passed}
    write_rows([*others, *choose(here.cpu_s, packages_of(failed), noticed, old)])


def check(measured: Mapping[str, float], rows: Mapping[str, Row]) -> Iterator[str]:
    """What is wrong with the quick tests, a sentence each."""
    for test, seconds in sorted(measured.items()):
        row = row_of(test, rows)
        line_s = row.cpu_s if row and row.cpu_s else LIMIT_S
        if seconds > max(ALARM_S, 2 * line_s):
            yield f"{test} takes {seconds:.1f} CPU s, and its row says {line_s:g}: make it faster, or make rings"
    for name in rows:
        if not is_there(name):
            yield f"tests/rings.tsv: {name} is gone: make rings"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--light", help="the Python of an environment with the extra test alone")
    parser.add_argument("--mutants", type=Path, help="a report of tests/mutants.py")
    parser.add_argument("tests", nargs="*", help="files, folders or tests; all without any")
    options = parser.parse_args()
    if not options.check:
        write(
            options.light, read_mutants(options.mutants) if options.mutants else {}, options.tests
        )
        return
    measured = measure(sys.executable, QUICK, options.tests)
    wrong = list(check(measured.cpu_s, read_rows()))
    total_s = sum(measured.cpu_s.values()) + sum(measured.collecting_cpu_s)
    print(f"{len(measured.cpu_s)} quick tests took {total_s:.0f} CPU s, with collecting them")
    if total_s > 2 * BUDGET_S:
        wrong.append(
            f"all quick tests take {total_s:.0f} CPU s, twice the {BUDGET_S} that they may"
        )
    raise SystemExit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
