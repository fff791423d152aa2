"""posezoo card: print the cards of models, or write them into a folder or a registry.

``--format json`` prints a list with the content of each model's card.json; see
``posezoo.cards.card_json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.cli.model_filters import facts_of
from posezoo.cli.report import terminal_width
from posezoo.cli.selection import select_models
from posezoo.console import Console
from posezoo.errors import escape_control_characters
from posezoo.facts.model_facts import ModelFacts

if TYPE_CHECKING:
    from posezoo.registry import Registry

EXAMPLES = """
posezoo card blazepose-full
posezoo card 'simple_pose_*' --format json
posezoo card blazepose-full --output pages
posezoo card my-pose --models_dir my_zoo/models --in_place
posezoo card --all --models_dir my_zoo/models --in_place --check
"""

FLAGS = (
    flags.MODELS,
    FlagGroup(
        flags.output_flag(
            "write README.md, card.json and an image of the skeleton to DIR/<public|intel>/<name>;"
            " such a card also describes the IR in that folder",
            "print the card",
        ),
        Flag(
            "--in_place",
            "write these files beside each model.yml, for maintainers of a registry; with --all"
            " also index.md",
        ),
    ),
    Flag("--check", "with --in_place: only report stale files"),
    f"{flags.REGISTRY} {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Print or write; 1 if a file is unreadable, outdated (``--check``), or not written by
    posezoo.
    """
    from posezoo.pipeline.zoo_context import registry_from_settings
    from posezoo.registry import open_registry

    if args.check and not args.in_place:
        args.parser.error("--check requires --in_place")
    if args.in_place and args.registries:
        args.parser.error(
            "--in_place writes into the folders of --models_dir, not into a --registry"
        )
    patterns = flags.patterns_from_args(args)
    settings = flags.settings_from_args(args)
    flags.require_local("card --in_place", *(settings.models_dir if args.in_place else ()))
    registry = (
        open_registry(settings.models_dir) if args.in_place else registry_from_settings(settings)
    )
    with Console(quiet=args.quiet) as console:
        selection = select_models(registry, patterns, console)
        models = facts_of(selection)
        is_complete = True
        if args.in_place and args.all and selection.problems:
            return 1  # an index must contain all models
        if args.in_place:
            is_complete = _draw_in_place(
                registry, None if args.all else models, console, check=args.check
            )
        elif args.output is not None:
            from posezoo.cards.model_card import write_card
            from posezoo.layout import ModelLayout

            layout = ModelLayout(args.output, args.output)
            for facts in models:
                console.print_line(f"{write_card(ModelFacts(facts.model, facts.parts, layout))}")
        else:
            from posezoo.cards.card_json import card_json
            from posezoo.cards.model_card import render_card

            # A part has no card of its own if the card of its composite is printed.
            parts = {stage for facts in models for stage in facts.stages}
            tops = [facts for facts in models if facts.name not in parts]
            if args.format == "json":
                print(json.dumps([card_json(facts) for facts in tops], indent=1))
            else:
                for facts in tops:
                    text = render_card(facts)
                    if terminal_width() is not None:  # the front matter is for model hubs
                        text = text.partition("\n---\n\n")[2]
                    print("\n".join(map(escape_control_characters, text.splitlines())))
    return 0 if is_complete and not selection.problems else 1


def _draw_in_place(
    registry: Registry, models: Sequence[ModelFacts] | None, console: Console, *, check: bool
) -> bool:
    """Write the outdated pages of the models, or with ``check`` only report them; None means all
    pages.

    Returns whether all are now up to date.
    """
    from posezoo.cards.model_card import NOTE, has_note, render_model_pages
    from posezoo.cards.registry_pages import render_pages
    from posezoo.files.verified_files import write_atomically
    from posezoo.registry import registry_root

    if models is None:
        pages_by_root = ((root, render_pages(root)) for root in registry.roots)
    else:
        pages_by_root = (
            (registry_root(facts.model), render_model_pages(facts)) for facts in models
        )
    is_complete = True
    for root, pages in pages_by_root:
        drawn = dict(pages)
        for path in [root / name for name in pages if name.endswith(".md")]:
            if path.exists() and not has_note(path, NOTE):
                console.warn(f"{path}: was not written by posezoo: the model is skipped")
                drawn = {
                    name: text
                    for name, text in drawn.items()
                    if (root / name).parent != path.parent
                }
                is_complete = False
        for name, text in drawn.items():
            path, content = root / name, text.encode()
            if path.is_file() and path.read_bytes() == content:
                continue
            if check:
                console.warn(f"{path}: stale: posezoo card --in_place draws it")
                is_complete = False
            else:
                write_atomically(path, content)
                console.print_line(f"drew {path}")
    return is_complete
