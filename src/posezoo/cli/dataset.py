"""posezoo dataset: sets of images with annotated people."""

from __future__ import annotations

from pathlib import Path

from posezoo.settings import user_folder


def home_of(name: str) -> Path:
    """Where a data set lies unless somebody says otherwise."""
    return user_folder("cache") / "datasets" / name
