"""Measure what the tests notice: change the code in one place at a time, and see whether a test fails.

    python tests/mutants.py --seed 1 --count 80 [--only core/download,cli] [--thorough] [--second_ring] [--report FILE]

--only names folders and modules below src/posezoo. The seed decides which mutants are made. Each is made in a copy of src, in a temporary folder. The quick tests that most
likely run the changed line come first: those of the module or in a folder of its name, then those of modules that
import it, then those of its package; with --thorough all others at last. With --second_ring, the slow tests of these
files follow if no quick test noticed the mutant; tests/rings.py --mutants FILE makes those that notice one quick.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"
PACKAGE = ROOT / "src" / "posezoo"

#: Mutants that no test can notice: the file, the mutated line, and why.
EQUIVALENT: dict[tuple[str, str], str] = {
    ("core/convert/conversion.py", "if (not (options.self_check)):"): (
        "a runtime that is not imported early is imported when it is used"
    ),
    ("core/declarations/channel_values.py", "largest_scale = max(scale, default=2)"): (
        "no scale is below 1 if there is none"
    ),
    ("core/download/response_body.py", "_COMPRESSION_OVERHEAD = 1 << 21"): (
        "any limit ends an endless stream"
    ),
    ("export/decoded/nodes.py", "last = constant((length + 1))"): (
        "any number above all places is not the lowest"
    ),
    ("export/decoded/nodes.py", "NO_BOX = -30001"): (
        "any number below all scores ranks what is no box last"
    ),
    ("networks/pytorch_child.py", "REFUSED = 4"): "both processes read the exit code from here",
    ("omz/sandbox.py", 'command = [*_scope_command(1 << 31), "/bin/sh", "-c", "exit 0"]'): (
        "any limit shows whether systemd can set one"
    ),
    ("poses/assignment.py", "row_of = np.full(columns, -2)"): (
        "any negative number says that a column is free"
    ),
    ("poses/assignment.py", "column_of = np.full(rows, -2)"): (
        "any negative number says that a row is free"
    ),
    (
        "poses/grouping.py",
        "best = match_pairs(offsets + pairs.starts, (offsets - pairs.ends), weights)",
    ): "each peak of a limb still has its own number",
    ("quantize/int8_comparison.py", "_INFERENCES = 4"): (
        "any number of inferences has the same mean"
    ),
    (
        "media/images.py",
        'width, height, _, depth = struct.unpack_from("<iiHH" if size > 13 else "<hhHH", data, 18)',
    ): "the header of a BMP has 12 bytes, or 16 and more",
    (
        "media/images.py",
        '(compression,) = struct.unpack_from("<I", data, 30) if size > 13 else (0,)',
    ): "the header of a BMP has 12 bytes, or 16 and more",
}

QUICK = "quick"
SECOND_RING = "not quick and not judge and not release and not soak"
#: What notices a mutant if no test fails, but the tests do not end.
TIME_LIMIT = "the time limit"

_COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_NO_NONE = {"True": "False", "False": "True", "''": "'mutated'"}
_OPPOSITES = {ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add}


@dataclass(frozen=True)
class Mutant:
    """A change of one place."""

    path: str  # below src/posezoo
    line: int
    start: int  # in bytes
    end: int
    original: str
    mutated: str
    mutated_line: str  # without its indent; several lines if the place has several

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.mutated.encode() + source[self.end :]


def mutate(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """The places to change in a statement or an expression alone, and the new text of each."""
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield test, f"(not ({ast.unparse(test)}))"
        case ast.Compare(ops=[operator], left=left, comparators=others):
            changed = ast.Compare(left, [_COMPARISONS[type(operator)]()], others)
            yield node, f"({ast.unparse(changed)})"
        case ast.BoolOp(op=operator) | ast.BinOp(op=ast.Add() | ast.Sub() as operator):
            changed = copy.copy(node)
            changed.op = _OPPOSITES[type(operator)]()
            yield node, f"({ast.unparse(changed)})"
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            yield node, str(value + 1)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, f"({ast.unparse(operand)})"
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            # As a condition, None is what False and an empty text are.
            yield value, _NO_NONE.get(ast.unparse(value), "None")
        case ast.Expr(value=ast.Call()):
            yield node, "pass"
        case ast.comprehension(ifs=[*tests]):
            for test in tests:
                yield test, f"(not ({ast.unparse(test)}))"


def own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """A statement and its expressions, without the statements in it, annotations and parts of texts."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            for child in value if isinstance(value, list) else [value]:
                is_inside = isinstance(
                    child, ast.expr | ast.comprehension | ast.keyword | ast.arguments
                )
                if is_inside and not isinstance(child, ast.JoinedStr):
                    waiting.append(child)


