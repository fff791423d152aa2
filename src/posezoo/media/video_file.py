"""What a video file says of its frames, and when they are shown; OpenCV decodes animated WebP
(RFC 9649), which FFmpeg does not read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from math import ceil
from pathlib import Path

import numpy as np

from posezoo.core.errors import ImageError, MissingPackageError
from posezoo.media import images
from posezoo.media.ffmpeg import import_av, import_quiet_opencv, open_media
from posezoo.media.frames import USUAL_FPS
from posezoo.media.images import Image
from posezoo.media.media_boxes import Film, Turn, read_film_boxes, turn_by_matrix

# The times of equally distant frames are rounded, so they may be off by this share of their step,
# but not by more seconds than anybody sees: half a frame at 25 a second.
_TOLERATED_DRIFT = 0.6
_TOLERATED_DRIFT_S = 0.02

# OpenCV rounds the rate of a drawn video to thousandths. Frames that follow each other more slowly
# are repeated in it.
_LEAST_STATED_FPS = 0.1
_MOST_STATED_FPS = 1000.0

# Frames that follow each other faster are rare, or damage.
_SHORT_STEPS = 0.05

#: The highest rate of a drawn video that repeats frames, unless its file states a higher one.
MAX_EVEN_FPS = 120.0

# A drawn video has at most this many frames, or ten times as many as its source.
_MAX_FRAMES = 100_000
_MAX_REPEATS = 10

# OpenCV decodes several frames at once, from the first one on each time; in bytes of their pixels.
_MAX_BYTES = 256 << 20


def describe_film(path: Path) -> Film:
    """What PyAV says, which decodes the first frame; without PyAV, what the boxes of an MP4 say. Of
    a file that is not read, nothing is known.
    """
    try:
        av = import_av()
    except MissingPackageError:
        return read_film_boxes(path)
    # A playlist may name addresses.
    options = {"protocol_whitelist": "file"}
    try:
        with open_media(
            path, av.open, container_options=options, metadata_errors="replace"
        ) as container:
            stream = container.streams.video[0]
            frame = next(container.decode(stream))
            matrix = frame.side_data.get("DISPLAYMATRIX")
            form = container.format
            is_raw = bool(form.flags & av.format.Flags.no_timestamps.value)
            # Other formats have no edit lists, and FFmpeg estimates how long they last.
            has_duration = "mp4" in form.name and stream.duration
            return Film(
                turn_by_matrix(struct.unpack_from("=5i", matrix)) if matrix else Turn(),
                float(stream.duration * stream.time_base) if has_duration else None,
                is_interlaced=frame.interlaced_frame,
                has_times=not (is_raw or form.name.endswith("_pipe")),
            )
    except (av.FFmpegError, LookupError, StopIteration, ValueError):
        return Film()


def read_frame_times(path: Path) -> list[float]:
    """When the frames are shown, in seconds and in order, read without decoding them."""
    cv2 = import_quiet_opencv()
    capture = open_media(path, cv2.VideoCapture, cv2.CAP_FFMPEG)
    times = []
    try:
        if not capture.set(cv2.CAP_PROP_FORMAT, -1):
            return []
        while capture.grab():
            times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    finally:
        capture.release()
    return sorted(times)


def plausible_fps(fps: float) -> float:
    """The rate that a video states; the usual one if it states none, or one that cannot be."""
    return fps if _LEAST_STATED_FPS <= fps <= _MOST_STATED_FPS else USUAL_FPS


def choose_even_fps(times: Sequence[float], fps: float) -> float | None:
    """The rate at which a drawn video shows each frame at its time (seconds, in order), by
    repeating some; None if frames are equally far apart, or would be further from their times.
    """
    drifts = (abs(time - times[0] - at / fps) for at, time in enumerate(times))
    drift = max(drifts, default=0)
    if drift <= min(_TOLERATED_DRIFT / fps, _TOLERATED_DRIFT_S):
        return None
    steps = sorted(later - time for time, later in pairwise(times) if later > time)
    if not steps:
        return None
    short_step = steps[int(_SHORT_STEPS * len(steps))]
    most = max(_MAX_FRAMES, _MAX_REPEATS * len(times)) / (times[-1] - times[0])
    # At least one a second, as often as the frames come or a multiple of that.
    even = min(ceil(short_step) / short_step, max(MAX_EVEN_FPS, fps), most)
    # How far a frame is from its time at most, if frames are shown at a multiple of 1 / even.
    shown = (time - times[0] for time in times)
    even_drift = max(abs(round(time * even) / even - time) for time in shown)
    return even if even >= 1 and even_drift < drift else None


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
