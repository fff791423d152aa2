"""OpenCV's videos, without what FFmpeg has to say about them."""

from __future__ import annotations

import os
from types import ModuleType

from posezoo.errors import import_optional


def import_quiet_opencv() -> ModuleType:
    """The ``cv2`` package; what goes wrong is told by us, in one line, in place of several by it.

    Raises:
        MissingPackageError: it is not installed.
    """
    # Read once, before the first video is opened; -8 is AV_LOG_QUIET.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2 = import_optional("cv2", extra="run")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
