"""The options that OpenCV hands to FFmpeg when it opens a video."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# name;value|name;value
_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


@contextmanager
def ffmpeg_options(**options: str) -> Iterator[None]:
    """Add options for what is opened here; those that the user's variable names stay."""
    of_user = os.environ.get(_VARIABLE)
    items = [of_user] if of_user else []
    names = {item.partition(";")[0] for item in (of_user or "").split("|")}
    items += [f"{name};{value}" for name, value in options.items() if name not in names]
    os.environ[_VARIABLE] = "|".join(items)
    try:
        yield
    finally:
        del os.environ[_VARIABLE]
        if of_user is not None:
            os.environ[_VARIABLE] = of_user
