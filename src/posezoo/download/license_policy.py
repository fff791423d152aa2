"""Check that the settings allow a model's license, before any server is asked."""

from __future__ import annotations

import re
from collections.abc import Collection
from fnmatch import fnmatchcase

from posezoo.errors import LicenseError
from posezoo.spec.model import License, ModelSpec


def refuse_license(spec: ModelSpec, allowed: Collection[str]) -> None:
    """Refuse a model whose license is not allowed.

    Args:
        allowed: SPDX identifiers, glob patterns for them, or URLs of licenses; empty allows all.

    Raises:
        LicenseError: its license is not one of these.
    """
    if not allowed or is_license_allowed(spec.license, allowed):
        return
    terms = spec.license.spdx or spec.license.url or "an undeclared license"
    raise LicenseError(
        f"{spec.full_name}: its license is {terms}, but allow_licenses permits only {', '.join(allowed)}",
        hint=f"posezoo info {spec.full_name} shows its license; allow_licenses is set in posezoo.cfg",
    )


def is_license_allowed(terms: License, allowed: Collection[str]) -> bool:
    """Whether a license is allowed: AND needs all its parts, OR needs one part (SPDX 2.3, annex D.4).

    >>> is_license_allowed(License("MIT AND Apache-2.0"), ["MIT"])
    False
    >>> is_license_allowed(License("MIT OR GPL-3.0-only"), ["mit"])
    True
    """
    if not terms.spdx:
        return bool(terms.url) and _is_named(terms.url, allowed)
    if "(" in terms.spdx:  # no known model has one, so only the whole expression is compared
        return _is_named(terms.spdx, allowed)
    # AND has a higher precedence than OR.
    return any(
        all(_is_named(part, allowed) for part in re.split(r"\s+AND\s+", choice))
        for choice in re.split(r"\s+OR\s+", terms.spdx)
    )


def _is_named(word: str, allowed: Collection[str]) -> bool:
    return any(fnmatchcase(word.strip().lower(), pattern.lower()) for pattern in allowed)
