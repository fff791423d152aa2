"""What features add to the core, which names no feature: ``posezoo/__init__.py`` names their parts
for each ``Hook`` and ``LazyTable``.
"""

from __future__ import annotations

from collections.abc import Mapping

#: ``package.module:ATTRIBUTE`` by name, for each table; of the hooks, by the name of the class of
#: their defaults, for "hooks".
PARTS: dict[str, Mapping[str, str]] = {}
