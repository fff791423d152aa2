"""Draw what is drawn: pages from the code, cards from each model.yml.

docs/draw.py [--check] [FOLDER]: below that folder only; with --check only say what is stale.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Collection
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


def model_schema() -> str:
    """The JSON Schema of model.yml, for editors."""
    from posezoo.spec.schema import schema

    return json.dumps(schema(), indent=2) + "\n"


def composite_schema() -> str:
    """The JSON Schema of composite-model.yml, for editors."""
    from posezoo.spec.schema import composite_schema

    return json.dumps(composite_schema(), indent=2) + "\n"


def omz_page() -> str:
    """Every flag of Open Model Zoo's commands over ours, and what differs."""
    from posezoo.cli.omz.page import draw

    return draw()


PAGES: dict[str, Callable[[], str]] = {
    "docs/cli.md": cli_page,
    "tools/downloader/README.md": omz_page,
    "docs/model.schema.json": model_schema,
    "docs/composite-model.schema.json": composite_schema,
}


def draw(folder: str) -> dict[str, str]:
    """The text of every page below a folder: those of the table, a card for each model, and their index."""
    from posezoo.card.pages import draw_pages

    pages = {name: page() for name, page in PAGES.items() if name.startswith(folder)}
    cards = {f"models/{name}": text for name, text in draw_pages(ROOT / "models").items()}
    return pages | {name: text for name, text in cards.items() if name.startswith(folder)}


def orphans(pages: Collection[str]) -> list[str]:
    """Cards that were drawn of models that are gone."""
    from posezoo.card.card import NOTE

    found = (path for path in (ROOT / "models").rglob("*.md") if path.read_text("utf-8").startswith(NOTE))
    names = (path.relative_to(ROOT).as_posix() for path in found)
    return sorted(name for name in names if name not in pages)


def main() -> int:
    """Draw each page, or name those that are stale."""
    command = argparse.ArgumentParser(description="Draw what is drawn from the code and from each model.yml.")
    command.add_argument("folder", nargs="?", default="", help="only pages below it, such as models")
    command.add_argument("--check", action="store_true", help="only say what is stale; 1 where anything is")
    args = command.parse_args()
    pages = draw(args.folder)
    stale = [name for name, text in pages.items() if _is_stale(name, text)]
    gone = [name for name in orphans(pages) if name.startswith(args.folder)]
    if args.check:
        for name in (*stale, *gone):
            verb = "make cards" if name.startswith("models/") else "make docs"
            print(f"stale: {name}; `{verb}` redraws it", file=sys.stderr)
        return 1 if stale or gone else 0
    for name in stale:
        (ROOT / name).write_bytes(pages[name].encode())
        print(f"drew {name}")
    for name in gone:
        (ROOT / name).unlink()
        print(f"removed {name}, the card of a model that is gone")
    return 0


def _is_stale(name: str, content: str) -> bool:
    path = ROOT / name
    return not path.is_file() or path.read_bytes() != content.encode()


if __name__ == "__main__":
    sys.exit(main())
