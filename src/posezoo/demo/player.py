"""The demo's loop: frames from a source through a model to a window and to files.

There are modes to run a model in (many requests at once, or one for the shortest latency), and Tab goes
from one to the next: the running one gets no more frames, what is in flight comes to its end, and the next
one goes on with the frames that follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from posezoo.demo.frame_outputs import FrameOutput
from posezoo.demo.frame_rate import FrameRateMeter, StepTimer
from posezoo.demo.frame_sources import Frame, FrameSource, Size
from posezoo.demo.overlay import draw_poses, draw_text
from posezoo.demo.utilization_monitor import UtilizationMonitor
from posezoo.demo.window import ESCAPE, TAB
from posezoo.images import Image
from posezoo.pose.keypoints import Pose

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

QUIT = ("q", ESCAPE)


class ClosableStream(Protocol[T_co]):
    """Items that come one after the other, until it is closed."""

    def __iter__(self) -> Iterator[T_co]:
        """Itself."""
        ...

    def close(self) -> None:
        """Nothing runs any more when this returns."""
        ...


class PoseStreamer(Protocol):
    """What finds poses in a stream of items: ``posezoo.runtime.Estimator``."""

    def stream(self, items: Iterable[T], image: Callable[[T], Image]) -> ClosableStream[tuple[T, list[Pose]]]:
        """Each item with its poses, in order; the next item is asked for when there is room for it."""
        ...


class Display(Protocol):
    """What shows pictures and hears keys: ``posezoo.demo.window.Window``."""

    is_open: bool

    def show(self, image: Image) -> str:
        """Show a picture; the key pressed meanwhile, or nothing."""
        ...

    def wait_for_key(self) -> str:
        """The next key."""
        ...


@dataclass(slots=True)
class ExecutionMode:
    """A way to run a model.

    Attributes:
        name: as it is shown.
        open: makes the model ready to run so; asked once, when the mode is first switched on.
        speed: of what ran in it.
    """

    name: str
    open: Callable[[], PoseStreamer]
    speed: FrameRateMeter = field(default_factory=FrameRateMeter)
    _finder: PoseStreamer | None = None

    @property
    def estimator(self) -> PoseStreamer:
        """The model, ready to run in this mode."""
        if self._finder is None:
            self._finder = self.open()
        return self._finder


@dataclass(frozen=True, slots=True)
class OverlayStyle:
    """How pictures look.

    Attributes:
        min_score: poses and keypoints from this score on count.
        within: width and height that pictures are made smaller to; None leaves them.
    """

    min_score: float = 0.1
    within: Size | None = None


class Player:
    """Plays a source once through.

    Args:
        source: where frames come from.
        modes: in which to run; the first one runs, Tab switches on the next.
        style: how pictures look.
        monitors: drawn into them, and toggled by their letters.
        screen: where pictures are shown; None shows none.
        outputs: where pictures are written.
        found: told the poses of each frame that count, in order.
    """

    def __init__(
        self,
        source: FrameSource,
        modes: Sequence[ExecutionMode],
        *,
        style: OverlayStyle,
        monitors: UtilizationMonitor,
        screen: Display | None = None,
        outputs: Sequence[FrameOutput] = (),
        found: Callable[[Frame, list[Pose]], None] = lambda frame, poses: None,
    ) -> None:
        self._source, self._modes, self._style = source, modes, style
        self._monitors, self._screen, self._outputs, self._found = monitors, screen, outputs, found
        self.steps = StepTimer()
        self.frames = 0
        self._turn = 0  # of the modes
        self._is_exhausted = self._is_quitting = self._is_switching = False
        self._lingers = screen is not None and bool(source.pictures)
        self._handed: dict[int, float] = {}  # when the model got a frame, by its index

    @property
    def mode(self) -> ExecutionMode:
        """The one that is on."""
        return self._modes[self._turn % len(self._modes)]

    def play(self) -> None:
        """All frames, until the source ends or someone quits.

        Raises:
            InferenceError: the model fails.
            OutputError: a picture cannot be written.
        """
        with closing(self._source.frames()) as frames:
            while not (self._is_exhausted or self._is_quitting):
                finder = self.mode.estimator
                self.mode.speed.start(time.perf_counter())
                self._is_switching = False
                with closing(finder.stream(self._read_frames(frames), _image_of)) as found:
                    for frame, poses in found:
                        self.steps.add("find poses", time.perf_counter() - self._handed.pop(frame.index))
                        self._finish(frame, poses)
                self._turn += self._is_switching

    def _read_frames(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        while not (self._is_quitting or self._is_switching):
            with self.steps.time_step("read"):
                frame = next(frames, None)
            if frame is None:
                self._is_exhausted = True
                return
            self._handed[frame.index] = time.perf_counter()
            yield frame
            if self._lingers:  # none is in flight while someone looks at another: that would be its latency
                return

    def _finish(self, frame: Frame, poses: Sequence[Pose]) -> None:
        counting = [pose for pose in poses if pose.score >= self._style.min_score]
        key = ""
        if self._screen is not None or self._outputs:
            with self.steps.time_step("draw"):
                image = self._picture(frame, counting)
            if self._screen is not None:
                with self.steps.time_step("show"):
                    key = self._screen.show(image)
        with self.steps.time_step("write"):
            for output in self._outputs:
                output.write(frame, image)
            self._found(frame, counting)
        self.frames += 1
        self.mode.speed.frame_done(frame.begun, time.perf_counter())
        if self._screen is not None and self._lingers:
            self._wait_for_key(self._screen, frame, counting, key)
        else:
            self._handle_key(key)

    def _picture(self, frame: Frame, poses: Sequence[Pose]) -> Image:
        image = draw_poses(
            frame.image,
            poses,
            min_score=self._style.min_score,
            within=self._style.within,
            in_place=not self._lingers,  # then the frame is drawn again
        )
        lines = [self.mode.name]
        if (now := self.mode.speed.recent()) is not None:
            lines += [f"FPS: {now[0]:.1f}", f"Latency: {now[1]:.1f} ms"]
        draw_text(image, lines)
        self._monitors.draw(image)
        return image

    def _wait_for_key(self, screen: Display, frame: Frame, poses: Sequence[Pose], key: str) -> None:
        """A picture stays until a key is pressed; a monitor's key shows or hides it at once."""
        while self._handle_key(key or screen.wait_for_key()):
            key = screen.show(self._picture(frame, poses))

    def _handle_key(self, key: str) -> bool:
        """Do what a key says; whether only the look of the picture changes by it."""
        if key in QUIT or (self._screen is not None and not self._screen.is_open):
            self._is_quitting = True
        elif key == TAB:
            self._is_switching = True
        return self._monitors.toggle(key)


def _image_of(frame: Frame) -> Image:
    return frame.image
