"""Outputs for annotated frames: an image, a folder of images, or a video; and keypoints as JSON.

Each file is written under a temporary name and renamed at the end, so a file with the final name is complete.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO

from posezoo import images
from posezoo.demo.frame_sources import Frame, FrameSource, Size, import_quiet_opencv
from posezoo.errors import OutputError, import_optional
from posezoo.files.verified_files import is_device, write_error
from posezoo.images import SUFFIXES, Image
from posezoo.pose.keypoints import Pose

#: FOURCC by video suffix; every FFmpeg in OpenCV can write these codecs.
CODECS = {".avi": "MJPG", ".mkv": "mp4v", ".mov": "mp4v", ".mp4": "mp4v"}

# The frames of one second: enough if the disk is busy for a moment, and 180 MiB at 1080p.
_MAX_WAITING = 30


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
        """Write one frame.

        Args:
            frame: the frame as it was read.
            image: (height, width, 3) uint8, BGR, with poses; it must not be changed afterwards.

        Raises:
            OutputError: it cannot be written.
        """

    def close(self) -> None:  # noqa: B027 most outputs have nothing to finish
        """Finish the output.

        Raises:
            OutputError: it cannot be finished.
        """


def open_output(path: Path, source: FrameSource, *, limit: int = 0) -> FrameOutput:
    """The output for a path: an image, a video, or a folder.

    Args:
        path: the file or folder to which frames are written.
        source: the source of the frames.
        limit: the maximum number of frames to write; 0: all.

    Raises:
        OutputError: the path does not fit the source.
    """
    suffix = path.suffix.lower()
    if os.path.isdir(path) or not suffix:
        return ImageFolderOutput(path, source, limit)
    if suffix in CODECS:
        _refuse_to_overwrite(path, [Path(source.name)])
        return VideoOutput(path, source.fps, limit)
    if suffix not in SUFFIXES:
        suffixes = " ".join(sorted({*CODECS, *SUFFIXES}))
        raise OutputError(
            f"{path}: files with suffix {suffix} cannot be written",
            hint=f"name a folder, or one of {suffixes}",
        )
    if len(source.image_paths) != 1:
        raise OutputError(
            f"{path}: is one image, and {source.name} gives several",
            hint="name a folder, or a video (" + " ".join(sorted(CODECS)) + ")",
        )
    _refuse_to_overwrite(path, source.image_paths)
    return ImageOutput(path)


def _refuse_to_overwrite(path: Path, inputs: Collection[Path]) -> None:
    if path.resolve() in {source.resolve() for source in inputs}:
        raise OutputError(f"{path}: is the input itself", hint="write to another name or folder")


class ImageOutput(FrameOutput):
    """One image; it is written once, even if its source is played several times."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, _frame: Frame, image: Image) -> None:
        """Write the first frame; all others are the same."""
        if not self.written:
            images.write_image(self.path, image)
            self.written = 1


class ImageFolderOutput(FrameOutput):
    """A folder: images have the names of the inputs, video frames have numbers; no frame is dropped."""

    def __init__(self, folder: Path, source: FrameSource, limit: int) -> None:
        self.path, self._limit = folder, limit
        # Files with the same name in several folders become a.jpg, a_2.jpg.
        self._names: dict[str, str] = {}
        for path in source.image_paths:
            name, number = path.name, 1
            while name in self._names.values():
                number += 1
                name = f"{path.stem}_{number}{path.suffix}"
            self._names[str(path)] = name
            _refuse_to_overwrite(folder / name, source.image_paths)

    def write(self, frame: Frame, image: Image) -> None:
        """Write an image in the format of its input."""
        if self._limit and self.written >= self._limit:
            return
        images.write_image(self.path / self._names.get(frame.name, f"{frame.index:06}.jpg"), image)
        self.written += 1


class VideoEncoder(Protocol):
    """Encodes frames of one size into a file, like OpenCV's VideoWriter."""

    def write(self, image: Image) -> None:
        """Add a frame."""

    def release(self) -> None:
        """Finish the file."""


def open_opencv_encoder(path: Path, fps: float, size: Size) -> VideoEncoder:
    """OpenCV's encoder, with the codec for the file's suffix.

    Raises:
        OutputError: the file cannot be opened.
    """
    cv2 = import_quiet_opencv()
    codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix.lower()])
    encoder: Any = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, fps, size)
    if not encoder.isOpened():
        raise OutputError(f"{path}: no video of {size[0]}x{size[1]} can be written there")
    return encoder  # type: ignore[no-any-return]


