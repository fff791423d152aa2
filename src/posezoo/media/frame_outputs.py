"""Outputs for annotated frames: an image, a folder of images, or a video; and keypoints as JSON.

Each file is renamed to its final name when it is complete.
"""

from __future__ import annotations

import json
import os
import tempfile
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from posezoo.core.declarations.safe_names import avoid_reserved, case_folded
from posezoo.core.errors import OutputError, import_cv2
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.file_lock import discard
from posezoo.core.files.result_files import writing_result
from posezoo.core.files.staging import create_parent
from posezoo.core.files.verified_files import is_device, open_device, write_error, writing
from posezoo.media import images
from posezoo.media.captures import SILENCE_S
from posezoo.media.frames import Frame, FrameSource
from posezoo.media.images import SUFFIXES, WRITTEN_SUFFIXES, Image
from posezoo.media.video_encoders import CODECS, VideoEncoder, open_encoder
from posezoo.poses.keypoints import Pose, is_sparse
from posezoo.poses.letterbox import Size, image_size, letterbox_image

# The frames of one second: enough if the disk is busy for a moment, and 180 MiB at 1080p.
_MAX_WAITING = 30

# Of the frame rate that a video of MPEG-4 states.
_MAX_NUMERATOR = 65_535

# The usual block of a file system, in bytes.
_BLOCK = 4096


def is_picture_or_video(path: Path) -> bool:
    """Whether a path for results is that of a picture or video, and not of a folder."""
    return path.suffix.lower() in (*WRITTEN_SUFFIXES, *CODECS) and not path.is_dir()


class FrameOutput(ABC):
    """Writes annotated frames; must be closed.

    Attributes:
        path: the file or folder to which they are written.
        written: the number of frames that are written or wait for that.
        dropped: the number of frames that were left out because writing was too slow.
    """

    path: Path
    written: int = 0
    dropped: int = 0

    @abstractmethod
    def write(self, frame: Frame, image: Image) -> None:
        """Write one frame; the image, (height, width, 3) uint8, BGR, must not be changed
        afterwards.

        Raises:
            OutputError: it cannot be written.
        """

    def close(self) -> None:  # noqa: B027 most outputs have nothing to finish
        """Finish the output.

        Raises:
            OutputError: it cannot be finished.
        """


def open_output(
    path: Path,
    source: FrameSource,
    *,
    limit: int = 0,
    listener: Listener = ignore_event,
) -> FrameOutput:
    """The output for a path: an image, a video, or a folder.

    Args:
        limit: the maximum number of frames to write; 0: all.
        listener: receives a warning if a user's file is renamed.

    Raises:
        OutputError: the path does not fit the source.
    """
    suffix = path.suffix.lower()
    is_folder = os.path.isdir(path) or not suffix
    is_image = not is_folder and suffix not in CODECS
    targets: dict[str, Path] = {}
    if is_folder:
        targets = _name_images(path, source.image_paths)
    elif is_image:
        targets = {str(_require_one_image(path, source)): path}
        limit = 1  # written once, even if it is played several times
    inputs = {file.resolve() for file in source.image_paths or [Path(source.name)]}
    for target in targets.values() or [path]:
        if target.resolve() in inputs:
            raise OutputError(
                f"{target}: is the input itself", hint="write to another name or folder"
            )
    if is_folder or is_image:
        return ImageOutput(path, limit, targets, listener)
    write_video = partial(
        VideoOutput,
        path,
        limit=limit,
        may_drop=source.is_live,
        sound=source.sound,
        listener=listener,
    )
    if source.even_fps is None:
        return write_video(source.fps)
    time_s = _live_times(source) if source.is_live else source.time_s
    return write_video(source.even_fps, time_s=time_s)


def _require_one_image(path: Path, source: FrameSource) -> Path:
    if path.suffix.lower() not in WRITTEN_SUFFIXES:
        raise unwritten_format(path)
    if len(source.image_paths) != 1:
        raise OutputError(
            f"{path}: is one image, and {source.name} gives several",
            hint="name a folder, or a video (" + " ".join(sorted(CODECS)) + ")",
        )
    return source.image_paths[0]


