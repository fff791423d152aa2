"""Whether a model's terms are among those that are allowed here; asked before anybody else is."""

from __future__ import annotations

import re
from collections.abc import Collection
from fnmatch import fnmatchcase

from posezoo.errors import LicenseError
from posezoo.spec.model import License, ModelSpec


def refuse_license(spec: ModelSpec, allowed: Collection[str]) -> None:
    """Refuse a model whose terms nobody allowed.

    Args:
        spec: the model.
        allowed: SPDX identifiers, globs of them, or addresses of licences; all terms where it is empty.

    Raises:
        LicenseError: its terms are none of these.
    """
    if not allowed or is_license_allowed(spec.license, allowed):
        return
    terms = spec.license.spdx or spec.license.url or "terms that nobody declared"
    raise LicenseError(
        f"{spec.full_name}: comes under {terms}, and allow_licenses takes only {', '.join(allowed)}",
        hint=f"posezoo info {spec.full_name} shows its terms; allow_licenses stands in posezoo.cfg",
    )


def is_license_allowed(terms: License, allowed: Collection[str]) -> bool:
    """Whether terms are allowed: all that AND joins, one of those that OR joins (SPDX 2.3, annex D.4).

    >>> is_license_allowed(License("MIT AND Apache-2.0"), ["MIT"])
    False
    >>> is_license_allowed(License("MIT OR GPL-3.0-only"), ["mit"])
    True
    """
    if not terms.spdx:
        return bool(terms.url) and _is_named(terms.url, allowed)
    if "(" in terms.spdx:  # no model that we know says anything so involved: then all of it must be named
        return _is_named(terms.spdx, allowed)
    # AND binds closer than OR.
    return any(
        all(_is_named(each, allowed) for each in re.split(r"\s+AND\s+", choice))
        for choice in re.split(r"\s+OR\s+", terms.spdx)
    )


def _is_named(word: str, allowed: Collection[str]) -> bool:
    return any(fnmatchcase(word.strip().lower(), each.lower()) for each in allowed)
