"""Modules that are imported when a test first uses them, so that collecting the tests does not import them.

PyTorch takes 160 MiB and more than a second in each worker, also in those that run no test of it; signatures and stores
take 60 MiB.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest


class _Module:
    """A module by its name: its attributes are those of the module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        # pytest looks at each name of a test module for fixtures, marks and what a decorator wrapped.
        if attribute.startswith(("_", "pytest")):
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)


def import_when_used(name: str) -> Any:
    """A module; the tests that ask for it are skipped if its package is not installed."""
    require_installed(name.partition(".")[0])
    return _Module(name)


def require_installed(*packages: str) -> None:
    """Skip the tests of a file if one of these packages is not installed; none is imported."""
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"needs {package}", allow_module_level=True)


def needs(package: str) -> Any:
    """A package; the test is skipped if it is not installed."""
    return pytest.importorskip(package, reason=f"needs {package}")
