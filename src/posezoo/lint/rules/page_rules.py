"""Rules on index pages, and on all pages that posezoo drew: what it draws now must be the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import NamedTuple

from posezoo.core.registry import registry_root
from posezoo.figures.measured import NAME
from posezoo.lint.accuracy_check_yml import list_leaves
from posezoo.lint.finding import FileLocation, RuleViolation, Violations
from posezoo.lint.registry_view import CARD, ModelView, RegistryView
from posezoo.lint.rule import rule
from posezoo.pages.cards.card_reader import read_text
from posezoo.pages.cards.model_card import FACTS, PICTURES
from posezoo.pages.cards.usage_section import select_registry

_ROW = re.compile(r"\]\(([^()\s]{1,300})/README\.md\)")
#: The largest number of characters of a line that is repeated in full.
MAX_LINE = 80


class ChangedLine(NamedTuple):
    """A line of a page that posezoo would draw in another way now."""

    path: Path  # of the page
    number: int
    text: str
    drawn: str  # the text now


@rule()
def index_columns(view: ModelView) -> Violations:
    """A row of the index about several models has one value for all of them in each column, or one
    for each.

    Example: [a](./a/README.md)<br>[b](./b/README.md) and three accuracies
    """
    for row in view.zoo.index[view.name]:
        for text in row.unclear:
            message = f"the values do not fit the models or the columns: {text}"
            yield RuleViolation(FileLocation(row.file, row.line), message, "index", text)


@rule()
def drawn_card(view: ModelView) -> Violations:
    """A card and a card.json that posezoo drew state what model.yml and measured.yml state, and the
    picture of the skeleton exists. card.json has all facts: if one differs, it is probably
    model.yml that was changed by mistake.

    Example: value: 0.32, and 0.6464 in card.json
    """
    users = view.zoo.models_by(_read_own_pages)
    for path in _read_own_pages(view):
        if path in view.zoo.missing_pages and users[path][0] is view:
            yield _missing_page(path, view)
    changed = view.zoo.changed_pages
    if view.folder / FACTS in changed:
        yield from islice(_wrong_declarations(view), 1)
    elif view.folder / CARD in changed:
        yield _violation(next(_changed_lines(view.zoo, view.folder / CARD)), view)


def _read_own_pages(view: ModelView) -> Iterator[Path]:
    """The card, card.json, and the picture of the skeleton, which several models may share."""
    yield view.folder / CARD
    yield view.folder / FACTS
    yield registry_root(view.declaration) / PICTURES / f"{view.skeleton}.svg"


@rule()
def drawn_index(view: ModelView) -> Violations:
    """An index and the pictures that posezoo drew show all models, with the values of model.yml;
    they are checked if all cards are as drawn.

    Example: 64.46% in the index, value: 0.6464 and 64.64% on the card
    """
    is_first = view is view.zoo.first
    rows = view.zoo.once(_find_changed_rows, lambda: _find_changed_rows(view.zoo))
    for path in sorted(view.zoo.missing_pages) if is_first else ():
        # Another rule reports the pages of a model.
        if path.parent in view.zoo.registry.roots:
            yield _missing_page(path, view)
    for folder in (view.folder, None) if is_first else (view.folder,):
        for changed in rows.get(folder, ()):
            yield _violation(changed, view)


def _find_changed_rows(zoo: RegistryView) -> dict[Path | None, list[ChangedLine]]:
    rows: dict[Path | None, list[ChangedLine]] = {}
    if any(path.name in (CARD, FACTS) for path in zoo.changed_pages | zoo.missing_pages):
        return rows  # what makes a card differ makes the index differ, too
    for path in sorted(zoo.changed_pages):
        for changed in _changed_lines(zoo, path):
            row = _ROW.search(changed.drawn)
            folder = path.parent / row[1] if row else None
            rows.setdefault(folder, []).append(changed)
    return rows


def _draw_command(view: ModelView) -> str:
    return f"posezoo card --all --in_place{select_registry(view.spec)}"


def _violation(changed: ChangedLine, view: ModelView) -> RuleViolation:
    path, number, line, drawn = changed
    for separator in (" | ", ", "):  # of a long line only the first part that differs
        parts = line.strip("| ").split(separator)
        drawn_parts = drawn.strip("| ").split(separator)
        if len(line) > MAX_LINE and len(parts) == len(drawn_parts):
            pairs = zip(parts, drawn_parts, strict=True)
            line, drawn = next(pair for pair in pairs if pair[0] != pair[1])
    texts = [f"'{text}'" if text else "nothing" for text in (line, drawn)]
    again = f"if {path.name} is drawn again: {_draw_command(view)}"
    message = f"{texts[0]} here, and {texts[1]} {again}"
    place = FileLocation(path, number)
    return RuleViolation(place, message, path.stem, line, expected=drawn)


def _missing_page(path: Path, view: ModelView) -> RuleViolation:
    message = f"{path.name} is missing: {_draw_command(view)} draws it again"
    return RuleViolation(FileLocation(path), message, path.stem)


def _changed_lines(zoo: RegistryView, path: Path) -> Iterator[ChangedLine]:
    """The changed lines of a page; the first one if lines are missing."""
    lines = (read_text(path) or "").splitlines()
    expected_lines = zoo.drawn_pages[path].splitlines()
    for number, (line, expected) in enumerate(zip_longest(lines, expected_lines, fillvalue=""), 1):
        if line != expected:
            yield ChangedLine(path, number, line, expected)
            if len(lines) != len(expected_lines):
                return


def _wrong_declarations(view: ModelView) -> Violations:
    """The values of model.yml that differ from those of card.json, or else the file that
    differs.
    """
    path = view.folder / FACTS
    try:
        on_card_values = dict(_list_values(json.loads(read_text(path) or "")))
    except (ValueError, RecursionError):
        on_card_values = {}
    drawn = dict(_list_values(json.loads(view.zoo.drawn_pages[path])))
    changed = [keys for keys, value in drawn.items() if on_card_values.get(keys) != value]
    leaves = [*list_leaves(view.model_yml)]
    nodes = {str(node.value).rstrip("0"): node for node in leaves}
    # A value may occur several times; the keys of card.json are mostly those of model.yml.
    nodes |= {f"{node.key.lower()}: {node.value}".rstrip("0"): node for node in leaves}
    advice = f"correct it, or draw the pages again: {_draw_command(view)}"
    for keys in changed:
        text = f"{drawn[keys]:.12g}" if isinstance(drawn[keys], float) else str(drawn[keys])
        short = text.rstrip("0")
        node = nodes.get(f"{keys[-1]}: {short}") or nodes.get(short)
        if node:
            on_card = str(on_card_values.get(keys))
            message = f"{node.field_path}: {text}, and {on_card} in {FACTS}: {advice}"
            yield RuleViolation(node, message, actual=text, expected=on_card)
    if any(part.folder / FACTS in view.zoo.changed_pages for part in _read_parts(view)):
        return  # what is wrong in a part of a composite is reported there
    if not changed or view.entry.is_composite:
        yield _violation(next(_changed_lines(view.zoo, path)), view)
        return
    is_measured = any(f"{keys[0]}.yml" == NAME for keys in changed)
    file = view.folder / NAME if is_measured else view.entry.path
    message = f"{file.name} and {FACTS} have other values: {advice}"
    yield RuleViolation(FileLocation(file), message, file.name, expected="other values")


def _read_parts(view: ModelView) -> list[ModelView]:
    return view.zoo.find_models(view.parts)


def _list_values(value: object, *keys: str) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(value, list):
        value = {str(index): item for index, item in enumerate(value)}
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _list_values(child, *keys, key)
    else:
        yield keys, value