def unwritten_format(path: Path) -> OutputError:
    """The error about a picture or video of a format that is not written."""
    suffixes = " ".join(sorted({*CODECS, *WRITTEN_SUFFIXES}))
    return OutputError(
        f"{path}: files with suffix {path.suffix.lower()} cannot be written",
        hint=f"name a folder, or one of {suffixes}",
    )


def _name_images(folder: Path, images: Sequence[Path]) -> dict[str, Path]:
    """The path of each image in a folder, by the image's path.

    Files with the same name in several folders become a.jpg, a_2.jpg. Formats without colors become
    PNG.
    """
    names = OutputNames(folder, ())
    targets = {}
    for image in images:
        suffix = image.suffix
        if suffix.lower() in SUFFIXES - WRITTEN_SUFFIXES:
            suffix = ".png"
        targets[str(image)] = names.path_for(image.stem, suffix)
    return targets


class OutputNames:
    """Gives each result in a folder, or at the path of the only one, a name that is no input's."""

    def __init__(self, results: Path, inputs: Sequence[Path]) -> None:
        self._folder = results
        self._file = results if is_picture_or_video(results) else None
        self._taken = {_place(path) for path in inputs}

    def output_path(self, image: Path) -> Path:
        """A new path: ``me.jpg`` becomes ``me_poses.jpg``; formats other than JPEG become PNG."""
        if self._file:
            return self._file
        suffix = ".png"
        if image.suffix.lower() in (".jpg", ".jpeg"):
            suffix = image.suffix.lower()
        return self.path_for(f"{image.stem}_poses", suffix)

    def path_for(self, stem: str, suffix: str) -> Path:
        """A new path of a result: ``me`` becomes ``me_keypoints.json``, or
        ``me_2_keypoints.json``.
        """
        target = self._folder / avoid_reserved(f"{stem}{suffix}")
        count = 1
        while _place(target) in self._taken:
            count += 1
            target = self._folder / avoid_reserved(f"{stem}_{count}{suffix}")
        self._taken.add(_place(target))
        return target


def _place(path: Path) -> str:
    """A text that is equal for two paths of one file, also on a system that ignores case."""
    return case_folded(str(path.resolve()))


@dataclass
class ImageOutput(FrameOutput):
    """Images in the format of their suffix; no frame is dropped.

    Args:
        targets: the paths of frames by name; others have numbers in the folder.
    """

    path: Path
    _limit: int
    _targets: Mapping[str, Path]
    _listener: Listener

    def write(self, frame: Frame, image: Image) -> None:
        """Write an image."""
        if self._limit and self.written >= self._limit:
            return
        target = self._targets.get(frame.name, self.path / f"{frame.index:06}.jpg")
        images.write_image(target, image, self._listener)
        self.written += 1


def _live_times(source: FrameSource) -> Callable[[Frame], float]:
    """When the frames of a live source are shown in its drawn video, in seconds.

    The video begins with the first frame, and leaves out the time when there was no connection.
    """
    last_s: float | None = None
    shown_s = 0.0

    def time_s(frame: Frame) -> float:
        nonlocal last_s, shown_s
        taken_s = source.time_s(frame)
        if last_s is not None and taken_s - last_s < SILENCE_S:
            shown_s += taken_s - last_s
        last_s = taken_s
        return shown_s

    return time_s


