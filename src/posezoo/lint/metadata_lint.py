"""Check the metadata of a registry with lint rules: model.yml, cards, accuracy-check.yml and index pages.

A single model.yml is checked when it is read; the rules find what shows only if two places are compared. They
need no weights and no network, and hostile texts do not make them slow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

from posezoo.lint.finding import Finding, create_finding
from posezoo.lint.registry_view import RegistryView
from posezoo.lint.rules import load_rules
from posezoo.registry import Registry

#: The most findings of one rule in one model: a hostile card must not fill the screen.
MAX_FINDINGS = 50


def check_registry(
    registry: Registry, names: Collection[str] | None = None, *, alone: bool = False
) -> Iterator[Finding]:
    """Every finding in these models and composites, by model and rule.

    Args:
        registry: what is checked.
        names: of models and composites in the registry; all if None.
        alone: compare these with each other only, which is faster, and not with all others.

    Raises:
        MissingPackageError: markdown-it-py is not installed.
        PluginError: see ``load_rules``.
    """
    view = RegistryView(registry, names if alone else None)
    for name, model in view.models.items():
        if names is None or name in names:
            for rule in load_rules().values():
                for violation in islice(rule.find(model), MAX_FINDINGS):
                    yield create_finding(rule.id, rule.severity, name, violation)
