"""Does a registry hold together? Rules over model.yml, cards, accuracy-check.yml and index pages.

What a single model.yml may say is checked as it is read; here is what only shows when two places are held
against each other. No weights are needed, no network, and nothing that strangers wrote takes long.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from posezoo.lint.finding import Finding, create_finding
from posezoo.lint.registry_view import RegistryView
from posezoo.lint.rules import RULES
from posezoo.registry import Registry

#: The most findings of one rule in one model: a hostile card has no more of them than can be read.
MOST = 50


def check_registry(
    registry: Registry, names: Collection[str] | None = None, *, alone: bool = False
) -> Iterator[Finding]:
    """Every finding in these models and composites, by model and rule; in all where ``names`` is None.

    Args:
        registry: what is checked.
        names: of models and composites that are in the registry.
        alone: whether these are held against each other only, which is quicker, and not against all others.
    """
    zoo = RegistryView(registry, names if alone else None)
    for name, view in zoo.models.items():
        if names is None or name in names:
            for rule in RULES.values():
                for count, found in enumerate(rule.find(view)):
                    if count == MOST:
                        break
                    yield create_finding(rule.id, rule.severity, name, found)
