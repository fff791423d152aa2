"""Frame sources: images, a video, a camera, or a network stream; a file that fails ends by itself,
and reports that.
"""

from __future__ import annotations

import math
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import cached_property
from glob import has_magic
from itertools import accumulate, count, islice
from pathlib import Path

from posezoo.console.labels import format_count, name_first
from posezoo.core.errors import (
    ImageError,
    PosezooError,
    explain_windows_path,
    os_reason,
)
from posezoo.core.events import SourceChanged
from posezoo.core.files.globs import expand_glob
from posezoo.core.regular_files import explain_link
from posezoo.core.values import frozen
from posezoo.media import images
from posezoo.media.captures import (
    CameraMode,
    Capture,
    FrameSteps,
    describe_lost,
    ended_early,
    explain_interlaced,
    is_video_device,
)
from posezoo.media.ffmpeg import DecoderErrors, converts_interlaced, decoder_errors
from posezoo.media.frames import Frame, FrameSource
from posezoo.media.images import (
    STREAM_SUFFIXES,
    SUFFIXES,
    UNREAD_SUFFIXES,
    VIDEO_SUFFIXES,
    is_animated,
    is_still,
)
from posezoo.media.live_source import LiveSource, Reconnection
from posezoo.media.video_file import (
    choose_even_fps,
    plausible_fps,
    read_frame_times,
    read_webp_durations,
    read_webp_frames,
)
from posezoo.poses.letterbox import image_size

#: The stems of annotated images and videos.
ANNOTATED = re.compile(r".*_poses(_\d+)?")

ReportError = Callable[[PosezooError], None]

# A network camera that restarts answers again within a minute.
_RECONNECT_S = 60.0


def open_source(
    text: str,
    *,
    rounds: int | None = 1,
    report_error: ReportError,
    reconnect_s: float | None = 0.0,
    live: bool | None = None,
    newest: bool | None = None,
    changed: threading.Condition | None = None,
    warn: Callable[[str], None] = lambda message: None,
    report: Callable[[SourceChanged], object] = lambda event: None,
    fps: float | None = None,
    mode: CameraMode = CameraMode(),  # noqa: B008 it is frozen
    among_others: bool = False,
) -> FrameSource:
    """Open the source that the user names.

    Args:
        text: an image, a folder of images, a glob, a video, the number of a camera, or an address
            (http for MJPEG and videos, or any other that FFmpeg supports).
        rounds: how often it is played; None: endlessly. A live source is played once.
        report_error: receives one error for each image or video that cannot be read; the source
            continues without it or ends.
        reconnect_s: for how many seconds a live source that dropped is opened again and again;
            None: a minute for an address. If it is infinite, the source may be off at the start.
        live, newest, changed: as for ``LiveSource``; they say nothing of images.
        warn: receives a message for a damaged video, for files that are left out, and for a live
            source that cannot be opened yet.
        report: receives each change of the state of a live source.
        fps: as for ``VideoSource``.
        mode: what a camera of this machine is asked for.
        among_others: whether the caller goes on with others: a live source is not waited for, and
            ``reconnect_s`` counts from the start.

    Raises:
        ImageError: it does not exist, contains no image, or cannot be opened.
        MissingPackageError: OpenCV is not installed.
    """
    path = Path(text)
    if is_live_name(text) or (live and path.is_file() and not is_still(path)):
        target = path if os.path.lexists(path) else int(text) if text.isdecimal() else text
        if fps:
            warn(f"{text}: is live, so the frames per second are not used")
        limit_s = reconnect_seconds(text, reconnect_s)
        reconnection = Reconnection(limit_s, from_start=among_others or math.isinf(limit_s))
        source = LiveSource(
            target, reconnection, report, warn, live=live, newest=newest, mode=mode, changed=changed
        )
        if not among_others:
            source.wait_until_open()
        return source
    if os.path.lexists(path) and not os.path.isdir(path):
        _require_file(text)
        if is_still(path):
            return ImageSource(text, [path], rounds, report_error)
        if is_animated(path) and path.suffix.lower() == ".webp":
            return AnimatedWebP(path, rounds, report_error)
        return VideoSource(path, rounds, report_error, warn, fps)
    return ImageSource(text, _list_images(text, warn), rounds, report_error)


def _require_file(text: str) -> None:
    path = Path(text)
    if problem := explain_link(path):
        raise ImageError(f"{text}: {problem}")
    if not path.is_file():
        raise ImageError(f"{text}: is not a regular file")


def _list_images(text: str, warn: Callable[[str], None]) -> Sequence[Path]:
    """The images of a folder or a glob."""
    listed = list_images(text)
    if not listed:
        raise ImageError(
            f"{text}: no such file or folder",
            hint=explain_windows_path(text)
            or "name an image, a folder, a quoted glob, a video, a camera's number or an address",
        )
    if listed.left_out:
        warn(f"{text}: {listed.describe_left_out()}")
    if not listed.images:
        raise ImageError(f"{text}: no images there", hint=listed.hint)
    return listed.images


def is_live_name(text: str) -> bool:
    """Whether a name is that of an address, a camera, a device or a pipe: its frames come live."""
    return "://" in text or is_camera_name(text) or _is_fifo(Path(text))


def is_camera_name(text: str) -> bool:
    """Whether a name is the number or the device of a camera of this machine."""
    try:
        return is_video_device(Path(text).stat())
    except (OSError, ValueError):
        return text.isdecimal()


def _is_fifo(path: Path) -> bool:
    try:
        return path.is_fifo()
    except (OSError, ValueError):
        return False


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


