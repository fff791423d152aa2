"""OpenCV without FFmpeg's own messages."""

from __future__ import annotations

import os
from types import ModuleType

from posezoo.errors import import_optional


def import_quiet_opencv() -> ModuleType:
    """The ``cv2`` package; posezoo reports problems in one line, instead of several by FFmpeg.

    Raises:
        MissingPackageError: it is not installed.
    """
    # Read once, before the first video is opened; -8 is AV_LOG_QUIET.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2 = import_optional("cv2", extra="run")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