class VideoOutput(FrameOutput):
    """A video, encoded in its own thread: if encoding is too slow, frames are dropped and counted.

    All frames are fitted to the size of the first frame, cropped to even sides, which most codecs need.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        limit: int,
        *,
        open_encoder: Callable[[Path, float, Size], VideoEncoder] = open_opencv_encoder,
        max_waiting: int = _MAX_WAITING,
    ) -> None:
        self.path, self._fps, self._limit = path, fps, limit
        self._open_encoder = open_encoder
        self._queue: queue.Queue[Image | None] = queue.Queue(max_waiting)
        self._part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
        self._size: Size | None = None
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._part.touch()  # a folder without write permission is reported before anything is computed
        except OSError as error:
            raise write_error(path, error) from error

    def write(self, _frame: Frame, image: Image) -> None:
        """Put a frame into the encoder's queue, or drop it if the queue is full."""
        self._raise_failure()
        if self._limit and self.written >= self._limit:
            return
        if self._size is None:
            height, width = image.shape[:2]
            self._size = (max(2, width // 2 * 2), max(2, height // 2 * 2))
            encoder = self._open_encoder(self._part, self._fps, self._size)
            self._thread = threading.Thread(
                target=self._encode, args=(encoder,), name="video writer", daemon=True
            )
            self._thread.start()
        try:
            self._queue.put_nowait(pad_to_size(image, self._size))
            self.written += 1
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Wait until all frames in the queue are encoded, and rename the video to its final name."""
        try:
            if self._thread is None:
                return
            self._queue.put(None)
            self._thread.join()
            self._raise_failure()
            # If the disk is full, OpenCV reports no error, but the file is empty.
            if not self._part.stat().st_size:
                raise OutputError(f"{self.path}: nothing could be written", hint="is the disk full?")
            os.replace(self._part, self.path)
        except OSError as error:
            raise write_error(self.path, error) from error
        finally:
            self._part.unlink(missing_ok=True)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise OutputError(f"{self.path}: writing failed: {self._failure}") from self._failure

    def _encode(self, encoder: VideoEncoder) -> None:
        try:
            while (image := self._queue.get()) is not None:
                if self._failure is not None:  # only empty the queue, so that close() does not wait forever
                    continue
                try:
                    encoder.write(image)
                except Exception as error:  # noqa: BLE001 any error is raised by the next write() or close()
                    self._failure = error
        finally:
            encoder.release()


def pad_to_size(image: Image, size: Size) -> Image:
    """An image fitted to a size with black borders; the image itself if it already has this size."""
    cv2 = import_optional("cv2", extra="run")
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    if (width // 2 * 2, height // 2 * 2) == size:
        return image[: size[1], : size[0]]
    scale = min(size[0] / width, size[1] / height)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2
    resized = cv2.resize(image, fitted, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    right, bottom = size[0] - fitted[0] - left, size[1] - fitted[1] - top
    padded: Image = cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_CONSTANT)
    return padded


class JsonListWriter:
    """Writes a JSON document with a list that grows on disk instead of in memory, for example for a camera.

    It is a context manager. At the end the file is renamed to its final name, also after a failure, unless
    the failure came before the first item. A device or a pipe (/dev/stdout) is written to directly.

    Args:
        path: the file to write.
        key: the key of the list in the document, which is an object; empty: the document is the list itself.

    Attributes:
        rest: the object's other values; they must be set before the end.
    """

    def __init__(self, path: Path, key: str = "") -> None:
        self.path, self._key, self._count = path, key, 0
        self.rest: dict[str, object] = {}
        # A device or a pipe must not be replaced by a file.
        self._is_stream = is_device(path) or (path.exists() and not path.is_file() and not path.is_dir())
        self._part = path if self._is_stream else path.with_name(f".{path.name}.{os.getpid()}.part")
        with self._translated_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: TextIO = open(self._part, "w", encoding="utf-8")  # noqa: SIM115
            self._stream.write(f'{{"{key}": [' if key else "[")

    def __enter__(self) -> JsonListWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._translated_errors():
                with self._stream:
                    more = "".join(f',\n"{name}": {json.dumps(value)}' for name, value in self.rest.items())
                    self._stream.write(f"\n]{more}}}\n" if self._key else "\n]\n")
                if not self._is_stream and (kind is None or self._count):
                    os.replace(self._part, self.path)
        finally:
            if not self._is_stream:
                with suppress(OSError):
                    self._part.unlink(missing_ok=True)

    def append(self, value: object) -> None:
        """Write one item.

        Raises:
            OutputError: it cannot be written.
        """
        with self._translated_errors():
            self._stream.write((",\n" if self._count else "\n") + json.dumps(value))
        self._count += 1

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise write_error(self.path, error) from error


def frame_to_json(frame: Frame, poses: Sequence[Pose]) -> dict[str, Any]:
    """A frame's poses as JSON values: ``frame``, ``name``, ``width``, ``height``, ``poses``."""
    height, width = frame.image.shape[:2]
    return {
        "frame": frame.index,
        "name": frame.name,
        "width": width,
        "height": height,
        "poses": [pose.to_json() for pose in poses],
    }


def coco_image_id(frame: Frame, source: FrameSource) -> int:
    """COCO's image id, which is the file name of an image if it is a number; otherwise the frame's index."""
    stem = Path(frame.name).stem
    return int(stem) if source.image_paths and stem.isascii() and stem.isdecimal() else frame.index