def list_images(text: str, *, with_videos: bool = False) -> ListedImages | None:
    """The images in a folder, or those that a glob matches; None if the text is neither.

    Hidden files of a folder, such as macOS's ``._me.jpg``, are left out; a glob also matches other
    suffixes.

    Args:
        with_videos: whether the videos of a folder are listed, too.

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
        is_video = is_folder and _is_played(path)
        if reason := _why_left_out(path, is_folder=is_folder, plays_videos=with_videos):
            left_out.append((path.name, reason))
        elif is_video or not is_folder or path.suffix.lower() in SUFFIXES:
            images += [path] if os.path.isfile(path) else []
    return ListedImages(tuple(images), tuple(left_out), hint)


def _is_played(path: Path) -> bool:
    """Whether a file of a folder is a video, and not one that an earlier run drew."""
    is_played = path.suffix.lower() in VIDEO_SUFFIXES | STREAM_SUFFIXES or is_animated(path)
    return is_played and not ANNOTATED.fullmatch(path.stem)


def _why_left_out(path: Path, *, is_folder: bool, plays_videos: bool) -> str:
    suffix = path.suffix.lower()
    is_image = suffix in SUFFIXES | UNREAD_SUFFIXES
    is_video = _is_played(path)
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
    if is_folder and is_video and not plays_videos:
        return "is played only if it is named itself"
    is_unread = is_folder and suffix in UNREAD_SUFFIXES
    return "is of a format that is not read" if is_unread else ""


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


def _has_times(capture: Capture) -> bool:
    """Whether frames have times, as those of a raw stream of H.264 or HEVC have not."""
    if capture.film.has_times is not None:
        return capture.film.has_times
    if not capture.has_times or capture.stated_frames > 0:
        return capture.has_times
    return capture.read() is None or capture.read() is None or capture.position_s > 0


class VideoSource(FrameSource):
    """A video file, read with OpenCV.

    Args:
        path: the file.
        rounds: how often it is played; None: endlessly.
        report_error: as for ``open_source``.
        warn: receives a message if it is damaged, or states no times.
        fps: frames per second of a file that states no times; None: what it states, else 25.

    Raises:
        ImageError: it cannot be opened, or is interlaced and not converted by this OpenCV.
    """

    def __init__(
        self,
        path: Path,
        rounds: int | None,
        report_error: ReportError,
        warn: Callable[[str], None],
        fps: float | None = None,
    ) -> None:
        self.name = str(path)
        self.sound = self._path = path
        self._rounds = rounds
        self._report_error = report_error
        self._warn = warn
        self._steps = FrameSteps()
        # A process may not keep as many files open as a run has videos.
        with closing(Capture(path, self.name).open()) as capture:
            self.fps, self.size = capture.fps, capture.size
            self._film = capture.film
            self._stated_frames = capture.stated_frames
            self._has_times = _has_times(capture)
        if self._film.is_interlaced and not converts_interlaced():
            raise explain_interlaced(self.name)
        if self._has_times and fps:
            warn(f"{path}: states when each frame is shown, so the frames per second are not used")
        elif not self._has_times:
            self.fps = fps or self.fps
        if not self._has_times and not fps:
            warn(
                f"{path}: does not state times: {self.fps:g} frames per second (--fps) are assumed"
            )
        self.frame_count = max(0, int(self._stated_frames))

    def frames(self) -> Generator[Frame, None, None]:
        """The frames in order, round by round; a round that ends too early is the last."""
        # Errors that FFmpeg reports here are not those of a frame.
        capture = Capture(self._path, self.name, self._film).open()
        with decoder_errors() as errors:
            try:
                yield from self._frames_of_rounds(capture, errors)
            finally:
                capture.close()
                if errors.places:
                    self._warn(f"{self.name}: {errors.describe()}")
                if lost := self._steps.count_lost():
                    self._warn(describe_lost(self.name, lost))

    def _frames_of_rounds(
        self, capture: Capture, errors: DecoderErrors
    ) -> Generator[Frame, None, None]:
        indices = count()
        round_start_s = 0.0
        for number in islice(count(), self._rounds):
            if number:
                capture.close()
                capture.open()
            read, shown_s = 0, round_start_s
            while True:
                begun = time.perf_counter()
                image = capture.read()
                if image is None:
                    break
                if errors.are_interlaced:
                    raise explain_interlaced(self.name)
                # Frames of a phone's video are not equally far apart; those of a raw stream, and
                # the last ones of some others, have no times.
                position_s = capture.position_s if self._has_times else 0.0
                stated_s = round_start_s + (position_s or read / self.fps)
                read += 1
                if read > 1:
                    self._steps.add(stated_s - shown_s)
                shown_s = max(shown_s, stated_s)
                index = next(indices)
                errors.look_at(index, shown_s)
                yield Frame(index, self.name, image, begun, shown_s)
            end_s = shown_s + 1 / self.fps
            lasted_s = end_s - round_start_s
            round_start_s = end_s
            if ended_early(self._stated_frames, read, lasted_s * self.fps):
                announced = ""
                if self._stated_frames > 0:
                    announced = f" of about {self._stated_frames:.0f}"
                ended = f"it ended after {format_count(read, 'frame')}{announced}"
                self._report_error(ImageError(f"{self.name}: is truncated or damaged: {ended}"))
                return

    @cached_property
    def even_fps(self) -> float | None:  # type: ignore[override]
        """As in ``FrameSource``; the file is read for it, but not decoded."""
        if not self._has_times:
            return None
        return choose_even_fps(read_frame_times(self._path), self.fps)
