"""Runs a command in a process of its own, and counts what it does: counts do not depend on the load
of the machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "posezoo"


@dataclass(frozen=True)
class CountedRun:
    modules: set[str]  # all that were imported
    opens: Counter[str]  # by path, without Python's own and the code that is imported


def count_run(*args: str) -> CountedRun:
    """Run posezoo with these arguments; it has to succeed."""
    command = [sys.executable, __file__, str(SOURCE), *args]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stderr.splitlines()[-1])
    return CountedRun(set(report["modules"]), Counter(report["opens"]))


def _main(source: str, *args: str) -> None:
    opens = []

    def note_open(event, details):
        if event == "open" and isinstance(details[0], str):
            opens.append(details[0])

    sys.addaudithook(note_open)
    from posezoo.__main__ import main

    sys.argv = ["posezoo", *args]
    try:
        code = main()
    except SystemExit as stopped:
        code = stopped.code
    code_files = (sys.prefix, sys.base_prefix, source, "/proc/", "/sys/", os.devnull)
    report = {
        "modules": sorted(sys.modules),
        "opens": [
            path for path in opens if not path.startswith(code_files) and path[-4:] != ".pyc"
        ],
    }
    sys.stderr.write(json.dumps(report))
    raise SystemExit(code)


def count_calls(*args: object, cwd: Path) -> Counter[str]:
    """How often posezoo with these arguments calls each function and runs each of its lines, in all threads; it has to end with 0, or with 1 for
    what it found.

    A built-in function counts for each of its callers apart. What it does itself is not seen, such as the search
    in a list of texts.
    """
    command = [sys.executable, __file__, "--calls", *map(str, args)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)
    messages, _, counts = ended.stderr.rpartition("\n")
    assert ended.returncode in (0, 1), messages
    return Counter(json.loads(counts))


class CallCounter:
    """``with CallCounter() as counter: work()``, then ``counter.calls`` has the calls of each function, and how often
    each line of posezoo was run: a loop without a call is seen, too.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __enter__(self) -> CallCounter:
        for module in (threading, sys):
            module.settrace(self._trace)
            module.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for module in (sys, threading):
            module.setprofile(None)
            module.settrace(None)

    def _trace(self, frame, _event, _details):
        return self._note_line if frame.f_code.co_filename.startswith(str(SOURCE)) else None

    def _note_line(self, frame, event, _details):
        if event == "line":
            self.calls[f"{frame.f_code.co_filename}:{frame.f_lineno}"] += 1
        return self._note_line

    def _note(self, frame, event, function):
        if event not in ("call", "c_call"):
            return
        name = f"{frame.f_code.co_filename}:{frame.f_code.co_name}"
        if event == "c_call":
            name += f" > {getattr(function, '__qualname__', function)}"
        self.calls[name] += 1


def _count(*args: str) -> None:
    from posezoo.__main__ import main

    sys.argv = ["posezoo", *args]
    with CallCounter() as counter:
        try:
            code = main()
        except SystemExit as stopped:
            code = stopped.code
    sys.stderr.write("\n" + json.dumps(counter.calls))
    raise SystemExit(code)


if __name__ == "__main__":
    if sys.argv[1] == "--calls":
        _count(*sys.argv[2:])
    _main(*sys.argv[1:])
