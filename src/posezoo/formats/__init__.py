"""Formats of published models: one module or folder each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.convert.formats import FORMATS
from posezoo.core.regular_files import open_regular

if TYPE_CHECKING:
    from posezoo.core.arrays import Array


def list_endings() -> dict[str, str]:
    """The framework of a file to convert, by the ending of its name in lower case.

    Raises:
        PluginError: a plug-in cannot be imported.
    """
    endings: dict[str, str] = {}
    for framework, model_format in FORMATS.items():
        endings |= dict.fromkeys(model_format.endings, framework)
    return endings


def find_framework(file_name: str) -> str:
    """The framework of a file to convert; empty if the ending of its name does not show it.

    Raises:
        PluginError: a plug-in cannot be imported.
    """
    endings = list_endings()
    matching = [each for each in endings if file_name.lower().endswith(each)]
    return endings[max(matching, key=len)] if matching else ""


def read_array(path: Path, start: int, end: int, dtype: str, shape: Sequence[int]) -> list[Array]:
    """The array that a part of a file contains; none if it does not fit its shape."""
    import numpy as np

    if end - start != math.prod(shape) * np.dtype(dtype).itemsize:
        return []
    with open_regular(path) as stream:
        return [np.fromfile(stream, dtype, math.prod(shape), offset=start).reshape(shape)]
