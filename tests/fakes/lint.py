"""The metadata check of a registry, as the command makes it."""

from __future__ import annotations

from collections.abc import Collection

from posezoo.core.registry import Registry
from posezoo.lint.finding import Finding
from posezoo.lint.registry_view import RegistryView
from posezoo.lint.rules import check_models


def check_registry(registry: Registry, names: Collection[str] | None = None) -> list[Finding]:
    """All findings in these models and composites (None: all), by model and rule."""
    return list(check_models(RegistryView(registry).select(names)))
