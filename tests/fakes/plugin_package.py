"""An installed package that adds one part to posezoo by an entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posezoo import plugins


@contextmanager
def plugin_package(folder: Path, entry_point: str, **modules: str) -> Iterator[None]:
    """Install a package in a folder as long as this lasts.

    Args:
        folder: where it is installed.
        entry_point: its group, name and value: ``posezoo.networks: tiny = module:ATTRIBUTE``.
        modules: the code of each module.
    """
    group, _, line = entry_point.partition(": ")
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code)
    info = folder / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{line}\n")
    sys.path.insert(0, str(folder))
    plugins.installed.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        plugins.installed.cache_clear()
        for name in modules:
            sys.modules.pop(name, None)
