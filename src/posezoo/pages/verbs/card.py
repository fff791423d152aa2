"""posezoo card: print the cards of models, or as JSON (``cards.card_json``), or write them into a
folder, a registry or one HTML page.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.cli.selection import select_models
from posezoo.console.console import Console
from posezoo.console.labels import format_count
from posezoo.console.printing import print_while_read
from posezoo.console.report import print_text
from posezoo.console.terminal import terminal_width
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import OutputError
from posezoo.core.files.output_file import HTML_PAGE
from posezoo.core.files.result_files import is_own
from posezoo.core.files.verified_files import is_device, write_atomically
from posezoo.core.registry import Registry, Selection, open_registry, registry_root
from posezoo.core.regular_files import read_regular_bytes
from posezoo.figures.model_facts import ModelFacts
from posezoo.pages.verbs.filter_flags import facts_of

if TYPE_CHECKING:
    from posezoo.core.resolve.stage_context import Context

EXAMPLES = """
posezoo card blazepose-full
posezoo card 'simple_pose_*' --format json
posezoo card blazepose-full --output pages
posezoo card mine.xml
posezoo card my-pose --models_dir my_zoo/models --in_place
posezoo card --all --models_dir my_zoo/models --in_place --check
posezoo card --all --html --output models.html
"""

FLAGS = (
    flags.MODELS,
    FlagGroup(
        flags.output_flag(
            "write README.md, card.json and an image of the skeleton to DIR/<public|intel>/<name>;"
            " such a card also describes the IR in that folder; with --html, the file of the page,"
            " or a folder for index.html",
            "print the card",
            output=HTML_PAGE,
        ),
        Flag(
            "--in_place",
            "write these files beside each model.yml, for maintainers of a registry; with --all"
            " also index.md",
            excludes="registries",
        ),
    ),
    Flag(
        "--html",
        "one HTML page about the models, which needs no server: a chart of AP and speed, tables,"
        " and a card of each model",
        excludes="in_place format=json",
    ),
    Flag("--check", "with --in_place: only report stale files", needs="in_place"),
    f"{flags.REGISTRY} {flags.FORMAT}",
)


class _CardArgs(flags.ModelsArgs, flags.FormatArgs):
    output: Path | None
    in_place: bool
    html: bool
    check: bool


def run(args: _CardArgs) -> int:
    """Print or write; 1 if a file is unreadable, outdated (``--check``), or not written by
    posezoo.
    """
    from posezoo.core.layout import ModelLayout
    from posezoo.pages.cards.ir_card import refresh_card

    patterns = flags.patterns_from_args(args)
    context = flags.context_from_args(args)
    registry = context.registry
    if args.in_place:
        registry = open_registry(context.settings.models_dir)
    with Console(quiet=args.quiet) as console:
        if args.in_place:
            selection = select_models(registry, patterns, console)
        else:
            selection = _select(args, context, console)
        models = facts_of(selection, registry)
        is_complete = True
        if args.in_place:
            if args.all and selection.problems:
                return 1  # an index must contain all models
            is_complete = _draw_in_place(
                registry, None if args.all else models, console, check=args.check
            )
        elif args.html:
            _write_page(models, context, args.output, console)
        elif args.output:
            layout = ModelLayout(args.output, args.output)
            for facts in models:
                card = refresh_card(replace(facts, layout=layout), registry, console)
                console.print_line(f"{card}")
        else:
            _print_cards(models, context, args.format)
    return 0 if is_complete and not selection.problems else 1


def _select(args: _CardArgs, context: Context, console: Console) -> Selection:
    """The models, and the files of networks as models."""
    from posezoo.core.resolve.input_options import InputOptions
    from posezoo.run.network_file import describe_network_file
    from posezoo.run.verbs.run_flags import select_subjects

    patterns = flags.patterns_from_args(args)
    files, selection = select_subjects(patterns, context, console, needs_decoder=False)
    described = (describe_network_file(file, InputOptions()).model for file in files)
    networks = [
        replace(
            model,
            description=f"The network in {model.path.name}.",
            task=model.task or "human_pose_estimation",
        )
        for model in described
        if isinstance(model, ModelSpec)
    ]
    return replace(selection, models=(*selection.models, *networks))


def _write_page(
    models: Sequence[ModelFacts], context: Context, output: Path | None, console: Console
) -> None:
    from posezoo.core.files.result_files import write_result
    from posezoo.pages.cards.html_page import render_html_page

    text = render_html_page(models, context.layout)
    if output is None:
        print_while_read(text)
        return
    is_file = output.suffix == ".html" and not output.is_dir()
    path = output if is_file else output / "index.html"
    write_result(path, text.encode(), console, HTML_PAGE.signs)
    console.print_line(f"{path}")


def _print_cards(models: Sequence[ModelFacts], context: Context, style: str) -> None:
    from posezoo.core.pipeline.availability import AvailabilityFinder
    from posezoo.pages.cards.card_json import card_json
    from posezoo.pages.cards.model_card import render_card

    # A part has no card of its own if the card of its composite is printed.
    parts = {stage for facts in models for stage in facts.model.stages}
    tops = [facts for facts in models if facts.name not in parts]
    if style == "json":
        print_while_read(json.dumps([card_json(facts) for facts in tops], indent=1))
        return
    finder = AvailabilityFinder(context)
    for facts in tops:
        text = render_card(facts)
        if terminal_width():  # the front matter is for model hubs
            text = text.partition("\n---\n\n")[2]
            needs = facts.find_availability(finder).needs
            text = "".join(f"Here, {facts.name} {each}.\n\n" for each in needs) + text
        print_text(text)


def _draw_in_place(
    registry: Registry, models: Sequence[ModelFacts] | None, console: Console, *, check: bool
) -> bool:
    """None means all pages; returns whether all are now up to date."""
    from posezoo.pages.cards.model_card import render_model_pages
    from posezoo.pages.cards.registry_pages import render_pages

    if models is None:
        pages_by_root = ((root, render_pages(root)) for root in registry.roots)
    else:
        pages_by_root = (
            (registry_root(facts.model), render_model_pages(facts)) for facts in models
        )
    is_complete = True
    stale: list[Path] | None = [] if check else None
    for root, pages in pages_by_root:
        ours = _without_foreign_folders(root, pages, console)
        updated = [_update_page(root / name, ours[name], console, stale) for name in ours]
        is_complete = is_complete and len(ours) == len(pages) and all(updated)
    if stale:
        draw = shlex.join(word for word in sys.argv[1:] if word != "--check")
        raise OutputError(f"{format_count(len(stale), 'page')} stale", hint=f"posezoo {draw}")
    return is_complete


def _without_foreign_folders(
    root: Path, pages: Mapping[str, str], console: Console
) -> dict[str, str]:
    from posezoo.pages.cards.model_card import NOTE, has_note

    foreign = set()
    for name in pages:
        path = root / name
        if name.endswith(".md") and path.exists() and not has_note(path, NOTE):
            console.warn(f"{path}: was not written by posezoo: the model is skipped")
            foreign.add(path.parent)
    return {name: text for name, text in pages.items() if (root / name).parent not in foreign}


def _update_page(path: Path, text: str, console: Console, stale: list[Path] | None) -> bool:
    """Draw a page, or only list it as stale; returns whether it is up to date."""
    from posezoo.figures import scatter_chart
    from posezoo.pages.cards import skeleton_svg
    from posezoo.pages.cards.model_card import FACTS_SIGNS, NOTE, PICTURES

    content = text.encode()
    if path.is_file() and read_regular_bytes(path) == content:
        return True
    of_image = skeleton_svg.SIGNS if path.parent.name == PICTURES else scatter_chart.SIGNS
    signs = {".md": (NOTE,), ".json": FACTS_SIGNS, ".svg": of_image}[path.suffix]
    if is_device(path) or not is_own(path, signs):
        console.warn(f"{path}: was not written by posezoo: move it, and draw the card again")
        return False
    if stale is not None:
        console.warn(f"{path}: stale")
        stale.append(path)
        return False
    write_atomically(path, content)
    console.print_line(f"drew {path}")
    return True
