"""Where frames come from: pictures, a video, a camera, or a stream over the network.

A source ends by itself: where a video is cut short or a camera goes away, it says so and stops.
"""

from __future__ import annotations

import os
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from itertools import count
from pathlib import Path
from typing import Any

from posezoo import images
from posezoo.demo.video_io import import_quiet_opencv
from posezoo.errors import ImageError, PosezooError, import_optional, redact_secrets
from posezoo.images import MAX_PIXELS, SUFFIXES, Image

ReportError = Callable[[PosezooError], None]
Size = tuple[int, int]

#: Frames a second where a source does not say: what most cameras give.
USUAL_FPS = 30.0

# A live source that is silent for so long has gone away.
_SILENCE_MS = 10_000

# Containers count frames by duration and rate: what is missing beyond one in twenty is no rounding.
_MISSING_SHARE, _MISSING_LEAST = 0.05, 5


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """One image of a source.

    Attributes:
        index: its place in what was read, from 0.
        name: of the picture's file; of a video, camera or stream, its own.
        image: (height, width, 3) uint8, BGR; nobody else's, so that it may be drawn into.
        begun: ``time.perf_counter()`` before it was read.
    """

    index: int
    name: str
    image: Image
    begun: float


class FrameSource(ABC):
    """Frames, one after the other.

    Attributes:
        name: as the user named it, without a password.
        pictures: the files, where it is made of pictures; else empty.
        fps: frames a second, where played at its own speed.
        size: width and height of its first frame, in pixels.
    """

    name: str
    pictures: Sequence[Path] = ()
    fps: float = USUAL_FPS
    size: Size

    @abstractmethod
    def frames(self) -> Generator[Frame, None, None]:
        """All frames; each is read when it is asked for. Closing the iterator lets go of the source."""


def open_source(text: str, *, rounds: int | None = 1, report_error: ReportError) -> FrameSource:
    """What the user means by a name.

    Args:
        text: a picture, a folder of them, a glob, a video, the number of a camera, or an address
            (http for MJPEG and videos, or what else FFmpeg knows).
        rounds: how often it is played; for ever where None. What is live is played once.
        report_error: hears of what could not be read, once each; the source goes on without it or ends.

    Raises:
        ImageError: it is not there, holds no picture, or cannot be opened.
        MissingPackageError: OpenCV is not installed.
    """
    if "://" in text:
        return VideoSource(text, text, is_live=True, rounds=1, report_error=report_error)
    path = Path(text)
    if os.path.isdir(path):
        return ImageSource(text, _in_folder(path), rounds, report_error)
    if not os.path.exists(path):
        if text.isdecimal():
            return VideoSource(int(text), f"camera {text}", is_live=True, rounds=1, report_error=report_error)
        if has_magic(text):
            return ImageSource(text, _matching(text), rounds, report_error)
        raise ImageError(
            f"{text}: no such file or folder",
            hint="name a picture, a folder, a quoted glob, a video, a camera's number or an address",
        )
    if path.suffix.lower() in SUFFIXES:
        return ImageSource(text, [path], rounds, report_error)
    is_file = stat.S_ISREG(path.stat().st_mode)  # /dev/video0 is a camera
    return VideoSource(
        text, text, is_live=not is_file, rounds=rounds if is_file else 1, report_error=report_error
    )


def _in_folder(folder: Path) -> list[Path]:
    try:
        found = sorted(
            path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and os.path.isfile(path)
        )
    except OSError as error:
        raise ImageError(f"{folder}: cannot be read: {error.strerror or error}") from error
    if not found:
        raise ImageError(
            f"{folder}: no pictures there", hint=f"looked for {' '.join(sorted(SUFFIXES))}, not below it"
        )
    return found


def _matching(pattern: str) -> list[Path]:
    found = sorted(Path(match) for match in glob(pattern, recursive=True) if os.path.isfile(match))
    if not found:
        raise ImageError(f"{pattern}: matches no file", hint="put it in quotes; ** goes into folders")
    return found


