"""Where annotated frames go: a picture, a folder of them, or a video, and keypoints as JSON.

Each is written beside its place and moved there when it is closed, so what stands there is whole.
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
from posezoo.demo.frame_sources import Frame, FrameSource, Size
from posezoo.demo.video_io import import_quiet_opencv
from posezoo.errors import OutputError, import_optional
from posezoo.files.verified_files import is_device, write_error
from posezoo.images import SUFFIXES, Image
from posezoo.pose.keypoints import Pose

#: FOURCC by what a video's name ends in: codecs that every FFmpeg inside OpenCV writes.
CODECS = {".avi": "MJPG", ".mkv": "mp4v", ".mov": "mp4v", ".mp4": "mp4v"}

# A second of frames: what comes while the disk is busy for a moment is kept, and 1080p takes 180 MiB.
_WAITING_FRAMES = 30


class FrameOutput(ABC):
    """Takes annotated frames; a context manager that closes itself.

    Attributes:
        path: where they go.
        written: how many are written, or wait to be.
        dropped: how many were left out because writing was too slow.
    """

    path: Path
    written: int = 0
    dropped: int = 0

    @abstractmethod
    def write(self, frame: Frame, image: Image) -> None:
        """One more.

        Args:
            frame: what it was.
            image: (height, width, 3) uint8, BGR, with what is drawn in; it must not change afterwards.

        Raises:
            OutputError: it cannot be written.
        """

    def __enter__(self) -> FrameOutput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 most have nothing left to do
        """Finish what is open.

        Raises:
            OutputError: it cannot be finished.
        """


def open_output(path: Path, source: FrameSource, *, limit: int = 0) -> FrameOutput:
    """What takes the frames of a source: a picture's name one picture, a video's name a video, else a folder.

    Args:
        path: where they go.
        source: where they come from.
        limit: so many frames, then no more; 0 for all.

    Raises:
        OutputError: that name cannot take what this source gives.
    """
    suffix = path.suffix.lower()
    if os.path.isdir(path) or not suffix:
        return ImageFolderOutput(path, source, limit)
    if suffix in CODECS:
        _refuse_to_overwrite(path, [Path(source.name)])
        return VideoOutput(path, source.fps, limit)
    if suffix not in SUFFIXES:
        known = " ".join(sorted({*CODECS, *SUFFIXES}))
        raise OutputError(f"{path}: nothing is written as {suffix}", hint=f"name a folder, or one of {known}")
    if len(source.pictures) != 1:
        raise OutputError(
            f"{path}: is one picture, and {source.name} gives several",
            hint="name a folder, or a video (" + " ".join(sorted(CODECS)) + ")",
        )
    _refuse_to_overwrite(path, source.pictures)
    return ImageOutput(path)


def _refuse_to_overwrite(path: Path, inputs: Collection[Path]) -> None:
    if path.resolve() in {port.resolve() for port in inputs}:
        raise OutputError(f"{path}: is the input itself", hint="write to another name or folder")


class ImageOutput(FrameOutput):
    """One picture, however often its source is played."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, _frame: Frame, image: Image) -> None:
        """Write the first; all others would be the same."""
        if not self.written:
            images.write_image(self.path, image)
            self.written = 1


class ImageFolderOutput(FrameOutput):
    """A folder: pictures under the names of the inputs, frames of a video by number.

    None is ever dropped: who asks for a picture of each waits for them.
    """

    def __init__(self, folder: Path, source: FrameSource, limit: int) -> None:
        self.path, self._limit = folder, limit
        self._names = {str(path): name for path, name in _distinct_names(source.pictures)}
        for name in self._names.values():
            _refuse_to_overwrite(folder / name, source.pictures)

    def write(self, frame: Frame, image: Image) -> None:
        """Write a picture, in the format of its input."""
        if self._limit and self.written >= self._limit:
            return
        images.write_image(self.path / self._names.get(frame.name, f"{frame.index:06}.jpg"), image)
        self.written += 1


def _distinct_names(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """The files' own names; of those in several folders that share one, ``a.jpg``, ``a_2.jpg``."""
    taken: set[str] = set()
    for path in paths:
        name, number = path.name, 1
        while name in taken:
            number += 1
            name = f"{path.stem}_{number}{path.suffix}"
        taken.add(name)
        yield path, name


class VideoEncoder(Protocol):
    """Packs frames of one size into a file: OpenCV's VideoWriter, or what stands in for it."""

    def write(self, image: Image) -> None:
        """One more frame."""

    def release(self) -> None:
        """No more frames: finish the file."""


def open_opencv_encoder(path: Path, fps: float, size: Size) -> VideoEncoder:
    """OpenCV's, with the codec that goes with the name.

    Raises:
        OutputError: it cannot be opened.
    """
    cv2 = import_quiet_opencv()
    codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix.lower()])
    encoder: Any = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, fps, size)
    if not encoder.isOpened():
        raise OutputError(f"{path}: no video of {size[0]}x{size[1]} can be written there")
    return encoder  # type: ignore[no-any-return]


