"""Draw what is drawn from the code: docs/cli.md. With --check only say whether it is stale."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def cli_page() -> str:
    """Every verb's help, as the terminal shows it."""
    os.environ["COLUMNS"] = "100"
    from posezoo.cli.main import VERBS, parser

    top = parser()
    verbs = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    sections = [f"# The command line\n\n```text\n{top.format_help().rstrip()}\n```\n"]
    sections += [
        f"## posezoo {name}\n\n```text\n{verbs.choices[name].format_help().rstrip()}\n```\n" for name in VERBS
    ]
    note = "<!-- drawn by `make docs` from the code: change it there -->\n"
    return note + "\n".join(sections)


PAGES = {"docs/cli.md": cli_page}


def main() -> int:
    """Draw each page, or name those that are stale."""
    check, stale = "--check" in sys.argv[1:], []
    for name, draw in PAGES.items():
        path, content = ROOT / name, draw()
        if path.is_file() and path.read_text("utf-8") == content:
            continue
        if check:
            stale.append(name)
        else:
            path.write_text(content, "utf-8")
            print(f"drew {name}")
    if stale:
        print(f"stale: {', '.join(stale)}; `make docs` redraws", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
