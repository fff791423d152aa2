"""A video, a camera or a stream that OpenCV reads: all of them are opened here."""

from __future__ import annotations

import os
import select
import socket
import stat
import sys
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from posezoo.console.labels import format_count
from posezoo.core.convert.file_kinds import explain_model_file
from posezoo.core.errors import ImageError, SourceError, os_reason, shell_word
from posezoo.core.install_commands import pip_command
from posezoo.core.regular_files import LFS_HINT, explain_lfs_pointer, open_regular
from posezoo.core.values import frozen
from posezoo.core.versions import parse_version
from posezoo.core.workers.retries import TransientSourceError
from posezoo.media import images
from posezoo.media.ffmpeg import import_quiet_opencv, open_media
from posezoo.media.http_stream import HttpStream
from posezoo.media.images import MAX_PIXELS, SUFFIXES, Image
from posezoo.media.media_boxes import Film, Turn
from posezoo.media.video_file import describe_film, plausible_fps
from posezoo.poses.letterbox import Size, image_size

#: A live source counts as disconnected if it gives no frame for this time.
SILENCE_S = 10

# How long a wait for the first bytes of a pipe lasts at a time, until it can be interrupted.
_STEP_S = 0.2

_RTSP_PORT = 554

# A pixel whose sides differ by less than this share counts as square: rounding gives 426:425.
_SQUARE = 0.02

# Gaps between frames are damage only in a video whose frames are equally far apart otherwise: at
# most this share of at least this many steps are gaps.
_MAX_GAPS = 0.05
_MIN_STEPS = 20

# In a film that was cut without encoding, frames are missing before the last ones: those that were
# encoded after them.
_CUT_STEPS = 4

# Containers estimate the number of frames from duration and rate: this many missing frames may be
# rounding.
_TOLERATED_SHARE = 0.05
_TOLERATED_FRAMES = 5


@frozen
class CameraMode:
    """What a camera of this machine is asked for: the pictures of Open Model Zoo's demos.

    Attributes:
        size: width and height in pixels.
        fps: frames per second.
        format: the pixels as the driver calls them: four characters, such as MJPG or YUYV.
    """

    size: Size = (1280, 720)
    fps: float = 30.0
    format: str = "MJPG"

    def __str__(self) -> str:
        width, height = self.size
        return f"{width} x {height} at {self.fps:g} frames a second in {self.format}"


def is_video_device(status: os.stat_result) -> bool:
    """Whether a file is a camera of Video4Linux, whose major number is 81."""
    return (
        sys.platform != "win32" and stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == 81
    )


