"""The rules, one module a family: each has a table of its own, and here they are one."""

from __future__ import annotations

from posezoo.verify.rule import Rule
from posezoo.verify.rules import (
    converter,
    evaluation,
    figures,
    house,
    licences,
    links,
    overview,
    ports,
    preprocessing,
    sources,
    texts,
)

_FAMILIES = (
    sources, converter, house, ports, preprocessing, evaluation, figures, overview, licences, links, texts,
)  # fmt: skip

RULES: dict[str, Rule] = {rule.id: rule for family in _FAMILIES for rule in family.RULES}
