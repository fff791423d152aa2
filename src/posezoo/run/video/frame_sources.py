"""Frame sources: images, a video, a camera, or a network stream; one ends by itself if it fails,
and reports that.
"""

from __future__ import annotations

import os
import re
import stat
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property
from glob import has_magic
from itertools import accumulate, count, islice
from pathlib import Path
from typing import Any

from posezoo.console.labels import format_count, name_first
from posezoo.core.errors import (
    ImageError,
    PosezooError,
    SourceError,
    explain_windows_path,
    os_reason,
    redact_secrets,
    shell_word,
)
from posezoo.core.files.globs import expand_glob
from posezoo.core.regular_files import LFS_HINT, explain_lfs_pointer, explain_link, open_regular
from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.core.workers.retries import TransientSourceError
from posezoo.poses.letterbox import Size, image_size
from posezoo.run import images
from posezoo.run.images import (
    MAX_PIXELS,
    SUFFIXES,
    UNREAD_SUFFIXES,
    VIDEO_SUFFIXES,
    Image,
    is_animated,
    is_still,
)
from posezoo.run.runtime.frame_changes import USUAL_FPS
from posezoo.run.video.ffmpeg import (
    DecoderErrors,
    decoder_errors,
    ffmpeg_options,
    follow_redirects,
    import_quiet_opencv,
    open_media,
)
from posezoo.run.video.video_file import (
    MAX_EVEN_FPS,
    choose_even_fps,
    plausible_fps,
    read_frame_times,
    read_webp_durations,
    read_webp_frames,
)

#: The stems of annotated images and videos.
ANNOTATED = re.compile(r".*_poses(_\d+)?")

ReportError = Callable[[PosezooError], None]

#: A live source counts as disconnected if it gives no frame for this time.
SILENCE_S = 10

# A pixel whose sides differ by less than this share counts as square: rounding gives 426:425.
_SQUARE = 0.02

# The pause before a live source is opened again; each further one is twice as long.
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0

# A network camera that restarts answers again within a minute.
_RECONNECT_S = 60.0

# After a connection that lasted this long, the pauses start again with the shortest one.
_STEADY_S = 10.0

# Containers estimate the number of frames from duration and rate: this many missing frames may be
# rounding.
_TOLERATED_SHARE = 0.05
_TOLERATED_FRAMES = 5


# Gaps between frames are damage only in a video whose frames are equally far apart otherwise: at
# most this share of at least this many steps are gaps.
_MAX_GAPS = 0.05
_MIN_STEPS = 20


@frozen_with_arrays
class Frame:
    """One image of a source.

    Attributes:
        index: the number of frames read before it.
        name: the path of the image file, or the name of the video, camera or stream.
        image: (height, width, 3) uint8, BGR; it is not shared, so it may be drawn into.
        begun: ``time.perf_counter()`` before it was read.
        shown_s: when the video or stream says that it is shown, or a camera was read, in seconds
            after the start; None of an image.
    """

    index: int
    name: str
    image: Image
    begun: float
    shown_s: float | None = None


class FrameSource(ABC):
    """A sequence of frames.

    Attributes:
        name: the name that the user gave, without a password.
        image_paths: the image files; empty for other sources.
        fps: frames per second at normal speed.
        even_fps: the rate of a drawn video that repeats frames, since those of the source are not
            equally far apart; None if they are.
        size: width and height of the first frame, in pixels, as it is shown.
        is_live: whether it is a camera or a stream, whose frames must be processed in time.
        frame_count: how many frames its file states; 0 if it states none.
        sound: the file that may have its sound.
    """

    name: str
    is_live: bool = False
    frame_count: int = 0
    image_paths: Sequence[Path] = ()
    fps: float = USUAL_FPS
    even_fps: float | None = None
    size: Size
    sound: Path | None = None

    def time_s(self, frame: Frame) -> float:
        """When a frame is shown at normal speed, or of a live source was taken: in seconds after
        the start.
        """
        return frame.index / self.fps if frame.shown_s is None else frame.shown_s

    @abstractmethod
    def frames(self) -> Generator[Frame, None, None]:
        """All frames, read on request; closing the iterator releases the source."""