class Capture:
    """Frames that OpenCV reads; the thread that reads them must close it.

    Args:
        target: the path of a file, a pipe or a device, an address, or the number of a camera.
        name: of the target, in errors.
        film: what is known of a file; None: it is read.
        mode: what a camera of this machine is asked for.

    Attributes:
        film: what is known of a file.
        stated_frames: how many frames the file states; 0 or less if it states none.
        fps: frames per second at normal speed.
        size: width and height of the first frame, in pixels, as it is shown.
        is_camera: whether it is a camera of this machine.
        has_end: whether it ends if it states how many frames it has: a file, also over http.
        has_times: whether the frames have times of their own.
    """

    def __init__(
        self,
        target: Path | str | int,
        name: str,
        film: Film | None = None,
        mode: CameraMode = CameraMode(),  # noqa: B008 it is frozen
    ) -> None:
        self._name = name
        self._mode = mode
        self._target = target
        self._stream: HttpStream | None = None
        is_device = isinstance(target, Path) and is_video_device(target.stat())
        self.is_camera = is_device or isinstance(target, int)
        self.has_end = isinstance(target, Path) and target.is_file()
        if film is None and isinstance(target, Path) and self.has_end:
            film = describe_film(target)
        self.film = film or Film()
        # OpenCV turns frames itself, but takes a mirrored one to be turned.
        self._turn = self.film.turn if self.film.turn.is_mirrored else Turn()
        self._capture: Any = None
        self._is_interrupted = False
        self._pipe = -1

    def open(self) -> Capture:
        """Open it, also once more from the beginning after it was closed; returns itself.

        Raises:
            ImageError: it cannot be opened.
        """
        try:
            self._capture = self._open(self._target)
            if not self._capture.isOpened():
                raise self._explain(self._target)
            self._read_properties()
        except ImageError:
            self.close()
            raise
        return self

    def _open(self, target: Path | str | int) -> Any:
        cv2 = import_quiet_opencv()
        if self.is_camera:
            capture = open_media(target, cv2.VideoCapture)
            self._set_mode(capture)
            return capture
        if str(target).lower().startswith(("http://", "https://")):
            stream = self._open_stream(str(target))
            self._stream = stream
            self.has_end = True
            if not stream.is_playlist:
                self._require_streams(cv2.__version__)
                # While OpenCV waits for them, it opens nothing else in this process.
                if not stream.wait_for_bytes():
                    raise self._explain(str(target), "the server sends nothing")
                return cv2.VideoCapture(stream, cv2.CAP_FFMPEG, [])
            target = stream.url_with_login
        open_limit, read_limit = cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC
        limits = (open_limit, 1000 * SILENCE_S, read_limit, 1000 * SILENCE_S)
        if isinstance(target, Path) and target.is_fifo():
            target = self._open_pipe(target)
        elif str(target).lower().startswith("rtsp://"):
            self._wait_for_rtsp(str(target))
        capture = open_media(target, cv2.VideoCapture, cv2.CAP_FFMPEG, limits)
        if self._turn.is_mirrored:
            capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        return capture

    def _set_mode(self, capture: Any) -> None:
        cv2 = import_quiet_opencv()
        width, height = self._mode.size
        # The format first: which sizes and rates there are depends on it.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*self._mode.format))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        capture.set(cv2.CAP_PROP_FPS, self._mode.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # otherwise the driver returns old frames

    def explain_mode(self) -> str:
        """What the driver of a camera chose if it is not what was asked for; else empty."""
        if not self.is_camera:
            return ""
        cv2 = import_quiet_opencv()
        read = self._capture.get
        size = int(read(cv2.CAP_PROP_FRAME_WIDTH)), int(read(cv2.CAP_PROP_FRAME_HEIGHT))
        code = int(read(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
        got = CameraMode(size, read(cv2.CAP_PROP_FPS), code.decode("latin-1").strip("\0 "))
        return "" if got == self._mode else f"{self._name}: gives {got}, not {self._mode}"

    def _open_pipe(self, path: Path) -> str:
        """Wait until a pipe has bytes, and return FFmpeg's name of it: while OpenCV waits for them,
        it opens nothing else in this process.
        """
        if sys.platform == "win32":
            raise ImageError(f"{self._name}: Windows has no such pipes")
        self._pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        for _ in range(int(SILENCE_S / _STEP_S)):
            if self._is_interrupted:
                raise ImageError(f"{self._name}: was closed")
            if select.select([self._pipe], [], [], _STEP_S)[0]:
                os.set_blocking(self._pipe, True)
                return f"pipe:{self._pipe}"
        raise ImageError(f"{self._name}: nothing is written to the pipe")

    def _wait_for_rtsp(self, url: str) -> None:
        """Wait until the server of a stream answers (OPTIONS of RFC 2326), as for a pipe."""
        address = urlsplit(url)
        plain = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()
        place = address.hostname or "", address.port or _RTSP_PORT
        try:
            with socket.create_connection(place, SILENCE_S) as connection:
                connection.sendall(f"OPTIONS {plain} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
                connection.settimeout(_STEP_S)
                for _ in range(int(SILENCE_S / _STEP_S)):
                    if self._is_interrupted:
                        raise ImageError(f"{self._name}: was closed")
                    with suppress(TimeoutError):
                        if connection.recv(1):
                            return
                        break
        except OSError as error:
            raise self._explain(url, os_reason(error)) from error
        raise self._explain(url, "the server does not answer")

    def _open_stream(self, url: str) -> HttpStream:
        try:
            return HttpStream(url, SILENCE_S)
        except SourceError as error:
            is_redirect = "redirect" in error.problem or "link-local" in error.problem
            if is_redirect and not isinstance(error, TransientSourceError):
                hint = "if you trust that address, name it yourself"
                raise ImageError(f"{self._name}: {error.problem}", hint=hint) from error
            raise self._explain(url, error.problem) from error

    def _require_streams(self, version: str) -> None:
        """Given the address itself, an older OpenCV would follow redirects unchecked."""
        if parse_version(version) < (4, 11):
            raise ImageError(
                f"{self._name}: OpenCV {version} cannot read what posezoo receives, 4.11 can",
                hint=f"update the OpenCV that is installed, such as: {pip_command()} install"
                ' "opencv-python-headless>=4.11,<6"; or download the file first',
            )

    def _explain(self, target: Path | str | int, reason: str = "") -> ImageError:
        if self.is_camera:
            return ImageError(
                f"{self._name}: cannot be opened",
                hint="is it connected, free, and do you have permission to use it?",
            )
        if isinstance(target, Path):
            problem, hint = _explain_unplayable(target)
            return ImageError(f"{self._name}: {problem}", hint=hint)
        hint = "open it with a browser or ffplay to check"
        hint = f"{reason}; {hint}" if reason else hint
        return ImageError(f"{self._name}: there is no video stream", hint=hint)

    def _read_properties(self) -> None:
        cv2 = import_quiet_opencv()
        self.stated_frames: float = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        is_mjpeg = int(self._capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG")
        # FFmpeg takes the frames of MJPEG without a container, as of a camera over http, to be
        # equally far apart.
        is_untimed = is_mjpeg and self.has_end and self.stated_frames <= 0
        self.has_times = not (self.is_camera or is_untimed)
        self.fps = plausible_fps(self._capture.get(cv2.CAP_PROP_FPS))
        if self.film.shown_s is not None:  # it also counts frames that the edit list hides
            self.stated_frames = min(self.stated_frames, self.film.shown_s * self.fps)
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if width <= 0 or height <= 0:
            raise ImageError(f"{self._name}: does not state the size of its frames")
        self._pixel_aspect = self._read_pixel_aspect()
        width, height = self._shown_size((width, height))
        if width * height > MAX_PIXELS:
            raise ImageError(
                f"{self._name}: {width} x {height} pixels are too many: at most {MAX_PIXELS:,}"
            )
        self.size = (height, width) if self._turn.exchanges_axes else (width, height)

    def _read_pixel_aspect(self) -> float:
        """The width of a pixel where its height is 1; 1 if that is not stated, or nearly so."""
        cv2 = import_quiet_opencv()
        width: float = self._capture.get(cv2.CAP_PROP_SAR_NUM)
        height: float = self._capture.get(cv2.CAP_PROP_SAR_DEN)
        if width <= 0 or height <= 0 or abs(width / height - 1) < _SQUARE:
            return 1.0
        # OpenCV rotates the frames of phones, but not this ratio.
        is_rotated = self._capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 != 0
        return height / width if is_rotated else width / height

    def _shown_size(self, size: Size) -> Size:
        width, height = size
        return max(1, round(width * self._pixel_aspect)), height

    def read(self) -> Image | None:
        """The next frame with square pixels, uint8 (height, width, 3), BGR; None if there is none,
        or none for ``SILENCE_S``.
        """
        is_read, frame = self._capture.read()
        if not is_read:
            return None
        image = images.to_bgr(frame)
        size = self._shown_size(image_size(image))
        if size != image_size(image):
            image = import_quiet_opencv().resize(image, size)
        if self._turn.is_mirrored:
            image = self._turn.apply(image)
        return image

    @property
    def position_s(self) -> float:
        """When the last frame is shown, as the video states it, in seconds."""
        position_ms: float = self._capture.get(import_quiet_opencv().CAP_PROP_POS_MSEC)
        return position_ms / 1000

    def interrupt(self) -> None:
        """Let a read in another thread end at once, if it is one over http or waits for a pipe."""
        self._is_interrupted = True
        if self._stream:
            self._stream.interrupt()

    def close(self) -> None:
        """Close the file, the camera or the connection."""
        if self._capture is not None:
            self._capture.release()
        if self._stream:
            self._stream.close()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


class FrameSteps:
    """The times from frame to frame of a video, in which a gap shows that frames were lost."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()  # by milliseconds
        self._last: deque[int] = deque()

    def add(self, step_s: float) -> None:
        """Count a step, once it is none of the last ones."""
        self._last.append(round(1000 * step_s))
        if len(self._last) > _CUT_STEPS:
            self._counts[self._last.popleft()] += 1

    def count_lost(self) -> int:
        """The number of frames missing in gaps; 0 if the others are not equally far apart."""
        total = self._counts.total()
        if total < _MIN_STEPS:
            return 0
        ((usual, _),) = self._counts.most_common(1)
        gaps = {step: number for step, number in self._counts.items() if step > 1.5 * usual}
        if usual <= 0 or sum(gaps.values()) > _MAX_GAPS * total:
            return 0
        return sum(number * (round(step / usual) - 1) for step, number in gaps.items())


def describe_lost(name: str, lost: int) -> str:
    """The warning about frames that are missing in the middle."""
    missing = f"{format_count(lost, 'frame')} missing in the middle"
    return f"{name}: is damaged, or its frame rate varies: {missing}"


def explain_interlaced(name: str) -> ImageError:
    """The error for frames of two fields, which OpenCV returns black, or as another one."""
    path = Path(name)
    target = shell_word(f"{path.stem}_progressive.mp4")
    return ImageError(
        f"{name}: is interlaced, as of a camcorder, DVD or DV, which this OpenCV does not convert",
        hint=f"ffmpeg -i {shell_word(path.name)} -vf yadif -c:v libx264 -crf 18 {target}",
    )


def ended_early(stated_frames: float, read: int, reached: float) -> bool:
    """Whether a video ended before its end: ``reached`` is its time in frames at its rate."""
    # Where frames are not equally far apart, there are fewer of them.
    allowed = max(_TOLERATED_FRAMES, _TOLERATED_SHARE * stated_frames)
    return not read or stated_frames - max(read, reached) > allowed


#: The brands of photos in the container of MP4 (ISO/IEC 23008-12 and AV1's image format).
_PHOTO_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")


def _explain_unplayable(path: Path) -> tuple[str, str]:
    if problem := explain_lfs_pointer(path):
        return problem, LFS_HINT
    try:
        with open_regular(path) as stream:
            start = stream.read(200)
    except OSError as error:
        return f"cannot be read: {os_reason(error)}", ""
    if start[4:8] == b"ftyp" and start[8:12] in _PHOTO_BRANDS:
        as_jpeg = shell_word(path.with_suffix(".jpg").name)
        return (
            "is a HEIC or AVIF photo, which OpenCV does not read",
            f"save it as JPEG, for example: heif-convert {shell_word(path.name)} {as_jpeg}",
        )
    problem, hint = explain_model_file(f"{path}")
    if problem:
        return problem.removeprefix(f"{path}: "), hint
    if start and start.isascii() and b"\0" not in start:
        images = " ".join(sorted(SUFFIXES))
        return "is text", f"images: {images}; videos: what FFmpeg plays, such as .mp4"
    return (
        "is not an image, and not a video that FFmpeg can play",
        "a video without its end cannot be played either: copy or download it again",
    )