class ImageSource(FrameSource):
    """Picture files, one after the other; what cannot be read is told and left out.

    Raises:
        ImageError: not one of them can be read.
    """

    def __init__(
        self, name: str, paths: Sequence[Path], rounds: int | None, report_error: ReportError
    ) -> None:
        self.name, self.pictures = name, paths
        self._rounds, self._tell = rounds, report_error
        self._told: set[Path] = set()
        self.size = self._first_size()

    def _first_size(self) -> Size:
        failure: ImageError | None = None
        for path in self.pictures:
            try:
                height, width = images.read_image(path).shape[:2]
                return width, height
            except ImageError as error:
                failure = failure or error
        assert failure is not None
        if len(self.pictures) == 1:
            raise failure
        raise ImageError(
            f"{self.name}: none of {len(self.pictures)} files can be read as a picture; "
            f"the first: {failure.problem}",
            hint=failure.hint,
        )

    def frames(self) -> Generator[Frame, None, None]:
        """The pictures in order, round by round."""
        places = count()
        for _ in _rounds(self._rounds):
            for path in self.pictures:
                start_time = time.perf_counter()
                image = self._read(path)
                if image is not None:
                    yield Frame(next(places), str(path), image, start_time)
            if len(self._told) == len(self.pictures):  # all gone since: for ever would be for nothing
                return

    def _read(self, path: Path) -> Image | None:
        try:
            return images.read_image(path)
        except ImageError as error:
            if path not in self._told:
                self._told.add(path)
                self._tell(error)
            return None


class VideoSource(FrameSource):
    """A video, a camera or a stream, through OpenCV.

    Args:
        what: a path, an address, or the number of a camera.
        name: how it is called in messages.
        is_live: whether it goes on until someone stops, so that its end is a failure.
        rounds: how often a video is played; for ever where None.
        report_error: hears why it ended, where that was not the end.

    Raises:
        ImageError: it cannot be opened.
    """

    def __init__(
        self, what: str | int, name: str, *, is_live: bool, rounds: int | None, report_error: ReportError
    ) -> None:
        self.name = redact_secrets(name)
        self._what, self._is_live, self._rounds, self._tell = what, is_live, rounds, report_error
        cv2 = import_optional("cv2", extra="run")
        self._capture = self._opened()
        self._announced = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 1 <= fps <= 1000 else USUAL_FPS
        self.size = self._size()

    def _size(self) -> Size:
        cv2 = import_optional("cv2", extra="run")
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if width <= 0 or height <= 0:
            raise ImageError(f"{self.name}: does not say how large its frames are")
        if width * height > MAX_PIXELS:
            raise ImageError(f"{self.name}: {width} x {height} pixels are too many: at most {MAX_PIXELS:,}")
        return width, height

    def _opened(self) -> Any:
        cv2 = import_quiet_opencv()
        if isinstance(self._what, int) or (self._is_live and "://" not in self._what):
            capture = cv2.VideoCapture(self._what)
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # else the driver hands out frames of some time ago
        else:
            limits = (
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                _SILENCE_MS,
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                _SILENCE_MS,
            )
            capture = cv2.VideoCapture(self._what, cv2.CAP_FFMPEG, limits)
        if capture.isOpened():
            return capture
        capture.release()
        if isinstance(self._what, int):
            raise ImageError(
                f"{self.name}: cannot be opened", hint="is it plugged in, free, and yours to use?"
            )
        if self._is_live:
            raise ImageError(
                f"{self.name}: nothing there that plays", hint="look at it with a browser or ffplay"
            )
        raise ImageError(
            f"{self.name}: is no picture and no video that FFmpeg can play",
            hint="a video whose end is missing cannot be played either: copy or download it again",
        )

    def frames(self) -> Generator[Frame, None, None]:
        """The frames in order, round by round; a round that is cut short is the last."""
        places = count()
        try:
            for turn in _rounds(self._rounds):
                if turn:
                    self._capture.release()
                    self._capture = self._opened()
                read = 0
                while (frame := self._next(places)) is not None:
                    read += 1
                    yield frame
                if self._is_cut(read):
                    return
        finally:
            self._capture.release()

    def _next(self, places: Iterator[int]) -> Frame | None:
        start_time = time.perf_counter()
        done, image = self._capture.read()
        return Frame(next(places), self.name, images.to_bgr(image), start_time) if done else None

    def _is_cut(self, read: int) -> bool:
        if self._is_live:
            self._tell(ImageError(f"{self.name}: went away after {_frames(read)}"))
            return True
        missing = self._announced - read
        if read and missing <= max(_MISSING_LEAST, _MISSING_SHARE * self._announced):
            return False
        announced = f" of about {self._announced:.0f}" if self._announced > 0 else ""
        self._tell(
            ImageError(f"{self.name}: is cut short or damaged: it ended after {_frames(read)}{announced}")
        )
        return True


def _rounds(rounds: int | None) -> Iterator[int]:
    return iter(count() if rounds is None else range(rounds))


def _frames(number: int) -> str:
    return f"{number} frame{'' if number == 1 else 's'}"