def mutants_of(path: Path) -> Iterator[list[Mutant]]:
    """The mutants of each statement of a file."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for statement in ast.walk(ast.parse(source)):
        if not isinstance(statement, ast.stmt):
            continue
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            continue
        found = []
        for node in own_nodes(statement):
            for place, text in mutate(node):
                start = starts[place.lineno - 1] + place.col_offset
                end = starts[place.end_lineno - 1] + place.end_col_offset
                original = source[start:end].decode()
                before = source[starts[place.lineno - 1] : start].decode()
                after = source[end : starts[place.end_lineno]].decode()
                name = path.relative_to(PACKAGE).as_posix()
                line = f"{before}{text}{after}".strip()
                found.append(Mutant(name, place.lineno, start, end, original, text, line))
        yield found


def modules_of(name: str) -> list[Path]:
    """The modules of a folder below src/posezoo, or the one module of this name.

    Raises:
        ValueError: there is none.
    """
    found = [*(PACKAGE / name).rglob("*.py"), *PACKAGE.glob(f"{name}.py")]
    if found:
        return found
    near = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob(name))
    hint = f": did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"src/posezoo has no folder or module {name}{hint}")


def choose(seed: int, count: int, only: list[str]) -> list[Mutant]:
    """Mutants of statements that are drawn by chance, each statement with equal chance."""
    modules = [module for name in only for module in modules_of(name)]
    statements: list[list[Mutant]] = []
    for path in sorted(set(modules) if only else PACKAGE.rglob("*.py")):
        statements += filter(None, mutants_of(path))
    chance = random.Random(seed)
    drawn = chance.sample(statements, min(count, len(statements)))
    return [chance.choice(mutants) for mutants in drawn]


def module_name(path: str) -> str:
    """The full name of a module of src/posezoo."""
    return ".".join(["posezoo", *Path(path).with_suffix("").parts]).removesuffix(".__init__")


def imported_modules(path: Path) -> set[str]:
    """All names that a file imports, as modules or from modules."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{each.name}" for each in node.names)
    return names


class TestFiles:
    """Finds the test files that probably run a module."""

    def __init__(self) -> None:
        self._tests = {path: imported_modules(path) for path in sorted(TESTS.rglob("test_*.py"))}
        self._modules = {}
        for path in sorted(PACKAGE.rglob("*.py")):
            self._modules[path.relative_to(PACKAGE).as_posix()] = imported_modules(path)

    def stages(self, path: str, thorough: bool) -> Iterator[list[Path]]:
        """Test files to run one after the other; each comes once."""
        name = module_name(path)
        importers = [each for each, names in self._modules.items() if name in names]
        folders = {TESTS / folder for folder in Path(path).parents} - {TESTS}
        stages = [
            self._mirror(path) or self._namesakes(Path(path)),
            [test for test, names in self._tests.items() if name in names],
            [test for importer in importers for test in self._mirror(importer)],
            [test for test in self._tests if test.parent in folders] or self._elsewhere(path),
            list(self._tests) if thorough else [],
        ]
        seen: set[Path] = set()
        for stage in stages:
            unseen = [test for test in dict.fromkeys(stage) if test not in seen]
            seen.update(unseen)
            if unseen:
                yield unseen

    def _namesakes(self, path: Path) -> list[Path]:
        """The tests in the folder of a module's name, such as convert/darknet of convert/formats/darknet.py."""
        folder = TESTS / path.parts[0] / path.stem
        return [test for test in self._tests if test.parent == folder]

    def _elsewhere(self, path: str) -> list[Path]:
        """The tests of a package that has no folder of tests: of commands, and in folders of its name."""
        names = {"cli", Path(path).parts[0]}
        return [test for test in self._tests if test.parent.name in names]

    def _mirror(self, path: str) -> list[Path]:
        mirror = TESTS / Path(path).parent / f"test_{Path(path).name}"
        return [mirror] if mirror in self._tests else []


