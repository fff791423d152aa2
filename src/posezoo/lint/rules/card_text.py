"""Rules on the text of a card: headings, and names and sizes that were copied from another card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches

from posezoo.lint.card_claims import read_blocks
from posezoo.lint.finding import RuleViolation, Severity, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.lint.text_comparison import find_intended

#: A heading on at least this many cards is correct, and one with almost the same spelling is a
#: mistake.
COMMON = 5
#: A name with at least three parts, not in an address or a path.
_NAME = re.compile(r"(?<![\w./:-])[A-Za-z][\w.]{0,40}(?:-[A-Za-z0-9][\w.]{0,40}){2,12}(?![\w/:-])")
_RANGE = re.compile(r"(\[\s*[01]\s*,\s*[0-9]{2,5}\s*\])")
_CATEGORIES = re.compile(r"\b([0-9]{2,5}) (?:categories|classes)\b")
_LABELS = re.compile(r"\b[a-z0-9]+_([0-9]{2,5})cl(_bkgr)?\.txt")


@rule()
def misspelt_heading(view: ModelView) -> Violations:
    """A heading of a card is spelled as on the other cards: links and tools find sections by their
    headings.

    Example: ### Original mode
    """
    cards = view.zoo.group(_read_headings)
    common = [title for title, names in cards.items() if len(names) >= COMMON]
    for section in view.own_sections:
        title = _normalize_heading(section.title)
        if section.level > 1 and title not in common and (intended := find_intended(title, common)):
            message = f"the heading is {section.title}: did you mean {intended}?"
            yield RuleViolation(
                view.card_line(section.line), message, "card", section.title, intended
            )


def _normalize_heading(title: str) -> str:
    """A heading in lower case, with spaces for hyphens, and in the singular: tools read both
    forms.
    """
    return title.lower().replace("-", " ").rstrip("s:")


def _read_headings(view: ModelView) -> Iterator[tuple[str, str]]:
    """The different headings of the model's own card."""
    titles = dict.fromkeys(_normalize_heading(section.title) for section in view.own_sections)
    return ((title, view.name) for title in titles)


@rule()
def another_name(view: ModelView) -> Violations:
    """A card names models that exist: a name that is almost its own was copied or has a slip.

    Example: the output for `octave-resnext-50-0.125` on the card of octave-resnext-50-0.25
    """
    names = view.zoo.registry.entries
    own = [view.name, *view.parts]
    matches = ((number, match) for number, line in view.own_lines for match in _NAME.finditer(line))
    for number, match in matches:
        name = match[0].rstrip(".")
        # The name of an architecture may be the beginning of the model's name.
        is_file = re.search(r"\.[a-z]", name) is not None
        if is_file or name in names or any(each.startswith(name) for each in own):
            continue
        if similar := get_close_matches(name, own, 1, cutoff=0.85):
            message = f"{name}, which is almost {similar[0]}, is no model of this registry"
            yield RuleViolation(
                view.card_line(number, match.start() + 1), message, "card", name, similar[0]
            )


@rule()
def label_range(view: ModelView) -> Violations:
    """The range of class IDs on a card fits the number of categories in the text and of labels in
    the named file; a range from 1 for a file without a label for the background is only a warning.

    Example: classes in range [1, 81], a version with 80 categories of objects, 0 class is for
    background
    """
    for block in (block for section in view.own_sections for block in read_blocks(section)):
        labels, categories = _LABELS.search(block.text), _CATEGORIES.search(block.text)
        for found in block.find_all(_RANGE, str):
            low, high = (int(number) for number in re.findall("[0-9]+", found.text))
            count, reason, severity = high - low + 1, "", None
            if categories is not None and int(categories[1]) not in (count, high):
                reason = categories[0]
            elif labels is not None and int(labels[1]) != count:
                reason = f"the labels in {labels[0]}"
            elif labels is not None and bool(labels[2]) != (low == 1):
                reason, severity = f"the first label in {labels[0]}", Severity.WARNING
            if reason:
                message = f"the class IDs {found.text} do not fit {reason}"
                yield replace(view.quote(found, message, "classes", reason), severity=severity)


RULES = defined_rules(globals())
