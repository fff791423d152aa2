"""The demo's loop: it reads frames from a source, runs a model, shows or writes the results, and
sums up.

Tab switches between modes (many requests at once, or one for the lowest latency): frames in
progress are finished, and the next mode continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.console.labels import format_count
from posezoo.core.arrays import Array
from posezoo.core.errors import InferenceError, PosezooError, import_cv2
from posezoo.media.frame_outputs import FrameOutput
from posezoo.media.frame_rate import FrameRateMeter, StepTimer
from posezoo.media.frames import Frame, FrameSource
from posezoo.media.images import Image
from posezoo.media.utilization_monitor import UtilizationMonitor
from posezoo.media.window import ESCAPE, TAB, Window
from posezoo.poses.drawing import draw, write_text
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Size, image_size
from posezoo.run.runtime.frame_changes import SceneTracker
from posezoo.run.runtime.runtime_config import VideoOptions

if TYPE_CHECKING:
    from posezoo.run.runtime.estimator import Estimator

QUIT = ("q", ESCAPE)
# How often the window shows how long a source is away.
_LOOK_S = 0.5
_TEXT = (255, 255, 255)
_EDGE = (0, 0, 0)


@dataclass
class ExecutionMode:
    """A way to run a model.

    Attributes:
        open: loads the model, once, when the mode is first switched on.
    """

    name: str
    open: Callable[[], Estimator]
    speed: FrameRateMeter = field(default_factory=FrameRateMeter)

    @cached_property
    def estimator(self) -> Estimator:
        """The model for this mode."""
        return self.open()


@dataclass
class Player:
    """Plays a source once.

    Attributes:
        modes: the first one runs first; Tab switches to the next.
        is_video: whether the model may use that frames follow each other, as ``Estimator.stream``
            says.
        video: how the people are tracked.
        monitors: they are drawn into frames; their keys show and hide them.
        min_score: poses and keypoints with a lower score are not drawn.
        within: the maximum width and height of drawn frames; None: no limit.
        screen: the window that shows frames; None: no window.
        on_poses: receives each frame and its poses, in order.
        frames: the number of finished frames.
        has_people: whether a person with a sufficient score was in one of them.
    """

    source: FrameSource
    modes: Sequence[ExecutionMode]
    _: KW_ONLY
    monitors: UtilizationMonitor
    is_video: bool = False
    video: VideoOptions = field(default_factory=VideoOptions)
    min_score: float = 0.1
    within: Size | None = None
    screen: Window | None = None
    outputs: Sequence[FrameOutput] = ()
    on_poses: Callable[[Frame, list[Pose]], None] = lambda frame, poses: None
    steps: StepTimer = field(default_factory=StepTimer)
    frames: int = 0
    has_people: bool = False
    _mode_index: int = 0
    _is_exhausted: bool = False
    _is_quitting: bool = False
    _is_switching: bool = False
    # What the window shows while no frame comes.
    _shown: Image | None = None
    # How wide people are drawn, as ``draw`` keeps it.
    _recent: dict[Any, Array] = field(default_factory=dict)
    # The frames that the model has, and when it got them, by their index.
    _submitted: dict[int, tuple[Frame, float]] = field(default_factory=dict)

    @cached_property
    def _tracker(self) -> SceneTracker:
        return SceneTracker(smooth=self.video.smooth)

    @property
    def _waits_for_key(self) -> bool:
        """An image on a screen stays until a key is pressed."""
        return self.screen is not None and bool(self.source.image_paths)

    @property
    def mode(self) -> ExecutionMode:
        """The current mode."""
        return self.modes[self._mode_index % len(self.modes)]

    def play(self) -> None:
        """Play all frames, until the source ends or the user quits.

        Raises:
            InferenceError: the model fails.
            OutputError: a frame cannot be written.
        """
        with closing(self.source.frames()) as frames:
            while not (self._is_exhausted or self._is_quitting):
                estimator = self.mode.estimator
                self.mode.speed.start(time.perf_counter())
                self._is_switching = False
                results = estimator.stream(
                    _PlayedFrames(self, frames),
                    attrgetter("image"),
                    is_video=self.is_video,
                    detect_every=self.video.detect_every,
                )
                try:
                    with closing(results):
                        for frame, poses in results:
                            _, begun = self._submitted.pop(frame.index)
                            self.steps.add("find poses", time.perf_counter() - begun)
                            self._finish(frame, poses)
                except InferenceError as error:
                    # The results are in order: it failed on the first frame that has none.
                    frame, _ = self._submitted[min(self._submitted)]
                    raise error.within(frame.name) from error
                self._mode_index += self._is_switching

    def read(self, frames: Iterator[Frame]) -> Frame | None:
        """The next frame for the current mode; None if it ends."""
        # Start no other frame: its latency would include the wait for a key.
        is_waiting = self._waits_for_key and bool(self._submitted)
        if self._is_quitting or self._is_switching or is_waiting:
            return None
        with self.steps.time_step("read"):
            self.wait(lambda: False)
            frame = None if self._is_quitting else next(frames, None)
        if frame is None:
            self._is_exhausted = True
            return None
        self._submitted[frame.index] = frame, time.perf_counter()
        return frame

    def wait(self, until: Callable[[], bool]) -> bool:
        """Wait for a frame or until something is true, as in ``FrameSource``; the window shows
        meanwhile for how long no frame has come.
        """
        while not self._is_quitting:
            is_due = partial(_has_passed, time.perf_counter() + _LOOK_S)
            is_there = self.source.wait(lambda: until() or is_due())  # noqa: B023 called at once
            if is_there or until():
                return is_there
            self._show_outage()
        return True  # the end

    def _show_outage(self) -> None:
        """Show the last picture in grey, and since when there is no newer one."""
        if not self.screen or self._shown is None or self.source.state == "live":
            return
        image = (self._shown // 2 + 64).astype(np.uint8)
        away_s = time.time() - self.source.since
        draw_text(image, ["", "", "", "", f"{self.source.state}, {away_s:.0f} s without a picture"])
        self._handle_key(self.screen.show(image))

    def _finish(self, frame: Frame, poses: Sequence[Pose]) -> None:
        poses = self._select(frame, poses)
        key = ""
        if self.screen or self.outputs:
            with self.steps.time_step("draw"):
                image = self._draw(frame, poses)
            if self.screen:
                with self.steps.time_step("show"):
                    key = self.screen.show(image)
                    self._shown = image
        with self.steps.time_step("write"):
            for output in self.outputs:
                output.write(frame, image)
            self.on_poses(frame, poses)
        self.frames += 1
        self.has_people |= bool(poses)
        self.mode.speed.frame_done(frame.begun, time.perf_counter())
        if self.screen is None or not self._waits_for_key:
            self._handle_key(key)
            return
        while self._handle_key(key or self.screen.wait_for_key()):
            key = self.screen.show(self._draw(frame, poses))

    def _select(self, frame: Frame, poses: Sequence[Pose]) -> list[Pose]:
        selected = [pose for pose in poses if pose.score >= self.min_score]
        if not (self.video.track or self.video.smooth):
            return selected
        # Not by the stream, since each mode has its own.
        return self._tracker.track(frame.image, selected, self.source.time_s(frame))

    def _draw(self, frame: Frame, poses: Sequence[Pose]) -> Image:
        image = draw_poses(
            frame.image,
            poses,
            min_score=self.min_score,
            within=self.within,
            in_place=not self._waits_for_key,  # then the frame is drawn again
            recent=self._recent,
        )
        lines = [self.mode.name]
        if (recent := self.mode.speed.recent()) is not None:
            lines += [f"FPS: {recent[0]:.1f}", f"Latency: {recent[1]:.1f} ms"]
        if self.source.is_live:
            live = f"Age: {frame.age_s:.2f} s, {frame.dropped} dropped"
            lines.append(live if self.source.state == "live" else f"{live}, {self.source.state}")
        draw_text(image, lines)
        self.monitors.draw(image)
        return image

    def _handle_key(self, key: str) -> bool:
        """Handle a key; returns whether the frame must be drawn again."""
        if key in QUIT or (self.screen and not self.screen.is_open):
            self._is_quitting = True
        elif key == TAB:
            self._is_switching = True
        return self.monitors.toggle(key)


def _has_passed(moment: float) -> bool:
    return time.perf_counter() > moment


@dataclass
class _PlayedFrames:
    """The frames of one mode; ``Arrivals`` for ``Estimator.stream``, which does not close them."""

    player: Player
    frames: Iterator[Frame]

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        frame = self.player.read(self.frames)
        if frame is None:
            raise StopIteration
        return frame

    def wait(self, until: Callable[[], bool]) -> bool:
        return self.player.wait(until)

    def wake(self) -> None:
        self.player.source.wake()

    def close(self) -> None:
        """The next mode continues."""


def draw_poses(
    image: Image,
    poses: Sequence[Pose],
    *,
    min_score: float,
    within: Size | None = None,
    in_place: bool = False,
    recent: dict[Any, Array] | None = None,
) -> Image:
    """Draw poses into an image, which is reduced in size if requested.

    Args:
        image: (height, width, 3) uint8, BGR; it is not changed, unless ``in_place`` is set.
        poses: in pixels of the image.
        min_score: keypoints with a lower score are left out.
        within: the maximum width and height of the result, which keeps the aspect ratio; None: no
            limit.
        in_place: whether an image that keeps its size may be drawn into.
        recent: as in ``draw``.
    """
    width, height = image_size(image)
    scale = 1.0
    if within is not None:
        scale = min(1.0, within[0] / width, within[1] / height)
    if scale == 1:
        return draw(image, poses, min_score=min_score, in_place=in_place, recent=recent)
    cv2 = import_cv2()
    size = [max(1, round(side * scale)) for side in (width, height)]
    smaller = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    scaled = []
    for pose in poses:
        keypoints = pose.keypoints * np.array([scale, scale, 1], np.float32)
        x0, y0, x1, y1 = (side * scale for side in pose.box)
        scaled.append(replace(pose, keypoints=keypoints, box=(x0, y0, x1, y1)))
    return draw(smaller, scaled, min_score=min_score, in_place=True, recent=recent)


def draw_text(canvas: Image, lines: Sequence[str]) -> None:
    """Write lines into the upper left corner of an (H, W, 3) uint8 BGR image."""
    scale = min(max(0.4, canvas.shape[0] / 900), canvas.shape[1] / 600)
    for number, line in enumerate(lines, start=1):
        position = (round(12 * scale), round(30 * scale * number))
        write_text(canvas, line, position, 0.8 * scale, color=_TEXT, edge=_EDGE)


def format_pose(pose: Pose) -> str:
    """A pose as numbers: its score, then x, y in pixels and the score of each keypoint; without
    keypoints its label and score, then the box in pixels if it is not the whole image.
    """
    if not len(pose.keypoints):
        box = () if pose.skeleton == "class" else pose.box
        return " ".join([pose.label or "person", f"{pose.score:.2f}", *(f"{x:.1f}" for x in box)])
    numbers = (f"{x:.1f} {y:.1f} {score:.2f}" for x, y, score in pose.keypoints.tolist())
    return f"{pose.score:.2f} " + " ".join(numbers)


def summarize_run(player: Player, failures: Sequence[PosezooError]) -> dict[str, Any]:
    """The summary as JSON values: ``frames``, ``modes``, ``steps_ms``, ``outputs``, ``machine``,
    ``failed``.

    A step's time is the mean over all frames, of which several run at the same time.
    """
    modes = {
        mode.name: {
            "frames": mode.speed.frames,
            "fps": round(mode.speed.fps, 2),
            "latency_ms": round(mode.speed.latency_ms, 2),
        }
        for mode in player.modes
    }
    mean_ms = player.steps.mean_ms(player.frames)
    live = {}
    if player.source.is_live:
        live = {"dropped": player.source.dropped, "state": player.source.state}
    outputs = [
        {"path": str(output.path), "written": output.written, "dropped": output.dropped}
        for output in player.outputs
    ]
    return {
        "frames": player.frames,
        **live,
        "modes": modes,
        "steps_ms": {name: round(value, 3) for name, value in mean_ms.items()},
        "outputs": outputs,
        "machine": player.monitors.summary(),
        "failed": [error.problem for error in failures],
    }


def format_summary(summary: dict[str, Any]) -> list[str]:
    """The summary as lines of text."""
    lines = [format_count(summary["frames"], "frame")]
    if "dropped" in summary:
        lines[0] += f", {summary['dropped']} dropped since newer ones came"
    for name, mode in summary["modes"].items():
        if mode["frames"]:
            speed = f"{mode['fps']:8.1f} FPS {mode['latency_ms']:9.1f} ms latency"
            lines.append(f"{name:15} {mode['frames']:6} frames {speed}")
        else:
            lines.append(f"{name:15} not used")
    lines += [f"{value:9.2f} ms  {name}" for name, value in summary["steps_ms"].items()]
    if machine := summary["machine"]:
        gib = machine["memory_bytes"] / (1 << 30)
        lines.append(f"CPU {machine['cpu_share']:.0%} busy, at most {gib:.1f} GiB of memory in use")
    for output in summary["outputs"]:
        dropped = ""
        if output["dropped"]:
            dropped = f", {output['dropped']} dropped: writing was too slow"
        lines.append(f"{output['path']}: {output['written']} written{dropped}")
    return lines
