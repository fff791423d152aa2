"""Runs a command in a process of its own, and counts what it does: counts do not depend on the load
of the machine.

The functions of posezoo that are called while no module is imported are those that a reader of the
command has to read; comprehensions count, too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "posezoo"


@dataclass(frozen=True)
class CountedRun:
    functions: int
    files: int  # those that have these functions
    modules: set[str]  # all that were imported
    opens: Counter[str]  # by path, without Python's own and the code that is imported


def count_run(*args: str) -> CountedRun:
    """Run posezoo with these arguments; it has to succeed."""
    command = [sys.executable, __file__, str(SOURCE), *args]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stderr.splitlines()[-1])
    functions = {tuple(each) for each in report["functions"]}
    return CountedRun(
        len(functions),
        len({path for path, *_ in functions}),
        set(report["modules"]),
        Counter(report["opens"]),
    )


def _main(source: str, *args: str) -> None:
    called = set()
    opens = []

    def note_call(frame, event, _):
        code = frame.f_code
        is_function = code.co_flags & 1  # CO_OPTIMIZED: neither a module nor the body of a class
        if event != "call" or not is_function or not code.co_filename.startswith(source):
            return
        outer = frame.f_back
        while outer is not None:
            if outer.f_code.co_name == "<module>" and outer.f_code.co_filename.startswith(source):
                return
            outer = outer.f_back
        called.add((code.co_filename, code.co_name, code.co_firstlineno))

    def note_open(event, details):
        if event == "open" and isinstance(details[0], str):
            opens.append(details[0])

    sys.addaudithook(note_open)
    from posezoo.__main__ import main

    sys.argv = ["posezoo", *args]
    sys.setprofile(note_call)
    try:
        code = main()
    except SystemExit as stopped:
        code = stopped.code
    finally:
        sys.setprofile(None)
    code_files = (sys.prefix, sys.base_prefix, source, "/proc/", "/sys/", "/dev/")
    report = {
        "functions": sorted(called),
        "modules": sorted(sys.modules),
        "opens": [
            path for path in opens if not path.startswith(code_files) and path[-4:] != ".pyc"
        ],
    }
    sys.stderr.write(json.dumps(report))
    raise SystemExit(code)


if __name__ == "__main__":
    _main(*sys.argv[1:])
