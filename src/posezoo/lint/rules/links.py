"""Rules on the links of cards and index pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from posezoo.lint.finding import FileLocation, RuleViolation
from posezoo.lint.registry_links import RegistryLinks
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.lint.text_comparison import is_misspelling

#: A link that this many cards have is right; one that is spelt nearly like it is a mistake.
COMMON = 5


@rule(
    "dead-link",
    "Every relative link of a card leads to an existing file, if files of that kind are in this copy at all.",
    "[another model](../no-such-model/README.md)",
)
def dead_link(view: ModelView) -> Iterator[RuleViolation]:
    for target, location in view.link_targets():
        yield from _check_link(view.zoo.links, view.folder, target, location)
    for page, link in view.zoo.index_links.get(view.name, ()) if view.card is not None else ():
        location = FileLocation(str(page), link.line, link.column)
        yield from _check_link(view.zoo.links, page.parent, link.target, location)


def _check_link(
    links: RegistryLinks, folder: Path, target: str, location: FileLocation
) -> Iterator[RuleViolation]:
    path = links.resolve(folder, target)
    if path is None or links.exists(path):
        return
    kind = links.kind(path)
    if not links.was_not_copied(kind):
        yield RuleViolation(location, f"{target} leads to {path}, which does not exist", "link", target)
        return
    counts: Mapping[str, int] = links.counts.get(kind, {})
    if counts.get(path, 0) < COMMON and (common := _common_spelling(path, counts)):
        message = f"{target} leads elsewhere than links like it: they lead to {common}"
        yield RuleViolation(location, message, "link", target, common)


def _common_spelling(path: str, counts: Mapping[str, int]) -> str:
    """The path of many links that this one is a misspelling of; empty if there is none."""
    common = (other for other, count in counts.items() if count >= COMMON)
    return next((other for other in common if is_misspelling(path, other)), "")


RULES = defined_rules(globals())
