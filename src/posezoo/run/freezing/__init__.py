"""What PyInstaller must add to a program that imports posezoo, found by the entry point
``pyinstaller40``.
"""

from __future__ import annotations

from pathlib import Path


def hook_dirs() -> list[str]:
    """The folders of the hooks."""
    return [str(Path(__file__).parent)]
