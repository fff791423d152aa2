"""Reads the text files that describe a network: .prototxt, .cfg, and pipeline.config of the Object
Detection API.
"""

from __future__ import annotations

import io
from pathlib import Path

from posezoo.core.errors import ConversionError
from posezoo.core.regular_files import read_regular_bytes

#: The largest tensor of a network, in values; the largest one of YOLOv4 has 12 million.
MAX_VALUES = 1 << 28


def read_layers_text(path: Path, suffix: str, max_bytes: int, *, hint: str = "") -> str:
    """The text of a file of at most ``max_bytes``; errors name the ``suffix``, with the ``hint``.

    Raises:
        ConversionError: the file does not exist, is larger, or is not UTF-8.
    """
    if not path.is_file():
        problem = f"{path}: does not exist"
        raise ConversionError(problem, hint="the network cannot be read without it")
    size = path.stat().st_size
    if size > max_bytes:
        raise ConversionError(f"{path}: has {size} bytes, more than a network's layers need")
    try:
        text = read_regular_bytes(path).decode("utf-8-sig")
        return io.StringIO(text, newline=None).read()
    except UnicodeDecodeError as error:
        problem = f"{path}: is not text, so it cannot be a {suffix}"
        raise ConversionError(problem, hint=hint) from error