class Laboratory:
    """A copy of src, which holds one mutant at a time."""

    def __init__(self, folder: Path, time_limit_s: float) -> None:
        checkout = folder / "checkout"
        self._src = checkout / "src"
        # Not in the checkout, where posezoo treats zoos as its own.
        self._results = folder / "results"
        self._time_limit_s = time_limit_s
        self._broken: set[str] = set()  # tests that fail here without any mutant
        #: How many tests of a line were skipped, which might notice a mutant elsewhere.
        self.skipped: dict[str, int] = {}
        shutil.copytree(ROOT / "src", self._src, ignore=shutil.ignore_patterns("__pycache__"))
        # An editable install finds the registry beside src.
        for other in ("models", "licenses"):
            (checkout / other).symlink_to(ROOT / other)

    def find_killer(
        self, mutant: Mutant, stages: Iterator[list[Path]], marks: str = QUICK
    ) -> str | None:
        """The test with these marks that notices a mutant; None if it survives."""
        target = self._src / "posezoo" / mutant.path
        source = target.read_bytes()
        for tests in stages:
            names = list(map(str, tests))
            while True:
                target.write_bytes(mutant.apply(source))
                failed = self._first_failure(names, marks)
                target.write_bytes(source)
                if failed is None:
                    break
                if "::" not in failed or self._first_failure([failed], marks) is None:
                    return failed
                self._broken.add(failed)
                # Those of the files before have passed.
                broken = str((ROOT / failed.partition("::")[0]).resolve())
                names = names[names.index(broken) :]
        return None

    def _first_failure(self, names: list[str], marks: str) -> str | None:
        """The first test that fails, or what else went wrong; None if all pass."""
        shutil.rmtree(self._results, ignore_errors=True)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-rfEs", "-p", "no:cacheprovider"]
        command += ["-m", marks, "--basetemp", str(self._results)]
        command += [word for test in sorted(self._broken) for word in ("--deselect", test)]
        env = os.environ | {"PYTHONPATH": str(self._src), "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen(
            [*command, *names],
            cwd=ROOT,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=self._time_limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return TIME_LIMIT
        for count, place in re.findall(r"^SKIPPED \[(\d+)\] (\S+:\d+)", output, re.MULTILINE):
            self.skipped[place] = max(int(count), self.skipped.get(place, 0))
        # 5: none of these tests has the marks.
        if process.returncode in (0, 5):
            return None
        summary = re.search(r"^(?:FAILED|ERROR) (\S+::.*?)(?: - |$)", output, re.MULTILINE)
        return summary[1] if summary else "an import or pytest's end"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=80)
    parser.add_argument(
        "--only", default="", help="folders and modules below src/posezoo, with commas between"
    )
    parser.add_argument("--thorough", action="store_true", help="at last run all quick tests")
    parser.add_argument("--second_ring", action="store_true", help="then run slow tests")
    parser.add_argument("--time_limit", type=float, default=600, help="seconds for a set of tests")
    parser.add_argument("--report", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    try:
        chosen = choose(
            options.seed, options.count, options.only.split(",") if options.only else []
        )
    except ValueError as error:
        parser.error(f"--only: {error}")
    if not chosen:
        parser.error("no code was chosen to change")
    test_files = TestFiles()
    results = []
    with tempfile.TemporaryDirectory(prefix="mutants") as folder:
        laboratory = Laboratory(Path(folder), options.time_limit)
        for mutant in chosen:
            if (mutant.path, mutant.mutated_line) in EQUIVALENT:
                continue
            stages = test_files.stages(mutant.path, options.thorough)
            killer, ring = laboratory.find_killer(mutant, stages), "quick"
            if killer is None and options.second_ring:
                stages = test_files.stages(mutant.path, options.thorough)
                killer, ring = laboratory.find_killer(mutant, stages, SECOND_RING), "changed"
            results.append({**asdict(mutant), "killed_by": killer, "ring": ring})
            verdict = {None: "survived", TIME_LIMIT: "timeout "}.get(killer, "killed  ")
            change = f"{mutant.original!r} -> {mutant.mutated!r}"
            print(f"{verdict} {mutant.path}:{mutant.line}: {change}", flush=True)
            if options.report:
                options.report.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    killers = [result["killed_by"] for result in results]
    killed = sum(killer is not None for killer in killers)
    late = killers.count(TIME_LIMIT)
    timeouts = f", {late} by the time limit alone" if late else ""
    skipped = sum(laboratory.skipped.values())
    unseen = f"; {skipped} tests were skipped, which might kill more" if skipped else ""
    print(f"{killed} of {len(results)} mutants were killed{timeouts}{unseen}")


if __name__ == "__main__":
    main()
