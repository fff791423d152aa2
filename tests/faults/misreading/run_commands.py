"""Run commands of posezoo in this process, which reads them as JSON, and write what became of each.

To start Python for each file would take longer than to convert it. The commands of each way to give
a model come after its name, below which the faults that were put in are noted.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys

from posezoo.cli.main import main


def run(words: list[str]) -> dict[str, object]:
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code
    return {"code": code, "output": output.getvalue(), "errors": errors.getvalue()}


def run_all(ways: dict[str, list[list[str]]]) -> dict[str, list[dict[str, object]]]:
    ended = {}
    for way, commands in ways.items():
        os.environ["FAULTS_PUT_IN"] = way  # the process that reads files gets it, too
        ended[way] = [run(words) for words in commands]
    return ended


if __name__ == "__main__":
    json.dump(run_all(json.load(sys.stdin)), sys.stdout)
