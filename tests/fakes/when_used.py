"""Modules that are imported when a test first uses them, so that collecting the tests does not import them.

PyTorch takes 160 MiB and more than a second in each worker, also in those that run no test of it; signatures and stores
take 60 MiB.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
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


def compile_grammars_when_used() -> None:
    """jsonschema imports a package that compiles 38 grammars of addresses, for 1.7 s, which most tests do not need."""
    name = "rfc3987_syntax"
    if name in sys.modules or find_spec(name) is None:
        return

    def is_valid_syntax(*arguments: Any) -> bool:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        valid: bool = import_module(name).is_valid_syntax(*arguments)
        return valid

    stand_in = ModuleType(name)
    vars(stand_in)["is_valid_syntax"] = is_valid_syntax
    sys.modules[name] = stand_in


def require_installed(*packages: str) -> None:
    """Skip the tests of a file if one of these packages is not installed; none is imported."""
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"needs {package}", allow_module_level=True)
