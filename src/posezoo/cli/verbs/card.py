"""posezoo card: the pages of models, printed, or drawn into a folder or a registry.

``--format json`` prints a list: what card.json holds of each model, see ``posezoo.cards.card_json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.model_filters import ModelRow, list_rows
from posezoo.cli.report import Console
from posezoo.cli.selection import select_models
from posezoo.cli.terminal_text import escape_control_characters

if TYPE_CHECKING:
    from posezoo.registry import Registry

EXAMPLES = """
posezoo card blazepose-full
posezoo card 'simple_pose_*' --format json
posezoo card blazepose-full --output_dir pages
posezoo card my-pose --models_dir my_zoo/models --in_place
posezoo card --all --models_dir my_zoo/models --in_place --check
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(verbs, "card", "draw the cards of models", EXAMPLES)
    flags.add_model_flags(parser)
    places = parser.add_mutually_exclusive_group()
    places.add_argument(
        "-o",
        "--output_dir",
        type=Path,
        metavar="DIR",
        help="write README.md, card.json and the skeleton's picture to DIR/<public|intel>/<name>; such a "
        "card tells of the IR that lie there (default: print the card)",
    )
    places.add_argument(
        "--in_place",
        action="store_true",
        help="write them beside the model.yml, for those who keep a registry; with --all index.md too",
    )
    parser.add_argument("--check", action="store_true", help="with --in_place: only say what is stale")
    flags.add_flags(parser, "models_dir")
    flags.add_format_flags(parser)
    parser.set_defaults(parser=parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Print or draw; 1 where a file cannot be read, is stale (``--check``), or is somebody else's."""
    from posezoo.registry import open_registry

    if args.check and not args.in_place:
        args.parser.error("--check goes with --in_place")
    patterns = flags.patterns_from_args(args)
    registry = open_registry(flags.settings_from_args(args).models_dir)
    with Console(quiet=args.quiet) as console:
        selection = select_models(registry, patterns, console)
        rows = list_rows(selection)
        done = True
        if args.in_place and args.all and selection.problems:
            return 1  # no index of some of the models
        if args.in_place:
            done = _in_place(_pages(registry, rows, whole=args.all), console, check=args.check)
        elif args.output_dir is not None:
            _into(args.output_dir, rows, console)
        else:
            _print(rows, args.format)
    return 0 if done and not selection.problems else 1


def _print(rows: Sequence[ModelRow], output_format: str) -> None:
    """Each card; of a composite that is asked for its own, which tells of its parts."""
    from posezoo.cards.card_json import collect_facts
    from posezoo.cards.model_card import draw_card

    composites = {row.model.full_name for row in rows if row.model.full_name != row.composite}
    tops = [row for row in rows if row.composite not in composites]
    if output_format == "json":
        print(json.dumps([collect_facts(row.model, row.parts) for row in tops], indent=1))
        return
    for row in tops:
        print("\n".join(map(escape_control_characters, draw_card(row.model, row.parts).splitlines())))


def _into(folder: Path, rows: Sequence[ModelRow], console: Console) -> None:
    from posezoo.cards.model_card import write_card
    from posezoo.layout import ModelLayout

    for row in rows:
        console.print_line(f"{write_card(row.model, row.parts, ModelLayout(folder, folder))}")


def _pages(
    registry: Registry, rows: Sequence[ModelRow], *, whole: bool
) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """The pages of each root by their paths below it: of some models, or of all and their index."""
    from posezoo.cards.registry_pages import draw_model, draw_pages
    from posezoo.registry import registry_root

    if whole:
        yield from ((root, draw_pages(root)) for root in registry.roots)
    else:
        yield from ((registry_root(row.model), draw_model(row.model, row.parts)) for row in rows)


def _in_place(found: Iterator[tuple[Path, Mapping[str, str]]], console: Console, *, check: bool) -> bool:
    """Draw what is stale, or tell it; whether nothing was stale and nothing in the way."""
    from posezoo.files.verified_files import write_atomically

    good = True
    for root, pages in found:
        for path in _others(root, pages):
            console.warn(f"{path}: somebody wrote this page, and posezoo did not: its model is left alone")
            pages = {name: text for name, text in pages.items() if (root / name).parent != path.parent}
            good = False
        stale = {root / name: text.encode() for name, text in pages.items() if _is_stale(root / name, text)}
        for path, content in stale.items():
            if check:
                console.warn(f"{path}: stale: posezoo card --in_place draws it")
                good = False
            else:
                write_atomically(path, content)
                console.print_line(f"drew {path}")
    return good


def _others(root: Path, pages: Mapping[str, str]) -> list[Path]:
    """The pages that are there and that posezoo did not draw."""
    from posezoo.cards.model_card import NOTE, has_note

    paths = (root / name for name in pages if name.endswith(".md"))
    return [path for path in paths if path.exists() and not has_note(path, NOTE)]


def _is_stale(path: Path, text: str) -> bool:
    return not path.is_file() or path.read_bytes() != text.encode()
