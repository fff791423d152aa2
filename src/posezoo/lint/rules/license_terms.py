"""Rules that compare the license of model.yml with the card and with the sources of the files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from posezoo.lint.finding import RuleViolation, Severity
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.spec.model import HttpSource

_PROJECT = re.compile(
    r"https?://(?:www\.)?(?:github\.com|raw\.githubusercontent\.com|media\.githubusercontent\.com/media|gitlab\.com)"
    r"/([A-Za-z0-9_.-]{1,100})/([A-Za-z0-9_.-]{1,100})"
)


@rule(
    "license-project",
    "The license is that of a project that the card or the sources name; for a published IR, which may be "
    "licensed apart from its base, another project on the card is a warning.",
    "license: .../CSAILVision/.../LICENSE, and a card whose license is .../HRNet/.../LICENSE",
)
def license_project(view: ModelView) -> Iterator[RuleViolation]:
    spec = view.spec
    if spec is None or not (own := _project(spec.license.url)):
        return
    others, where = _projects(link.target for link in view.claims.licenses), "the card's legal section"
    if not others and not spec.is_ir:
        addresses = (source for file in spec.files for source in file.sources)
        sources = _projects(source.url for source in addresses if isinstance(source, HttpSource))
        on_card = _projects(link.target for link in view.card.links) if view.card is not None else set()
        others, where = sources | on_card if sources and on_card else set(), "the sources and the card"
    # A project that moved to another owner keeps its name.
    if others and own not in others and own.partition("/")[2] not in {o.partition("/")[2] for o in others}:
        names = ", ".join(sorted(others))
        location, severity = view.location("license"), Severity.WARNING if spec.is_ir else None
        message = f"the license is that of {own}; {where} name {names}"
        yield RuleViolation(location, message, "license", spec.license.url, names, severity)


def _projects(addresses: Iterable[str]) -> set[str]:
    return {project for address in addresses if (project := _project(address))}


def _project(address: str) -> str:
    """The project on a code host that an address belongs to, as owner/name; empty if there is none."""
    match = _PROJECT.match(address)
    return f"{match[1]}/{match[2].removesuffix('.git')}".lower() if match else ""


RULES = defined_rules(globals())