class VideoOutput(FrameOutput):
    """A video, encoded in its own thread: if encoding is too slow, frames are dropped and counted,
    or wait.

    All frames are fitted to the size of the first frame. Codecs need even sides: odd ones get their
    last row or column twice.

    Args:
        may_drop: whether frames are dropped if encoding is too slow; otherwise the caller waits.
        time_s: when a frame is shown, in seconds; a codec without times repeats it until the time
            of the next one. None: the frames are equally far apart.
        sound: the file that has the video's sound.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        limit: int,
        *,
        may_drop: bool = True,
        time_s: Callable[[Frame], float] | None = None,
        sound: Path | None = None,
        listener: Listener = ignore_event,
    ) -> None:
        self.path = path
        self._time_s = time_s
        self._encoded = 0
        self._last: Image | None = None
        self._fps = _writable_fps(fps)
        self._limit = limit
        self._may_drop = may_drop
        self._sound = sound
        self._listener = listener
        self._encoder: VideoEncoder | None = None  # opened with the size of the first frame
        self._size: Size = (0, 0)
        self._thread = ThreadPoolExecutor(1, "video writer")
        self._waiting: deque[Future[None]] = deque()
        with writing(path):
            if is_device(path):
                raise OutputError(f"{path}: is a pipe or a device, and a video needs a file")
            create_parent(path)
            # A folder that cannot be written is reported before anything is computed.
            _require_space(path)
        self._stack = ExitStack()
        self._part = self._stack.enter_context(writing_result(path, listener))

    def write(self, frame: Frame, image: Image) -> None:
        """Give a frame to the encoder's thread, or drop it if too many frames wait."""
        self._remove_encoded()
        if self._limit and self.written >= self._limit:
            return
        if self._encoder is None:
            width, height = image_size(image)
            self._size = (width + width % 2, height + height % 2)
            self._encoder = open_encoder(
                self._part, self._size, self._fps, self._sound, self._listener
            )
        if len(self._waiting) > _MAX_WAITING:
            if self._may_drop:
                self.dropped += 1
                return
            wait([self._waiting[0]])
        shown_s = self._encoded / self._fps
        if self._time_s is not None:
            shown_s = self._time_s(frame)
            if not self._encoder.keeps_times:
                self._repeat_until(shown_s)
        self._encode(pad_to_size(image, self._size), shown_s)
        self.written += 1

    def _repeat_until(self, shown_s: float) -> None:
        """Write the last image again until this time; if frames may be dropped, only as long as
        there is room for later ones.
        """
        place = round(shown_s * self._fps)
        while self._last is not None and self._encoded < place:
            if self._may_drop and len(self._waiting) > _MAX_WAITING // 2:
                return
            if len(self._waiting) > _MAX_WAITING:
                wait([self._waiting[0]])
            self._remove_encoded()
            self._encode(self._last, self._encoded / self._fps)

    def _encode(self, image: Image, shown_s: float) -> None:
        assert self._encoder is not None
        self._waiting.append(self._thread.submit(self._encoder.write, image, shown_s))
        self._encoded += 1
        self._last = image

    def close(self) -> None:
        """Wait until all waiting frames are encoded, and rename the video to its final name."""
        with self._stack, writing(self.path):
            try:
                self._finish()
            except BaseException:
                self._part.unlink(missing_ok=True)
                raise

    def _finish(self) -> None:
        if self._encoder is None:
            return
        try:
            wait(self._waiting)
            self._remove_encoded()
        finally:
            self._waiting.append(self._thread.submit(self._encoder.close))
            self._thread.shutdown()
        self._remove_encoded()
        # If the disk is full, OpenCV reports no error, but the end of the video or all of it is
        # missing.
        _require_space(self.path)
        if not self._part.is_file() or not self._part.stat().st_size:
            raise OutputError(f"{self.path}: nothing could be written", hint="is the disk full?")

    def _remove_encoded(self) -> None:
        """Forget the encoded frames; a frame that failed stays, so that each later call raises its
        error.
        """
        while self._waiting and self._waiting[0].done():
            if (error := self._waiting[0].exception()) is not None:
                if isinstance(error, OSError) and error.errno:
                    # The user does not know the name of the part.
                    raise write_error(self.path, OSError(error.errno, error.strerror)) from error
                raise OutputError(f"{self.path}: writing failed: {error}") from error
            self._waiting.popleft()


def _writable_fps(fps: float) -> float:
    """A rate rounded to 3, 2 or 1 decimals, so that a video can state it.

    OpenCV states it as a decimal fraction, whose numerator MPEG-4 limits (ISO/IEC 14496-2).
    """
    for digits in (3, 2):
        if fps * 10**digits < _MAX_NUMERATOR:
            return round(fps, digits)
    return round(fps, 1)


