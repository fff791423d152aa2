"""Checks license identifiers against SPDX (https://spdx.org/licenses/), suggests the right one, and
recognizes usual license texts.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

#: The usual licenses of models, data sets and code, which a hint may propose.
COMMON = (
    "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0",
    "CC-BY-SA-4.0", "CC0-1.0", "CDLA-Permissive-2.0", "EPL-2.0", "GPL-2.0-only", "GPL-2.0-or-later",
    "GPL-3.0-only", "GPL-3.0-or-later", "ISC", "LGPL-2.1-only", "LGPL-2.1-or-later",
    "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MPL-2.0", "ODbL-1.0", "Unlicense", "Zlib",
)  # fmt: skip

_GNU = "GENERAL PUBLIC LICENSE Version"
_CC = "Creative Commons Attribution"
_BSD = "Redistribution and use in source and binary forms, with or without modification"
#: Words that occur only in license texts.
PHRASES = {
    "Apache-2.0": "Apache License Version 2.0",
    "MIT": "Permission is hereby granted, free of charge, to any person obtaining a copy",
    "BSD-2-Clause": _BSD,
    "BSD-3-Clause": "endorse or promote products derived from",
    "BSL-1.0": "Boost Software License - Version 1.0",
    "CC-BY-4.0": f"{_CC} 4.0 International",
    "CC-BY-NC-4.0": f"{_CC}-NonCommercial 4.0 International",
    "CC-BY-NC-ND-4.0": f"{_CC}-NonCommercial-NoDerivatives 4.0 International",
    "CC-BY-NC-SA-4.0": f"{_CC}-NonCommercial-ShareAlike 4.0 International",
    "CC-BY-ND-4.0": f"{_CC}-NoDerivatives 4.0 International",
    "CC-BY-SA-4.0": f"{_CC}-ShareAlike 4.0 International",
    "CC0-1.0": "CC0 1.0 Universal",
    "GPL-2.0": f"GNU {_GNU} 2",
    "GPL-3.0": f"GNU {_GNU} 3",
    "AGPL-3.0": f"GNU AFFERO {_GNU} 3",
    "LGPL-2.1": f"GNU LESSER {_GNU} 2.1",
    "LGPL-3.0": f"GNU LESSER {_GNU} 3",
    "MPL-2.0": "Mozilla Public License Version 2.0",
    "Unlicense": "This is free and unencumbered software released into the public domain",
}
#: What an identifier has after its name in ``PHRASES``.
GNU_SUFFIX = re.compile(r"(?<=GPL-\d\.\d)(?:-only|-or-later|\+)$")


def find_other_license(identifier: str, text: str) -> str:
    """The license whose text this is, if not the named one: ``Apache-2.0``; empty if it may be
    right.
    """
    expected = GNU_SUFFIX.sub("", identifier)
    plain = " ".join(text.split())
    names = [name for name, phrase in sorted(PHRASES.items()) if phrase in plain]
    if "BSD-3-Clause" in names:  # it has all sentences of the one with two clauses
        names = [name for name in names if name != "BSD-2-Clause"]
    # Only a license without a phrase of its own may have the text of one with the same first word.
    first_words = [name.split("-")[0] for name in names]
    is_right = expected.split("-")[0] in first_words
    if expected in PHRASES:
        is_right = expected in names
    return "" if is_right else " or ".join(names)


def is_license(identifier: str) -> bool:
    """Whether SPDX lists the identifier, or it is a LicenseRef for other terms (SPDX 2.3, annex
    D.2).
    """
    return identifier.startswith("LicenseRef-") or _canonical(identifier) == identifier


def suggest_license(identifier: str) -> str:
    """A hint: the identifier to write instead of an invalid one.

    >>> suggest_license("apache2")
    'did you mean Apache-2.0? LicenseRef-NAME stands for terms that SPDX does not list'
    """
    by_lower_case = {name.lower(): name for name in COMMON}
    nearest = get_close_matches(identifier.lower(), by_lower_case, n=1)
    proposed = _canonical(identifier) or (by_lower_case[nearest[0]] if nearest else "")
    hint = f"did you mean {proposed}? " if proposed else ""
    return f"{hint}LicenseRef-NAME stands for terms that SPDX does not list"


def _canonical(identifier: str) -> str:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(identifier)
    except InvalidLicenseExpression:
        return ""
