"""Licences: model.yml against the card, the sources and the text that is handed on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from posezoo.lint.finding import RuleViolation, Severity
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import Rule
from posezoo.spec.model import HttpSource

_PROJECT = re.compile(
    r"https?://(?:www\.)?(?:github\.com|raw\.githubusercontent\.com|media\.githubusercontent\.com/media|gitlab\.com)"
    r"/([A-Za-z0-9_.-]{1,100})/([A-Za-z0-9_.-]{1,100})"
)


def code_host_project(address: str) -> str:
    """The project that an address of a code host belongs to, as owner/name; empty where it is none."""
    match = _PROJECT.match(address)
    return f"{match[1]}/{match[2].removesuffix('.git')}".lower() if match else ""


def _license_project(view: ModelView) -> Iterator[RuleViolation]:
    if view.spec is not None and not view.spec.is_ir:
        yield from _another_project(view)


def _base_license(view: ModelView) -> Iterator[RuleViolation]:
    if view.spec is not None and view.spec.is_ir:
        yield from _another_project(view)


def _another_project(view: ModelView) -> Iterator[RuleViolation]:
    """The licence is that of a project which the card or the sources name."""
    spec = view.spec
    if spec is None or not (own := code_host_project(spec.license.url)):
        return
    legal = _projects(link.target for link in view.claims.licenses)
    if legal:
        if not _is_in(own, legal):
            yield _found(view, own, legal, "the card's legal section")
        return
    sources = _projects(
        source.url for file in spec.files for source in file.sources if isinstance(source, HttpSource)
    )
    card = _projects(link.target for link in view.card.links) if view.card is not None else set()
    if sources and card and not _is_in(own, sources | card) and not spec.is_ir:
        yield _found(view, own, sources | card, "the sources and the card")


def _found(view: ModelView, own: str, others: set[str], where: str) -> RuleViolation:
    spec = view.spec
    return RuleViolation(
        view.location("license"),
        f"the licence is that of {own}; {where} name {', '.join(sorted(others))}",
        "license",
        spec.license.url if spec is not None else "",
        ", ".join(sorted(others)),
    )


def _projects(addresses: Iterator[str]) -> set[str]:
    return {project for address in addresses if (project := code_host_project(address))}


def _is_in(own: str, others: set[str]) -> bool:
    """Whether a project is among others; one that moved keeps its name."""
    return own in others or own.partition("/")[2] in {other.partition("/")[2] for other in others}


RULES: tuple[Rule, ...] = (
    Rule(
        "license-project",
        Severity.ERROR,
        "The licence is that of the project that the card and the sources name.",
        "license: .../CSAILVision/.../LICENSE, and a card whose licence is .../HRNet/.../LICENSE",
        _license_project,
    ),
    Rule(
        "license-base",
        Severity.WARNING,
        "A published IR and its card name the licence of one project.",
        "license: .../open_model_zoo/.../LICENSE, and a card whose licence is .../transformers/.../LICENSE",
        _base_license,
    ),
)