def _require_space(path: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            probe.write(bytes(_BLOCK))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:  # the user does not know the name of the probe
        raise write_error(path, OSError(error.errno, error.strerror)) from error


def pad_to_size(image: Image, size: Size) -> Image:
    """An image fitted to a size: with black borders, or its last row or column twice if it lacks
    one; the image itself if it already has this size.
    """
    width, height = image_size(image)
    right, below = size[0] - width, size[1] - height
    if not right and not below:
        return image
    if right in (0, 1) and below in (0, 1):
        cv2 = import_cv2()
        padded: Image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
        return padded
    return letterbox_image(image, size)[1]


class JsonListWriter(AbstractContextManager["JsonListWriter"]):
    """Writes a JSON document with a list that grows on disk instead of in memory, for example for a
    camera.

    At the end the file is renamed to its final name, also after a failure if ``keeps_part`` and
    there is an item. A device or a pipe (/dev/stdout) is written to directly.

    Args:
        key: of the list in an object; empty: the document is the list.
        first: the object's values before the list.

    Attributes:
        rest: its values after the list; they must be set before the end.
    """

    def __init__(
        self,
        path: Path,
        key: str = "",
        first: Mapping[str, object] | None = None,
        *,
        keeps_part: bool = True,
        listener: Listener = ignore_event,
    ) -> None:
        self.path = path
        self._key = key
        before = "".join(
            f'"{name}": {json.dumps(value)},\n' for name, value in (first or {}).items()
        )
        self._before_item = f'{{{before}"{key}": [\n' if key else "[\n"
        self._keeps_part = keeps_part
        self._count = 0
        self.rest: dict[str, object] = {}
        with writing(self.path):
            # A device or a pipe must not be replaced by a file.
            self._is_stream = is_device(path)
            self._part = path
            self._stack = ExitStack()
            if not self._is_stream:
                create_parent(path)
                result = writing_result(path, listener)
                self._part = self._stack.enter_context(result)
            # Without a buffer, the file is known to end with a complete item.
            self._stream: FileIO
            if self._is_stream:
                self._stream = open_device(path)
            else:
                self._stream = open(self._part, "wb", buffering=0)  # noqa: SIM115

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        is_kept = self._is_stream
        try:
            start = "" if self._count else self._before_item.strip()
            more = "".join(f',\n"{name}": {json.dumps(value)}' for name, value in self.rest.items())
            with writing(self.path), self._stream:
                self._write(start + (f"\n]{more}}}\n" if self._key else "\n]\n"))
            is_kept = is_kept or kind is None or (self._keeps_part and self._count > 0)
        finally:
            if not is_kept:
                discard(self._part)
            self._stack.__exit__(kind, error, trace)

    def append(self, value: object) -> None:
        """Write one item.

        Raises:
            OutputError: it cannot be written; the file then ends with the item before.
        """
        with writing(self.path):
            self._write(self._before_item + json.dumps(value))
        self._before_item = ",\n"
        self._count += 1

    def _write(self, text: str) -> None:
        """Write all of a text or, unless this is a stream, nothing.

        Raises:
            OSError: it cannot be written.
        """
        end = 0 if self._is_stream else self._stream.tell()
        rest = memoryview(text.encode())
        try:
            while rest:
                rest = rest[self._stream.write(rest) :]
        except BaseException:
            if not self._is_stream:
                self._stream.truncate(end)
                self._stream.seek(end)
            raise


def frame_to_json(frame: Frame, poses: Sequence[Pose], min_score: float) -> dict[str, Any]:
    """A frame's poses as JSON values: ``seconds`` (when a video or stream shows it; images have
    none), ``frame``, ``name``, ``width``, ``height``, ``poses``, as ``pose_to_json``.
    """
    width, height = image_size(frame.image)
    shown = {} if frame.shown_s is None else {"seconds": round(frame.shown_s, 3)}
    return {
        **shown,
        "frame": frame.index,
        "name": frame.name,
        "width": width,
        "height": height,
        "poses": [pose_to_json(pose, min_score) for pose in poses],
    }


def pose_to_json(pose: Pose, min_score: float) -> dict[str, Any]:
    """The values of ``Pose.to_json`` after ``drawn``: whether the pose is in drawings, which leave
    out keypoints of lower scores, and poses of too few others.
    """
    return {"drawn": not is_sparse(pose, min_score), **pose.to_json()}
