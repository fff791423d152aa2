"""Run commands of posezoo in this process, which reads them as JSON, and write what became of each.

To start Python for each file would take longer than to convert it.
"""

from __future__ import annotations

import contextlib
import io
import json
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


if __name__ == "__main__":
    json.dump([run(words) for words in json.load(sys.stdin)], sys.stdout)
