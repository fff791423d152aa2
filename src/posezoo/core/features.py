"""What the features of posezoo add to the core, which names no feature.

``posezoo/__init__.py`` names their parts, before any module of the core asks for one. Each
``Hook``, and each ``LazyTable`` to which features add, is a place that asks for some.
"""

from __future__ import annotations

from collections.abc import Mapping

#: ``package.module:ATTRIBUTE`` by name, for each table; of the hooks, by the name of the class of
#: their defaults, for "hooks".
PARTS: dict[str, Mapping[str, str]] = {}