def open_source(
    text: str,
    *,
    rounds: int | None = 1,
    report_error: ReportError,
    reconnect_s: float | None = 0.0,
    warn: Callable[[str], None] = lambda message: None,
) -> FrameSource:
    """Open the source that the user names.

    Args:
        text: an image, a folder of images, a glob, a video, the number of a camera, or an address
            (http for MJPEG and videos, or any other that FFmpeg supports).
        rounds: how often it is played; None: endlessly. A live source is played once.
        report_error: receives one error for each image or video that cannot be read; the source
            continues without it or ends.
        reconnect_s: for how many seconds a live source that dropped is opened again and again;
            None: a minute for an address.
        warn: receives one message for each time that it dropped, and for a damaged video.

    Raises:
        ImageError: it does not exist, contains no image, or cannot be opened.
        MissingPackageError: OpenCV is not installed.
    """
    path = Path(text)
    reconnection = Reconnection(reconnect_seconds(text, reconnect_s), warn)
    if "://" in text:
        return VideoSource(text, rounds, report_error, reconnection)
    if os.path.lexists(path) and not os.path.isdir(path):
        if problem := explain_link(path):
            raise ImageError(f"{text}: {problem}")
        if is_still(path):
            return ImageSource(text, [path], rounds, report_error)
        if is_animated(path) and path.suffix.lower() == ".webp":
            return AnimatedWebP(path, rounds, report_error)
        return VideoSource(text, rounds, report_error, reconnection)
    if listed := list_images(text):
        if listed.left_out:
            warn(f"{text}: {listed.describe_left_out()}")
        if not listed.images:
            raise ImageError(f"{text}: no images there", hint=listed.hint)
        return ImageSource(text, listed.images, rounds, report_error)
    if text.isdecimal():
        return VideoSource(int(text), rounds, report_error, reconnection)
    raise ImageError(
        f"{text}: no such file or folder",
        hint=explain_windows_path(text)
        or "name an image, a folder, a quoted glob, a video, a camera's number or an address",
    )


def reconnect_seconds(name: str, chosen_s: float | None) -> float:
    """For how long a source that dropped is opened again; ``chosen_s`` is what the user chose."""
    if chosen_s is not None:
        return chosen_s
    return _RECONNECT_S if "://" in name else 0.0


@frozen
class ListedImages:
    """What a folder or a glob has: images in alphabetical order, what else could be meant, with
    reasons, and a hint if there are no images.
    """

    images: tuple[Path, ...]
    left_out: tuple[tuple[str, str], ...]
    hint: str

    def describe_left_out(self) -> str:
        """How many are left out; the first few by name, with the reasons."""
        names = name_first([f"{name} ({reason})" for name, reason in self.left_out], 5)
        return f"{len(self.left_out)} left out: {names}"


def list_images(text: str) -> ListedImages | None:
    """The images in a folder, or those that a glob matches; None if the text is neither.

    Hidden files of a folder, such as macOS's ``._me.jpg``, are left out; a glob also matches other
    suffixes.

    Raises:
        ImageError: the folder cannot be read.
    """
    is_folder = os.path.isdir(text)
    if is_folder:
        try:
            paths = {path for path in Path(text).iterdir() if not path.name.startswith(".")}
        except OSError as error:
            raise ImageError(f"{text}: cannot be read: {os_reason(error)}") from error
        hint = f"looked for {' '.join(sorted(SUFFIXES))}, not in subfolders"
    elif has_magic(text) and not os.path.lexists(text):
        paths = expand_glob(Path(text))
        hint = "put it in quotes; ** matches subfolders"
    else:
        return None
    images = []
    left_out = []
    for path in sorted(paths):
        if reason := _why_left_out(path, is_folder=is_folder):
            left_out.append((path.name, reason))
        elif os.path.isfile(path) and (path.suffix.lower() in SUFFIXES or not is_folder):
            images.append(path)
    return ListedImages(tuple(images), tuple(left_out), hint)


def _why_left_out(path: Path, *, is_folder: bool) -> str:
    suffix = path.suffix.lower()
    is_image = suffix in SUFFIXES | UNREAD_SUFFIXES
    is_played = suffix in VIDEO_SUFFIXES or is_animated(path)
    is_video = is_played and not ANNOTATED.fullmatch(path.stem)
    if is_folder and not (is_image or is_video):
        return ""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return explain_link(path) or f"cannot be read: {os_reason(error)}"
    if stat.S_ISDIR(mode):
        return "is a folder" if is_image else ""
    if not stat.S_ISREG(mode):
        return "is not a file"
    if is_folder and is_video:
        return "is played only if it is named itself"
    return "is of a format that is not read" if is_folder and suffix in UNREAD_SUFFIXES else ""


