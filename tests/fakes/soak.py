"""Cases that only `make soak` tests, before a release: cases like them are tested each time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import pytest


def soak(*case: object, id: str | None = None) -> Any:
    """A case of pytest.mark.parametrize."""
    return pytest.param(*case, marks=pytest.mark.soak, id=id)


def soak_repeated(cases: Iterable[Any], kind: Callable[..., Hashable]) -> list[Any]:
    """The cases, each a pytest.param, of which the first of each kind is tested each time.

    Args:
        kind: gets the values of a case.
    """
    seen: set[Hashable] = set()
    chosen = []
    for case in cases:
        its = kind(*case.values)
        chosen.append(soak(*case.values, id=case.id) if its in seen else case)
        seen.add(its)
    return chosen
