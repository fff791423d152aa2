"""Links and paths of cards and index pages that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from posezoo.lint.finding import FileLocation, RuleViolation, Severity
from posezoo.lint.registry_view import ModelView, RegistryView
from posezoo.lint.rule import Rule
from posezoo.lint.text_comparison import is_misspelling

#: A link that this many cards have, and others nearly have, is how it is meant.
COMMON = 5


def _dead_links(view: ModelView) -> Iterator[RuleViolation]:
    """Every relative link of a card, and of an index by the model's name, leads to a file that is there.

    As far as files of its kind are here at all.
    """
    for target, location in view.link_targets():
        yield from _checked(view.zoo, view.folder, target, location)
    for page, link in view.zoo.index_links.get(view.name, ()) if view.card is not None else ():
        yield from _checked(
            view.zoo, page.parent, link.target, FileLocation(str(page), link.line, link.column)
        )


def _checked(zoo: RegistryView, folder: Path, target: str, location: FileLocation) -> Iterator[RuleViolation]:
    path = zoo.resolved(folder, target)
    if path is None or zoo.exists(path):
        return
    kind = zoo.kind_of(path)
    if zoo.was_not_copied(kind):
        counts = zoo.link_targets.get(kind, {})
        if counts.get(path, 0) < COMMON and (meant := _meant(path, counts)):
            yield RuleViolation(
                location, f"{target} leads elsewhere than links like it: to {meant}", "link", target, meant
            )
        return
    yield RuleViolation(location, f"{target} leads to nothing: there is no {path}", "link", target)


def _meant(path: str, counts: Mapping[str, int]) -> str:
    """The path of many links that another is a misspelling of; empty where there is none."""
    return next(
        (each for each, count in counts.items() if count >= COMMON and is_misspelling(path, each)), ""
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "dead-link",
        Severity.ERROR,
        "Every relative link of a card leads to a file that is there, as far as such files are here at all.",
        "[another model](../no-such-model/README.md)",
        _dead_links,
    ),
)