class ImageSource(FrameSource):
    """Image files; files that cannot be read are reported and left out.

    Raises:
        ImageError: none of them can be read.
    """

    def __init__(
        self, name: str, paths: Sequence[Path], rounds: int | None, report_error: ReportError
    ) -> None:
        self.name = name
        self.image_paths = paths
        self._rounds = rounds
        self._report_error = report_error
        failures = []
        for path in paths:
            try:
                self.size = image_size(images.read_image(path))
                return
            except ImageError as error:
                failures.append(error)
        if len(paths) == 1:
            raise failures[0]
        raise ImageError(
            f"{self.name}: none of {len(paths)} files can be read as an image; "
            f"the first: {failures[0].problem}",
            hint=failures[0].hint,
        )

    def frames(self) -> Generator[Frame, None, None]:
        """The images in order, round by round."""
        indices = count()
        unreadable: set[Path] = set()
        for _ in islice(count(), self._rounds):
            for path in self.image_paths:
                start_time = time.perf_counter()
                try:
                    image = images.read_image(path)
                except ImageError as error:
                    if path not in unreadable:
                        unreadable.add(path)
                        self._report_error(error)
                    continue
                yield Frame(next(indices), str(path), image, start_time)
            # The loop could run forever without images.
            if len(unreadable) == len(self.image_paths):
                return


class AnimatedWebP(FrameSource):
    """An animated WebP; damaged frames at its end are left out, and reported.

    Raises:
        ImageError: it cannot be read.
    """

    def __init__(self, path: Path, rounds: int | None, report_error: ReportError) -> None:
        self.name = str(path)
        self._path = path
        self._rounds = rounds
        self._report_error = report_error
        self._durations = read_webp_durations(path)
        first = next(read_webp_frames(path), None)
        if first is None:
            raise ImageError(f"{path}: the image is damaged")
        self.size = image_size(first)
        times = list(accumulate(self._durations, initial=0.0))
        self.fps = plausible_fps(len(self._durations) / times[-1] if times[-1] else 0.0)
        self.even_fps = choose_even_fps(times[:-1], self.fps)

    def frames(self) -> Generator[Frame, None, None]:
        """The frames in order, round by round."""
        indices = count()
        shown_s = 0.0
        for _ in islice(count(), self._rounds):
            begun = time.perf_counter()
            read = 0
            for image, duration_s in zip(
                read_webp_frames(self._path), self._durations, strict=False
            ):
                yield Frame(next(indices), self.name, image, begun, shown_s=shown_s)
                shown_s += duration_s
                begun = time.perf_counter()
                read += 1
            if read < len(self._durations):
                frames = f"{format_count(read, 'frame')} of {len(self._durations)}"
                self._report_error(ImageError(f"{self.name}: is damaged: it ended after {frames}"))
                return


