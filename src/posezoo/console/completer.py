"""What a feature completes on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from posezoo.core.values import frozen


@frozen
class Completer:
    """What TAB offers for one kind of argument."""

    complete: Callable[[str], Iterable[str]]  # gets the beginning that the user typed

    def __call__(self, prefix: str, **_: object) -> Iterable[str]:
        """What argcomplete calls."""
        return self.complete(prefix)
