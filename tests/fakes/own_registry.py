"""posezoo's own registry, read once: several files of tests take their cases from it when they are collected."""

from __future__ import annotations

from functools import cache

from posezoo.core.registry import Registry, open_registry


@cache
def own_registry() -> Registry:
    """The registry of the package."""
    return open_registry()
