"""The frames of images, videos, cameras and streams, and what all of these sources have."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from posezoo.core.values import frozen_with_arrays
from posezoo.media.images import Image
from posezoo.poses.letterbox import Size

#: Frames per second of a video whose rate is unknown; most cameras have this rate.
USUAL_FPS = 30.0


@frozen_with_arrays
class Frame:
    """One image of a source.

    Attributes:
        index: the number of frames read before it, with those that were dropped.
        name: the path of the image file, or the name of the video, camera or stream.
        image: (height, width, 3) uint8, BGR; it is not shared, so it may be drawn into.
        begun: ``time.perf_counter()`` before it was read.
        shown_s: when the video or stream says that it is shown, or a camera was read, in seconds
            after the start; None of an image.
        arrived: ``time.perf_counter()`` when it was read.
        dropped: how many frames of a live source were left out before it, since newer ones came.
    """

    index: int
    name: str
    image: Image
    begun: float
    shown_s: float | None = None
    arrived: float | None = None
    dropped: int = 0

    @property
    def age_s(self) -> float:
        """The seconds since it was read; of a live source, since it arrived."""
        return time.perf_counter() - (self.begun if self.arrived is None else self.arrived)


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
        state: of a live source: opening, live, reconnecting, lost, ended, or closed by its owner;
            empty for others.
        since: when a live source entered its state, in seconds since 1970.
        dropped: how many frames of a live source were left out, since newer ones came.
        frame_count: how many frames its file states; 0 if it states none.
        sound: the file that may have its sound.
    """

    name: str
    is_live: bool = False
    state: str = ""
    since: float = 0.0
    dropped: int = 0
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

    def wait(self, until: Callable[[], bool]) -> bool:  # noqa: ARG002 only a live source waits
        """Wait for the next frame, or until something is true that ``wake`` was called for; whether
        the frame is there.
        """
        return True

    def wake(self) -> None:  # noqa: B027 nobody waits for frames that are read on request
        """Let ``wait`` look again."""

    def close(self) -> None:  # noqa: B027 only a live source is open before its frames are read
        """Release a source whose frames were not read."""
