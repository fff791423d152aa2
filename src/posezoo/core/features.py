"""What the features of posezoo add to the core.

The core names no feature. ``posezoo/__init__.py`` fills ``PARTS`` before any module of the core is
imported, and the core finds a part by the name of its table or hook.
"""

from __future__ import annotations

from collections.abc import Mapping

#: ``package.module:ATTRIBUTE`` by name, for each table of parts and for the hooks.
PARTS: dict[str, Mapping[str, str]] = {}
