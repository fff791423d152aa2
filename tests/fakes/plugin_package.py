"""An installed package that adds parts to posezoo by entry points."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posezoo.core import plugins


@contextmanager
def plugin_package(
    folder: Path, *entry_points: str, name: str = "tiny", **modules: str
) -> Iterator[None]:
    """Install a package in a folder as long as this lasts.

    Args:
        folder: where it is installed.
        entry_points: the group, name and value of each: ``posezoo.networks: tiny = module:ATTRIBUTE``.
        name: the name of the package.
        modules: the code of each module.
    """
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    sections = [entry_point.split(": ", 1) for entry_point in entry_points]
    groups = {group: [line for each, line in sections if each == group] for group, _ in sections}
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{line}\n" for line in lines)
            for group, lines in groups.items()
        )
    )
    sys.path.insert(0, str(folder))
    plugins.installed.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        plugins.installed.cache_clear()
        for module in modules:
            sys.modules.pop(module, None)