class VideoOutput(FrameOutput):
    """A video, packed on a thread of its own: where that is too slow, frames are dropped and counted.

    All frames are fitted into the size of the first, which is cut to even sides, as most codecs need.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        limit: int,
        *,
        open_encoder: Callable[[Path, float, Size], VideoEncoder] = open_opencv_encoder,
        on_wait: int = _WAITING_FRAMES,
    ) -> None:
        self.path, self._fps, self._limit = path, fps, limit
        self._open_encoder = open_encoder
        self._queue: queue.Queue[Image | None] = queue.Queue(on_wait)
        self._part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
        self._size: Size | None = None
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._part.touch()  # a folder that may not be written is told before anything is computed
        except OSError as error:
            raise write_error(path, error) from error

    def write(self, _frame: Frame, image: Image) -> None:
        """Hand a frame to the writer, or drop it where too many wait already."""
        if self._failure is not None:
            raise OutputError(f"{self.path}: writing failed: {self._failure}") from self._failure
        if self._limit and self.written >= self._limit:
            return
        if self._size is None:
            self._begin(image)
        assert self._size is not None
        try:
            self._queue.put_nowait(pad_to_size(image, self._size))
            self.written += 1
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Wait for the frames that are on their way, and move the video to its place."""
        try:
            if self._thread is None:
                return
            self._queue.put(None)
            self._thread.join()
            if self._failure is not None:
                raise OutputError(f"{self.path}: writing failed: {self._failure}") from self._failure
            # OpenCV does not tell of a full disk; a file without a byte in it does.
            if not self._part.stat().st_size:
                raise OutputError(f"{self.path}: nothing could be written", hint="is the disk full?")
            os.replace(self._part, self.path)
        except OSError as error:
            raise write_error(self.path, error) from error
        finally:
            self._part.unlink(missing_ok=True)

    def _begin(self, image: Image) -> None:
        height, width = image.shape[:2]
        self._size = (max(2, width // 2 * 2), max(2, height // 2 * 2))
        encoder = self._open_encoder(self._part, self._fps, self._size)
        self._thread = threading.Thread(target=self._work, args=(encoder,), name="video writer", daemon=True)
        self._thread.start()

    def _work(self, encoder: VideoEncoder) -> None:
        try:
            while (image := self._queue.get()) is not None:
                if self._failure is None:  # after one, only make room, so that nobody waits for ever
                    self._pack(encoder, image)
        finally:
            encoder.release()

    def _pack(self, encoder: VideoEncoder, image: Image) -> None:
        try:
            encoder.write(image)
        except Exception as error:  # noqa: BLE001 whatever it is, the loop hears of it at its next frame
            self._failure = error


def pad_to_size(image: Image, size: Size) -> Image:
    """A picture in the middle of a black one of another size, as large as it goes; itself where it fits."""
    cv2 = import_optional("cv2", extra="run")
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    if (width // 2 * 2, height // 2 * 2) == size:
        return image[: size[1], : size[0]]
    scale = min(size[0] / width, size[1] / height)
    member = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (size[0] - member[0]) // 2, (size[1] - member[1]) // 2
    resized = cv2.resize(image, member, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    right, bottom = size[0] - member[0] - left, size[1] - member[1] - top
    bordered: Image = cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_CONSTANT)
    return bordered


class JsonListWriter:
    """A JSON document whose list grows while a camera runs: on disk, not in memory.

    A context manager: it is moved to its place at the end, also where something failed on the way, but not
    where that came before the first item. A device or a pipe (/dev/stdout) is written into at once.

    Args:
        path: where it goes.
        key: the document is an object with the list below this key; where empty, the list itself.

    Attributes:
        rest: what else stands in the object, known at the end.
    """

    def __init__(self, path: Path, key: str = "") -> None:
        self.path, self._key, self._count = path, key, 0
        self.rest: dict[str, object] = {}
        self._is_file = not _is_stream(path)
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part") if self._is_file else path
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: TextIO = open(self._part, "w", encoding="utf-8")  # noqa: SIM115
            self._stream.write(f'{{"{key}": [' if key else "[")

    def __enter__(self) -> JsonListWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._told(), self._stream:
                more = "".join(f',\n"{name}": {json.dumps(value)}' for name, value in self.rest.items())
                self._stream.write(f"\n]{more}}}\n" if self._key else "\n]\n")
            if self._is_file and (kind is None or self._count):
                with self._told():
                    os.replace(self._part, self.path)
        finally:
            if self._is_file:
                with suppress(OSError):
                    self._part.unlink(missing_ok=True)

    def append(self, value: object) -> None:
        """One more item.

        Raises:
            OutputError: it cannot be written.
        """
        with self._told():
            self._stream.write((",\n" if self._count else "\n") + json.dumps(value))
        self._count += 1

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise write_error(self.path, error) from error


def _is_stream(path: Path) -> bool:
    """Whether a name is a device's or a pipe's: no file may take its place."""
    return is_device(path) or (path.exists() and not path.is_file() and not path.is_dir())


def frame_to_json(frame: Frame, poses: Sequence[Pose]) -> dict[str, Any]:
    """What is known of a frame, as plain values: ``frame``, ``name``, ``width``, ``height``, ``poses``."""
    height, width = frame.image.shape[:2]
    return {
        "frame": frame.index,
        "name": frame.name,
        "width": width,
        "height": height,
        "poses": [pose.to_json() for pose in poses],
    }


def coco_image_id(frame: Frame, source: FrameSource) -> int:
    """COCO's id of an image, which is its file's name; of anything else, the number of the frame."""
    stem = Path(frame.name).stem
    return int(stem) if source.pictures and stem.isascii() and stem.isdecimal() else frame.index
