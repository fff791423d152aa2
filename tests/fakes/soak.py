"""Cases that only `make soak` tests, before a release: cases like them are tested each time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest


def soak(*case: object) -> Any:
    """A case of pytest.mark.parametrize."""
    return pytest.param(*case, marks=pytest.mark.soak)


def soak_most(cases: Iterable[tuple[object, ...]], every: int) -> Iterator[Any]:
    """The cases, of which each ``every``-th is tested each time."""
    for place, case in enumerate(cases):
        yield case if place % every == 0 else soak(*case)
