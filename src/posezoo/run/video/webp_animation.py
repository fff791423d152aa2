"""The frames of an animated WebP (RFC 9649), which FFmpeg does not read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from posezoo.core.errors import ImageError
from posezoo.run import images
from posezoo.run.images import Image
from posezoo.run.video.ffmpeg import import_quiet_opencv

# OpenCV decodes several frames at once, from the first one on each time; in bytes of their pixels.
_MAX_BYTES = 256 << 20


def read_webp_durations(path: Path) -> list[float]:
    """For how many seconds each frame is shown.

    Raises:
        ImageError: the file cannot be read, or is damaged.
    """
    _, data = images.read_encoded(path)
    durations = []
    place = 12
    while place + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, place + 4)
        if data[place : place + 4] == b"ANMF":
            milliseconds = int.from_bytes(data[place + 20 : place + 23], "little")
            durations.append(milliseconds / 1000)
        place += 8 + size + size % 2
    if not durations:
        raise ImageError(f"{path}: the image is damaged: it has no frames")
    return durations


def read_webp_frames(path: Path) -> Iterator[Image]:
    """Each frame as (height, width, 3) uint8 BGR.

    Raises:
        ImageError: the file cannot be read, or OpenCV is older than 4.11, which reads one frame.
    """
    cv2 = import_quiet_opencv()
    if not hasattr(cv2, "imdecodeanimation"):
        raise ImageError(
            f"{path}: is an animated WebP, which OpenCV {cv2.__version__} does not read",
            hint="OpenCV 4.11 or later reads it; or make a video: ffmpeg, from the same images",
        )
    header, data = images.read_encoded(path)
    most = max(1, _MAX_BYTES // (4 * header.width * header.height))
    # OpenCV takes the file for incomplete if its bytes are a column.
    row = np.frombuffer(data, np.uint8).reshape(1, -1)
    for start in count(0, most):
        is_read, animation = cv2.imdecodeanimation(row, start=start, count=most)
        yield from map(images.to_bgr, animation.frames)
        if not is_read or len(animation.frames) < most:
            return
