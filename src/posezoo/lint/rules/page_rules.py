"""Rules on index pages, and on all pages that posezoo drew: what it draws now must be the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from posezoo.cards.card_reader import read_text
from posezoo.cards.model_card import FACTS
from posezoo.lint.accuracy_check_yml import list_leaves
from posezoo.lint.finding import FileLocation, Place, RuleViolation, Severity
from posezoo.lint.registry_view import CARD, INDEX, ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.measured import NAME
from posezoo.spec.yaml_nodes import YamlNode

_ROW = re.compile(r"\]\(([^()\s]{1,300})/README\.md\)")
#: If more cards than this differ, and most of them, another version of posezoo drew them.
MAX_CHANGED = 3
#: The largest number of characters of a line that is repeated in full.
MAX_LINE = 80


@rule(
    "index-row",
    "index.md and device_support.md have a row for each model of their folder, or for its composite or "
    "parts, and none for another name; a page that posezoo drew has a rule of its own.",
    "a new model that index.md does not list",
)
def index_row(view: ModelView) -> Iterator[RuleViolation]:
    is_first = view is next(iter(view.zoo.models.values()))
    for path, listed in view.zoo.listed_names.items():
        if view.name in view.zoo.unlisted_names[path]:
            message = f"{path.name} has no row for {view.name}"
            yield RuleViolation(FileLocation(str(path)), message, "index", "", view.name)
        # The first model reports the rows of no model.
        others = listed.keys() - view.zoo.registry.entries.keys() if is_first else ()
        for name in sorted(others):
            message = f"{path.name} has a row for {name}, which is no model of this registry"
            yield RuleViolation(FileLocation(str(path), listed[name]), message, "index", name)


@rule(
    "index-columns",
    "A row of the index about several models has one value for all of them in each column, or one for each.",
    "[a](./a/README.md)<br>[b](./b/README.md) and three accuracies",
)
def index_columns(view: ModelView) -> Iterator[RuleViolation]:
    for row in view.zoo.index.get(view.name, ()):
        for text in row.unclear:
            message = f"the values do not fit the models or the columns: {text}"
            yield RuleViolation(FileLocation(row.file, row.line), message, "index", text)


@rule(
    "drawn-card",
    "A card and a card.json that posezoo drew state what model.yml and measured.yml state. If both differ "
    "from model.yml, it is probably model.yml that is wrong.",
    "value: 0.32, and 64.64% on the card and 0.6464 in card.json",
)
def drawn_card(view: ModelView) -> Iterator[RuleViolation]:
    drawn, severity = view.zoo.drawn_pages, _severity(view)
    card, facts = view.folder / CARD, view.folder / FACTS
    if {card, facts} <= view.zoo.changed_pages:
        yield from _wrong_declarations(view, severity)
        return
    for path in {card, facts} & view.zoo.changed_pages:
        for number, actual, expected in _changed_lines(read_text(path) or "", drawn[path]):
            yield _violation(path, number, actual, expected, severity)


@rule(
    "drawn-index",
    "An index that posezoo drew has the rows of all models, with the values of model.yml.",
    "64.46% in the index, value: 0.6464 and 64.64% on the card",
)
def drawn_index(view: ModelView) -> Iterator[RuleViolation]:
    if {view.folder / CARD, view.folder / FACTS} <= view.zoo.changed_pages:
        return  # the other rule reports model.yml
    is_first = view is next(iter(view.zoo.models.values()))
    for root in view.zoo.registry.roots:
        path = root / INDEX
        if path not in view.zoo.changed_pages:
            continue
        for number, actual, expected in _changed_lines(read_text(path) or "", view.zoo.drawn_pages[path]):
            row = _ROW.search(expected)
            if (root / row[1] == view.folder) if row else is_first:
                yield _violation(path, number, actual, expected, _severity(view))


def _violation(path: Path, number: int, line: str, drawn: str, severity: Severity | None) -> RuleViolation:
    for separator in (" | ", ", "):  # of a long line only the first part that differs
        parts = [text.strip("| ").split(separator) for text in (line, drawn)]
        if len(line) > MAX_LINE and len(parts[0]) == len(parts[1]):
            line, drawn = next(pair for pair in zip(*parts, strict=True) if pair[0] != pair[1])
    message = f"{path.name} has {line or 'nothing'}; what model.yml states makes it {drawn or 'nothing'}"
    return RuleViolation(FileLocation(str(path), number), message, path.stem, line, drawn, severity)


def _severity(view: ModelView) -> Severity | None:
    cards, changed = (
        [path for path in pages if path.name == CARD]
        for pages in (view.zoo.drawn_pages, view.zoo.changed_pages)
    )
    return Severity.WARNING if len(changed) > max(MAX_CHANGED, len(cards) // 2) else None


def _changed_lines(page: str, drawn: str) -> Iterator[tuple[int, str, str]]:
    """Number, text and expected text of each changed line; of the first one if lines are missing."""
    lines, expected_lines = page.splitlines(), drawn.splitlines()
    is_aligned = len(lines) == len(expected_lines)
    for number, (line, expected) in enumerate(zip_longest(lines, expected_lines, fillvalue=""), 1):
        if line != expected:
            yield number, line, expected
            if not is_aligned:
                return


def _wrong_declarations(view: ModelView, severity: Severity | None) -> Iterator[RuleViolation]:
    """The values of model.yml, or of measured.yml, that differ from those of card.json."""
    path = view.folder / FACTS
    try:
        stated = json.loads(read_text(path) or "")
    except (ValueError, RecursionError):
        stated = {}
    differences = [*_differences(stated, json.loads(view.zoo.drawn_pages[path]))]
    nodes: dict[str, list[YamlNode]] = {}
    for node in list_leaves(view.model_yml):
        nodes.setdefault(str(node.value).rstrip("0"), []).append(node)
    found: list[tuple[Place, str, str, str]] = []
    for key, on_card, value in differences:
        text = f"{value:.12g}" if isinstance(value, float) else str(value)
        # A value may occur several times; the keys of card.json are mostly those of model.yml.
        same = sorted(nodes.get(text.rstrip("0"), ()), key=lambda node: node.key.lower() != key)
        found += [(node, node.field_path, text, str(on_card)) for node in same[:1]]
    if not found and any(key == NAME for key, _, _ in differences):
        found = [(FileLocation(str(view.folder / NAME)), NAME, "", "other values")]
    elif not found and not view.entry.is_composite:  # the card of a composite also shows its parts
        found = [(view.location(), "model.yml", "", "other values")]
    for place, field, new, old in found:
        change = f"is {new}" if new else "has changed"
        message = f"{field} {change}; its drawn card and card.json have {old}: correct it, or draw them again"
        yield RuleViolation(place, message, field, new, old, severity)


def _differences(stated: object, drawn: object, key: str = "") -> Iterator[tuple[str, object, object]]:
    """The innermost key, the value and the drawn value of each difference; measured.yml is one key."""
    if isinstance(drawn, dict) and isinstance(stated, dict):
        for name, value in drawn.items():
            yield from _differences(stated.get(name), value, NAME if NAME in (key, f"{name}.yml") else name)
    elif isinstance(drawn, list) and isinstance(stated, list) and len(drawn) == len(stated):
        for one, other in zip(stated, drawn, strict=True):
            yield from _differences(one, other, key)
    elif stated != drawn:
        yield key, stated, drawn


RULES = defined_rules(globals())
