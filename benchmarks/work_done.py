"""Ends a benchmark that does not do its work: a detector that finds nobody is fast.

It imports nothing, because programs of other environments import it, too.
"""


def require_found(case: str, found: float, least: float = 1) -> None:
    """End the program with exit code 1 if a case found fewer than it shows."""
    if found < least:
        raise SystemExit(f"{case}: found {found:g} of at least {least:g}: it is not measured")
