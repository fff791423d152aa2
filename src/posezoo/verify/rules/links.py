"""Links and paths of cards and index pages that lead nowhere."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from posezoo.verify.finding import Found, Place, Rule, Severity
from posezoo.verify.texts import is_misspelt
from posezoo.verify.view import ModelView, RegistryView

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}:|//|#|@")
_ROOTED = re.compile(r"<omz_dir>/([A-Za-z0-9_./-]{1,300})")
#: A link that this many cards have, and others nearly have, is how it is meant.
COMMON = 5


def _dead_links(view: ModelView) -> Iterator[Found]:
    """Every relative link of a card, and of an index by the model's name, leads to a file that is there.

    As far as files of its kind are here at all.
    """
    for target, place in _targets(view):
        yield from _checked(view.zoo, view.folder, target, place)
    for page, link in view.zoo.index_links.get(view.name, ()) if view.card is not None else ():
        yield from _checked(view.zoo, page.parent, link.target, Place(str(page), link.line, link.column))


def _checked(zoo: RegistryView, folder: Path, target: str, place: Place) -> Iterator[Found]:
    path = resolved(zoo, folder, target)
    if path is None or zoo.exists(path):
        return
    kind = kind_of(zoo, path)
    if zoo.is_elsewhere(kind):
        counts = zoo.targets.get(kind, {})
        if counts.get(path, 0) < COMMON and (meant := _meant(path, counts)):
            yield Found(
                place, f"{target} leads elsewhere than links like it: to {meant}", "link", target, meant
            )
        return
    yield Found(place, f"{target} leads to nothing: there is no {path}", "link", target)


def _meant(path: str, counts: Mapping[str, int]) -> str:
    """The path of many links that another is a misspelling of; empty where there is none."""
    return next((each for each, count in counts.items() if count >= COMMON and is_misspelt(path, each)), "")


def resolved(zoo: RegistryView, folder: Path, target: str) -> str | None:
    """The path that a relative link leads to; None of any other."""
    target = target.partition("#")[0].partition("?")[0]
    if not target or _SCHEME.match(target) or "\x00" in target:
        return None
    if target.startswith("/"):
        return os.path.normpath(f"{zoo.root_of(folder).parent}{target}")
    return os.path.normpath(f"{folder}/{target}")


def kind_of(zoo: RegistryView, path: str) -> str:
    """What files are copied together: the cards, all else beside them, or what lies beside the models."""
    for root in zoo.registry.roots:
        above = str(root.parent)
        if path.startswith(f"{root}{os.sep}"):
            return "cards" if path.endswith(".md") else "files"
        if path.startswith(f"{above}{os.sep}"):
            top = path[len(above) + 1 :].partition(os.sep)[0]
            return top if zoo.exists(f"{above}/{top}") else "beside"
    return "outside"


def all_targets(zoo: RegistryView) -> dict[str, dict[str, int]]:
    """Where the relative links of all cards lead, by kind, each with how often."""
    found: dict[str, dict[str, int]] = {}
    for view in zoo.models.values():
        for target, _ in _targets(view):
            if (path := resolved(zoo, view.folder, target)) is not None:
                counts = found.setdefault(kind_of(zoo, path), {})
                counts[path] = counts.get(path, 0) + 1
    return found


def _targets(view: ModelView) -> Iterator[tuple[str, Place]]:
    """Every link of a card, and every path that it names from the top of the checkout."""
    if view.card is None or not view.has_own_card:
        return
    for link in view.card.links:
        yield link.target, Place(str(view.card_path), link.line, link.column)
    for section in view.card.sections:
        for number, line in section.prose:
            for match in _ROOTED.finditer(line) if "<omz_dir>/" in line else ():
                yield "/" + match[1].rstrip("."), Place(str(view.card_path), number, match.start() + 1)


RULES: tuple[Rule, ...] = (
    Rule(
        "dead-link",
        Severity.ERROR,
        "Every relative link of a card leads to a file that is there, as far as such files are here at all.",
        "[another model](../no-such-model/README.md)",
        _dead_links,
    ),
)