@frozen
class Reconnection:
    """How a live source that dropped is opened again, for ``limit_s`` seconds, with a warning each
    time.
    """

    limit_s: float
    warn: Callable[[str], None]

    def pauses(self) -> Iterator[float]:
        """The seconds before each attempt; together at most ``limit_s``."""
        left_s, pause_s = self.limit_s, _FIRST_PAUSE_S
        while left_s > 0:
            yield min(pause_s, left_s)
            left_s -= pause_s
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class FrameSteps:
    """The times from frame to frame of a video, in which a gap shows that frames were lost."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()  # by milliseconds

    def add(self, step_s: float) -> None:
        """Count a step."""
        self._counts[round(1000 * step_s)] += 1

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


class VideoSource(FrameSource):
    """A video, a camera or a stream, read with OpenCV.

    Args:
        target: a path, an address, or the number of a camera.
        rounds: how often it is played; None: endlessly. The end of a live source is an error,
            unless it is a whole video at an http address.
        report_error: as for ``open_source``.

    Raises:
        ImageError: it cannot be opened.
    """

    def __init__(
        self,
        target: str | int,
        rounds: int | None,
        report_error: ReportError,
        reconnection: Reconnection,
    ) -> None:
        self.name = redact_secrets(target) if isinstance(target, str) else f"camera {target}"
        self._target: Path | str | int = target
        self._report_error = report_error
        self._reconnection = reconnection
        is_stream = "://" in str(target)
        self._is_http = str(target).lower().startswith(("http://", "https://"))
        is_file = False
        if isinstance(target, str) and not is_stream:
            mode = Path(target).stat().st_mode
            is_file = stat.S_ISREG(mode)
            if not is_file and not stat.S_ISCHR(mode):  # /dev/video0 is a camera, too
                raise ImageError(f"{self.name}: is not a regular file")
        self._is_camera = not (is_stream or is_file)
        self.is_live = is_stream or self._is_camera
        self._rounds = 1 if self.is_live else rounds
        self._steps = FrameSteps()
        if is_file:
            self._target = self.sound = Path(str(target))
        self._capture = self._open()
        self._last_begun = time.perf_counter()
        self._stated_s = 0.0
        try:
            self._read_properties()
        except ImageError:
            self._capture.release()
            raise
        # A process may not keep as many files open as a run has videos.
        if not self.is_live:
            self._capture.release()

    def _read_properties(self) -> None:
        cv2 = import_quiet_opencv()
        self._stated_frames = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = max(0, int(self._stated_frames))
        is_mjpeg = int(self._capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG")
        # Unlike a camera, a video at an http address states how many frames it has.
        self._is_remote_video = self._is_http and self._stated_frames > 0
        # FFmpeg takes the frames of such a camera to be equally far apart.
        is_untimed = is_mjpeg and self._is_http and not self._is_remote_video
        self._has_times = not (self._is_camera or is_untimed)
        self.fps = plausible_fps(self._capture.get(cv2.CAP_PROP_FPS))
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if width <= 0 or height <= 0:
            raise ImageError(f"{self.name}: does not state the size of its frames")
        self._pixel_aspect = self._read_pixel_aspect()
        width, height = self._shown_size((width, height))
        if width * height > MAX_PIXELS:
            raise ImageError(
                f"{self.name}: {width} x {height} pixels are too many: at most {MAX_PIXELS:,}"
            )
        self.size = width, height

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

    def _as_shown(self, frame: Any) -> Image:
        image = images.to_bgr(frame)
        size = self._shown_size(image_size(image))
        if size == image_size(image):
            return image
        resized: Image = import_quiet_opencv().resize(image, size)
        return resized

    def _open(self) -> Any:
        cv2 = import_quiet_opencv()
        if self._is_camera:
            capture = open_media(self._target, cv2.VideoCapture)
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # otherwise the driver returns old frames
        else:
            capture = self._open_by_ffmpeg(self._target)
        if capture.isOpened():
            return capture
        capture.release()
        if self._is_http and (target := self._follow_redirects()) != self._target:
            capture = self._open_by_ffmpeg(target)
            if capture.isOpened():
                return capture
        problem, hint = "", ""
        if isinstance(self._target, int):
            problem = "cannot be opened"
            hint = "is it connected, free, and do you have permission to use it?"
        elif self.is_live:
            problem = "there is no video stream"
            hint = "open it with a browser or ffplay to check"
        else:
            problem, hint = _explain_unplayable(Path(self._target))
        raise ImageError(f"{self.name}: {problem}", hint=hint)

    def _open_by_ffmpeg(self, target: Path | str | int) -> Any:
        cv2 = import_quiet_opencv()
        open_limit, read_limit = cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC
        limits = (open_limit, 1000 * SILENCE_S, read_limit, 1000 * SILENCE_S)
        # FFmpeg follows no redirect: its target would not be checked.
        with ffmpeg_options(max_redirects="0") if self._is_http else nullcontext():
            return open_media(target, cv2.VideoCapture, cv2.CAP_FFMPEG, limits)

    def _follow_redirects(self) -> str:
        """The address that the target leads to; the target itself if its server does not answer.

        Raises:
            ImageError: it leads to an address that no server may lead to.
        """
        try:
            return follow_redirects(str(self._target), SILENCE_S)
        except TransientSourceError:
            return str(self._target)
        except SourceError as error:
            hint = "if you trust that address, name it yourself"
            raise ImageError(f"{self.name}: {error.problem}", hint=hint) from error

    def frames(self) -> Generator[Frame, None, None]:
        """The frames in order, round by round; a round that ends too early is the last."""
        frames = self._frames_of_stream() if self.is_live else self._frames_of_rounds()
        if not self.is_live:
            # Errors that FFmpeg reports here are not those of a frame.
            self._capture = self._open()
        # A live source that was joined in the middle, or drops, has errors that pass.
        with nullcontext(DecoderErrors()) if self.is_live else decoder_errors() as self._errors:
            try:
                yield from frames
            finally:
                self._capture.release()
                warn = self._reconnection.warn
                if self._errors.places:
                    warn(f"{self.name}: {self._errors.describe()}")
                if lost := self._steps.count_lost():
                    missing = f"{format_count(lost, 'frame')} missing in the middle"
                    warn(f"{self.name}: is damaged, or its frame rate varies: {missing}")

    def _frames_of_rounds(self) -> Generator[Frame, None, None]:
        cv2 = import_quiet_opencv()
        indices = count()
        round_start_s = 0.0
        for number in islice(count(), self._rounds):
            if number:
                self._capture.release()
                self._capture = self._open()
            read, shown_s = 0, round_start_s
            while True:
                begun = time.perf_counter()
                is_read, image = self._capture.read()
                if not is_read:
                    break
                read += 1
                # Frames of a phone's video are not equally far apart.
                position_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                stated_s = round_start_s + position_s
                if read > 1:
                    self._steps.add(stated_s - shown_s)
                shown_s = max(shown_s, stated_s)
                yield self._frame(next(indices), image, begun, shown_s)
            end_s = shown_s + 1 / self.fps
            lasted_s = end_s - round_start_s
            round_start_s = end_s
            if self._ended_early(read, lasted_s):
                announced = ""
                if self._stated_frames > 0:
                    announced = f" of about {self._stated_frames:.0f}"
                ended = f"it ended after {format_count(read, 'frame')}{announced}"
                self._report_error(ImageError(f"{self.name}: is truncated or damaged: {ended}"))
                return

    def _ended_early(self, read: int, lasted_s: float) -> bool:
        # Where frames are not equally far apart, there are fewer of them.
        reached = lasted_s * self.fps
        allowed = max(_TOLERATED_FRAMES, _TOLERATED_SHARE * self._stated_frames)
        return not read or self._stated_frames - max(read, reached) > allowed

    def _frames_of_stream(self) -> Generator[Frame, None, None]:
        indices = count()
        pauses = self._reconnection.pauses()
        first_s = shown_s = 0.0
        while True:
            opened = time.monotonic()
            read = 0
            while True:
                begun = time.perf_counter()
                is_read, image = self._capture.read()
                if not is_read:
                    break
                shown_s += self._step_s(begun, is_first=not read)
                first_s = first_s if read else shown_s
                read += 1
                yield self._frame(next(indices), image, begun, shown_s)
            if self._is_remote_video and not self._ended_early(read, shown_s - first_s):
                return
            dropped = f"{self.name}: was disconnected after {format_count(read, 'frame')}"
            if time.monotonic() - opened > _STEADY_S:
                pauses = self._reconnection.pauses()
            if not self._open_again(dropped, pauses):
                self._report_error(ImageError(dropped))
                return

    def _frame(self, index: int, image: Any, begun: float, shown_s: float) -> Frame:
        self._errors.look_at(index, shown_s)
        return Frame(index, self.name, self._as_shown(image), begun, shown_s=shown_s)

    @cached_property
    def even_fps(self) -> float | None:  # type: ignore[override]
        """As in ``FrameSource``; the file is read for it, but not decoded."""
        if self.is_live:
            return min(self.fps, MAX_EVEN_FPS)
        assert isinstance(self._target, Path)
        return choose_even_fps(read_frame_times(self._target), self.fps)

    def _step_s(self, begun: float, *, is_first: bool) -> float:
        """The time since the last frame as the stream states it; else, from read to read."""
        cv2 = import_quiet_opencv()
        stated_s: float = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        step_s, read_step_s = stated_s - self._stated_s, begun - self._last_begun
        self._stated_s, self._last_begun = stated_s, begun
        if is_first or not self._has_times or not 0 < step_s < SILENCE_S:
            return read_step_s
        self._steps.add(step_s)
        return step_s

    def _open_again(self, dropped: str, pauses: Iterator[float]) -> bool:
        self._capture.release()
        for attempt, pause_s in enumerate(pauses):
            if not attempt:
                self._reconnection.warn(f"{dropped}; trying to connect again")
            time.sleep(pause_s)
            try:
                self._capture = self._open()
            except ImageError:
                continue
            return True
        return False


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
    if start and start.isascii() and b"\0" not in start:
        images = " ".join(sorted(SUFFIXES))
        return "is text", f"images: {images}; videos: what FFmpeg plays, such as .mp4"
    return (
        "is not an image, and not a video that FFmpeg can play",
        "a video without its end cannot be played either: copy or download it again",
    )
