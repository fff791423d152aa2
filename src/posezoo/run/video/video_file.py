"""A video in a file: its tracks, which of them is played, and when its frames are shown.

The tracks are those of MP4 and MOV (ISO/IEC 14496-12). FFmpeg does not read an animated WebP
(RFC 9649), whose frames OpenCV decodes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import count, pairwise
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from posezoo.core.errors import ImageError
from posezoo.core.files.staging import temporary_dir
from posezoo.core.values import frozen
from posezoo.run import images
from posezoo.run.images import Image
from posezoo.run.runtime.frame_changes import USUAL_FPS
from posezoo.run.video.ffmpeg import ffmpeg_options, import_quiet_opencv

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

# The description of an hour has about 5 MB.
_MAX_MOOV = 256 << 20


@frozen
class VideoTrack:
    """A video track: its number in the file, and the size at which it is shown, in pixels."""

    id: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


def read_video_tracks(path: Path) -> tuple[VideoTrack, ...]:
    """The video tracks in the order of the file; none if it is no such file, or damaged."""
    try:
        with open(path, "rb") as stream:
            if stream.read(8)[4:] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return ()
            stream.seek(0)
            moov = BytesIO(_find(stream, b"moov"))
            return tuple(filter(None, map(_read_track, _boxes(moov, b"trak"))))
    except (OSError, struct.error, ValueError, IndexError):
        return ()


def _read_track(trak: bytes) -> VideoTrack | None:
    """A track; None if it is one of sound, text or data."""
    kind = _find(BytesIO(_find(BytesIO(trak), b"mdia")), b"hdlr")[8:12]
    if kind != b"vide":
        return None
    header = _find(BytesIO(trak), b"tkhd")
    has_long_times = header[0] == 1
    (number,) = struct.unpack_from(">I", header, 20 if has_long_times else 12)
    width, height = struct.unpack_from(">II", header, len(header) - 8)
    return VideoTrack(number, width >> 16, height >> 16)


def _find(stream: BinaryIO, kind: bytes) -> bytes:
    """The content of the first box of a kind; a ValueError if there is none."""
    content = next(_boxes(stream, kind), None)
    if content is None:
        raise ValueError(f"no box {kind!r}")
    return content


def _boxes(stream: BinaryIO, wanted: bytes) -> Iterator[bytes]:
    """The contents of the boxes of a kind, in a file or in the content of another box."""
    while header := stream.read(8):
        size, kind = struct.unpack(">I4s", header)
        content = size - 8
        if size == 1:
            content = struct.unpack(">Q", stream.read(8))[0] - 16
        if size == 0 or content < 0:  # to the end of the file, or damaged
            return
        if kind != wanted:
            stream.seek(content, 1)
            continue
        if content > _MAX_MOOV:
            raise ValueError("too large")
        yield stream.read(content)


def select_track(path: Path, number: int | None, warn: Callable[[str], None]) -> VideoTrack | None:
    """The video track to play, if it is not the first, which OpenCV plays.

    Args:
        path: the file. Only those of MP4 and MOV tell all their tracks.
        number: the user's choice, from 1; None for the largest picture, as FFmpeg and players
            choose.
        warn: receives what is there to choose from, if there are several and the user chose none.

    Raises:
        ImageError: there is no such track.
    """
    tracks = read_video_tracks(path)
    if number is None and len(tracks) > 1:
        number = 1 + max(range(len(tracks)), key=lambda at: tracks[at].width * tracks[at].height)
        choices = ", ".join(f"{at}: {track}" for at, track in enumerate(tracks, 1))
        warn(f"{path}: has several video streams ({choices}); {number} is played (--stream)")
    if number in (None, 1):
        return None
    if number > len(tracks):
        reason = f"it has {len(tracks)}"
        if not tracks:
            reason = "of formats other than MP4 and MOV, only stream 1 can be played"
        raise ImageError(f"{path}: there is no video stream {number}: {reason}")
    return tracks[number - 1]


def open_file(path: str, track: VideoTrack | None, parameters: Sequence[int] = ()) -> Any:
    """Open a video with FFmpeg, as ``cv2.VideoCapture`` does; of a file with several tracks, one.

    OpenCV plays only the first stream. For another one, FFmpeg opens the file as a list of one file
    (its format ``concat``), which names the stream.
    """
    cv2 = import_quiet_opencv()
    if track is None:
        return cv2.VideoCapture(path, cv2.CAP_FFMPEG, parameters)
    name = str(Path(path).absolute()).replace("'", r"'\''")
    with temporary_dir() as folder, ffmpeg_options(input_format="concat", safe="0"):
        listed = folder / "track.ffconcat"
        text = f"ffconcat version 1.0\nstream\nexact_stream_id {track.id}\nfile '{name}'\n"
        listed.write_bytes(text.encode("utf-8", "surrogateescape"))
        return cv2.VideoCapture(str(listed), cv2.CAP_FFMPEG, parameters)


def read_frame_times(path: str, track: VideoTrack | None) -> list[float]:
    """When the frames are shown, in seconds and in order, read without decoding them."""
    cv2 = import_quiet_opencv()
    capture = open_file(path, track)
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
    """The rate at which a drawn video shows each frame at its time, by repeating some.

    Args:
        times: when the frames are shown, in seconds and in order.
        fps: their mean rate, as the file states it.

    Returns:
        None if the frames are equally far apart, so that none is repeated, or if repeated frames
        would be further from their times.
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
