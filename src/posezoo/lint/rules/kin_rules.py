"""A rule that compares a model with its kin: models whose names begin with the same word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from posezoo.core.errors import SpecError
from posezoo.core.registry import registry_root
from posezoo.lint.finding import Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.lint.text_comparison import simplify
from posezoo.pages.facts import papers


@rule(unless=("papers",))
def paper_of_another(view: ModelView) -> Violations:
    """The paper belongs to the model. If only models of other families name it (a family shares
    the beginning of a name), it is wrong if the model's family names another paper, or if no such
    model has its repository or decoder. A title that begins with a name that the model states is
    always right.

    Example: the paper of RTMO in rtmdet-m, while rtmdet-nano names that of RTMDet
    """
    paper = view.spec.origin.paper
    users = view.zoo.models_by(_read_paper)[paper] if paper else []
    others = [each for each in users if each.name not in view.related_names]
    stem = first_word(view.name)
    is_of_family = any(first_word(each.name) == stem for each in others)
    if not others or is_of_family:
        return
    described: Mapping[str, papers.Paper] = {}
    with suppress(SpecError):  # another rule reports it
        described = papers.read_papers(registry_root(view.spec) / papers.NAME)
    name = simplify(described[paper].title.partition(":")[0]) if paper in described else ""
    if name and name in simplify(f"{view.spec.subdirectory} {view.spec.description}"):
        return
    kin = view.zoo.models_by(_read_stem)[stem]
    of_kin = list(dict.fromkeys(each.spec.origin.paper for each in kin if each is not view))
    is_of_kin = len(of_kin) == 1 and paper not in of_kin
    if is_of_kin or not any(_is_alike(view, each) for each in others):
        message = f"origin.paper: {paper} is the paper of {others[0].name}"
        yield view.declared("origin.paper", message, paper, ", ".join(of_kin))


def _read_paper(view: ModelView) -> Iterator[str]:
    yield view.spec.origin.paper


def first_word(name: str) -> str:
    """The beginning of a name, which models or networks of one design share: rtmpose of
    rtmpose-m.
    """
    return re.split("[-_.]", name)[0]


def _read_stem(view: ModelView) -> Iterator[str]:
    yield first_word(view.name)


def _is_alike(view: ModelView, other: ModelView) -> bool:
    """Whether two models have the same repository, or the same decoder or none."""
    decoders = [each.spec.decoder.name if each.spec.decoder else "" for each in (view, other)]
    is_same = view.spec.origin.repository == other.spec.origin.repository
    return is_same or decoders[0] == decoders[1]
