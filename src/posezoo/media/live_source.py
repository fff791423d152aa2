"""A camera or a stream: its thread opens it, reads it, keeps the newest frame, and connects again.

The state goes from ``opening`` to ``live``, and from ``reconnecting`` back to ``live`` or to
``lost``. Each change is news, which the thread that waits for frames reports at once.
"""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from weakref import WeakSet

from posezoo.console.labels import format_count
from posezoo.core.errors import ImageError, LostCameraError, PosezooError, redact_secrets
from posezoo.core.events import SourceChanged
from posezoo.core.operating_system import call_in_forks
from posezoo.core.values import frozen
from posezoo.media.captures import (
    SILENCE_S,
    CameraMode,
    Capture,
    FrameSteps,
    describe_lost,
    ended_early,
    explain_interlaced,
)
from posezoo.media.ffmpeg import decoder_errors
from posezoo.media.frames import Frame, FrameSource
from posezoo.media.images import Image
from posezoo.media.video_file import MAX_EVEN_FPS

# How long the first attempt may take, and how long ``close`` and the end of Python wait for the
# thread.
_OPENING_S = 3 * SILENCE_S
_CLOSING_S = 0.5
_ENDING_S = 2.0

# Between two attempts to open a source: one that is back has frames within 2 s.
_PAUSE_S = 1.0
# How often a wait looks at the clock, so that silence and limits are seen.
_LOOK_S = 1.0


#: Receives the name of a source, and why it is lost.
OnLost = Callable[[str, LostCameraError], object]


@frozen
class Reconnection:
    """For how many seconds a source that dropped is opened again, endlessly if that is infinite;
    ``from_start``: also if it cannot be opened the first time.
    """

    limit_s: float
    from_start: bool = False


class LiveSource(FrameSource):
    """A camera or a stream, read by a thread of its own.

    Args:
        target: the path of a device, a pipe or a file, an address, or the number of a camera.
        report: receives each change of the state, in the thread that waits for frames.
        warn: receives messages about other problems, also there.
        live: whether its frames must be processed in time; None: unless it states how many frames
            it has, as a video at an http address does, but no camera.
        newest: whether only the newest frame is kept, and those before it that nobody took are
            counted; otherwise it waits until each frame is taken. None: if it is live.
        mode: what a camera of this machine is asked for.
        changed: what is notified if there is a frame or news; several sources may share it.
    """

    def __init__(
        self,
        target: Path | str | int,
        reconnection: Reconnection,
        report: Callable[[SourceChanged], object],
        warn: Callable[[str], object],
        *,
        live: bool | None = None,
        newest: bool | None = None,
        mode: CameraMode = CameraMode(),  # noqa: B008 it is frozen
        changed: threading.Condition | None = None,
    ) -> None:
        self.name = f"camera {target}" if isinstance(target, int) else redact_secrets(str(target))
        self.state, self.since = "opening", time.time()
        self._target = target
        self._reconnection = reconnection
        self._report, self._warn = report, warn
        self._live, self._newest, self._mode = live, newest, mode
        self._changed = changed or threading.Condition()
        self._capture: Capture | None = None
        self._frame: Frame | None = None  # the newest one, until it is taken
        self._error: PosezooError | None = None
        self._news: deque[SourceChanged | str] = deque()
        self._is_asked = False
        self._is_interlaced = False
        self._arrived = time.perf_counter()
        tried_s = reconnection.limit_s if reconnection.from_start else 0.0
        self._lost_at = self._arrived + max(tried_s, _OPENING_S)
        self._steps = FrameSteps()
        self._stated_s = 0.0
        self._last_arrived = self._arrived
        self._tell(self._describe())
        self._thread = threading.Thread(target=self._work, name=f"posezoo {self.name}", daemon=True)
        _OPEN.add(self)
        self._thread.start()

    def wait_until_open(self) -> None:
        """Wait until it is open.

        Raises:
            ImageError: it cannot be opened.
        """
        try:
            self.wait(lambda: self.state != "opening")
            if self.state in ("opening", "lost", "closed"):
                raise self._error or ImageError(f"{self.name}: does not answer")
        except BaseException:
            self.close()
            raise

    def frames(self) -> Generator[Frame, None, None]:
        """The frames as they come.

        Raises:
            LostCameraError: it dropped, and could not be opened again in time.
        """
        try:
            while frame := self.take():
                yield frame
        finally:
            self.close()

    def take(self) -> Frame | None:
        """The next frame, which is waited for; None at the end.

        Raises:
            LostCameraError: as for ``frames``.
        """
        self._is_asked = True
        self.wait(lambda: False)
        with self._changed:
            frame, self._frame = self._frame, None
            if frame is None and self.state in _OPEN_STATES:
                self._change("lost")  # the limit has passed while an attempt hangs
            self._changed.notify_all()
        self.report_news()
        if frame is None and self.state == "lost":
            self.close()
            raise self._error or LostCameraError(f"{self.name}: was disconnected")
        return frame

    def has_frame_or_end(self) -> bool:
        """Whether there is a frame, the end, or an error; the caller has the lock."""
        now = time.perf_counter()
        if self.state == "live" and now - self._arrived > SILENCE_S and self._capture:
            self._capture.interrupt()  # bytes come, but no frame
        is_over = self.state not in _OPEN_STATES or not self._thread.is_alive()
        return self._frame is not None or is_over or now >= self._lost_at

    @property
    def patience_s(self) -> float:
        """After how many seconds ``has_frame_or_end`` is to be asked again at the latest."""
        return min(max(self._lost_at - time.perf_counter(), 0.0), _LOOK_S)

    @property
    def has_news(self) -> bool:
        """Whether a change or a message was not reported yet."""
        return bool(self._news)

    def report_news(self) -> None:
        """Report each change and message that was not reported yet."""
        while self._news:
            news = self._news.popleft()
            if isinstance(news, str):
                self._warn(news)
            else:
                self._report(news)

    def wait(self, until: Callable[[], bool]) -> bool:
        """As in ``FrameSource``."""
        return _wait([self], self._changed, until)

    def wake(self) -> None:
        """As in ``FrameSource``."""
        with self._changed:
            self._changed.notify_all()

    def close(self, limit_s: float = _CLOSING_S) -> None:
        """Release it, within a second; a thread that waits for a frame gets the end."""
        with self._changed:
            if self.state in _OPEN_STATES:
                self.state = "closed"  # by its owner, who needs no news of it
            if self._capture:
                self._capture.interrupt()
            self._changed.notify_all()
        # A silent camera of this machine, or one with RTSP, returns up to SILENCE_S later.
        self._thread.join(limit_s)

    def _work(self) -> None:
        try:
            self._read_to_the_end()
        except PosezooError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 it is raised where frames are waited for
            self._error = ImageError(f"{self.name}: cannot be read: {error}")
        self._change("lost")

    def _read_to_the_end(self) -> None:
        capture = self._open_first()
        if capture is None:
            return
        self.fps, self.size = capture.fps, capture.size
        self.even_fps = min(self.fps, MAX_EVEN_FPS)
        if capture.has_end:
            self.frame_count = max(0, int(capture.stated_frames))
        self.is_live = not self.frame_count if self._live is None else self._live
        self._newest = self.is_live if self._newest is None else self._newest
        if other_mode := capture.explain_mode():
            self._tell(other_mode)
        self._change("live")
        indices = count()
        shown_s = 0.0
        while self.state == "live":
            connected = time.perf_counter()
            read, first_s = 0, shown_s
            for image, begun, arrived in self._images(capture):
                shown_s += self._step_s(capture, arrived, is_first=not read)
                first_s = first_s if read else shown_s
                read += 1
                self._put(Frame(next(indices), self.name, image, begun, shown_s, arrived))
            capture.close()
            reached = (shown_s - first_s) * self.fps
            if self.frame_count and not ended_early(self.frame_count, read, reached):
                self._change("ended")
            elif self.state == "live":
                capture = self._connect_again(read, connected) or capture
        capture.close()

    def _images(self, capture: Capture) -> Iterator[tuple[Image, float, float]]:
        """Each image, with the times before it was read and when it arrived."""
        read: Callable[[Capture], Image | None] = self._read_first
        while self.state == "live":
            begun = time.perf_counter()
            image = read(capture)
            if image is None:
                return
            yield image, begun, time.perf_counter()
            read = Capture.read

    def _read_first(self, capture: Capture) -> Image | None:
        with decoder_errors() as errors:
            image = capture.read()
        if not errors.are_interlaced or self._is_interlaced:
            return image
        error = explain_interlaced(self.name)
        if capture.has_end:
            raise error
        self._is_interlaced = True
        self._tell(f"{error.problem}: its frames are black, or show an earlier one")
        return image

    def _connect(self) -> Capture:
        self._capture = Capture(self._target, self.name, mode=self._mode)
        return self._capture.open()

    def _put(self, frame: Frame) -> None:
        with self._changed:
            if not self._newest:
                self._changed.wait_for(lambda: self._frame is None or self.state != "live")
            elif self._frame is not None and self._is_asked:
                self.dropped += 1
            self._arrived = time.perf_counter()
            self._frame = replace(frame, dropped=self.dropped)
            self._changed.notify_all()

    def _step_s(self, capture: Capture, arrived: float, *, is_first: bool) -> float:
        """The time since the last frame as the stream states it; else, from read to read."""
        stated_s = capture.position_s
        step_s, read_step_s = stated_s - self._stated_s, arrived - self._last_arrived
        self._stated_s, self._last_arrived = stated_s, arrived
        if is_first or not capture.has_times or not 0 < step_s < SILENCE_S:
            return read_step_s
        self._steps.add(step_s)
        return step_s

    def _open_first(self) -> Capture | None:
        """The first connection; None if the source is closed meanwhile.

        Raises:
            PosezooError: it cannot be opened, and is not tried again, or not in time.
        """
        began = time.perf_counter()
        try:
            return self._connect()
        except ImageError as error:
            if not self._reconnection.from_start:
                raise
            self._error = LostCameraError(error.problem, hint=error.hint)
            if not self._reconnection.limit_s:
                raise self._error from error
            self._tell(f"{error.problem}; trying again")
        return self._try_again("opening", began)

    def _connect_again(self, read: int, connected: float) -> Capture | None:
        """The next connection; None if it takes too long, or the source is closed."""
        now = time.perf_counter()
        # The outage began with the silence.
        is_silent = now - self._arrived > SILENCE_S / 2
        began = max(self._arrived, connected) if is_silent else now
        dropped = f"{self.name}: was disconnected after {format_count(read, 'frame')}"
        limit_s = self._reconnection.limit_s
        away = f", and was not back within {limit_s:g} s" if limit_s else ""
        hint = "reconnect_s, or --reconnect, says for how long it is opened again"
        self._error = LostCameraError(f"{dropped}{away}", hint=hint)
        if not limit_s:
            self._change("lost")
            return None
        self._change("reconnecting", f"{dropped}; trying to connect again", began)
        capture = self._try_again("reconnecting", began)
        if capture:
            away_s = time.perf_counter() - began
            self._change("live", f"{self.name}: is connected again, after {away_s:.1f} s")
        return capture

    def _try_again(self, state: str, began: float) -> Capture | None:
        """Open it every second, while it is in this state and the time since ``began`` lasts."""
        with self._changed:
            self._lost_at = max(began + self._reconnection.limit_s, time.perf_counter())
        while True:
            with self._changed:
                left_s = self._lost_at - time.perf_counter()
                self._changed.wait_for(lambda: self.state != state, min(_PAUSE_S, max(left_s, 0)))
                if self.state != state or left_s <= 0:
                    self._change("lost")  # unless it was closed
                    return None
            with suppress(ImageError):
                return self._connect()

    def _change(self, state: str, message: str = "", since: float | None = None) -> None:
        """Enter a state, unless the source has ended; ``since`` is a time of ``perf_counter``."""
        with self._changed:
            if self.state in _OPEN_STATES:
                if state in ("ended", "lost") and (lost := self._steps.count_lost()):
                    self._tell(describe_lost(self.name, lost))
                self.state = state
                if state == "live":
                    # A new connection is silent from now on, not since the former one's last frame.
                    self._arrived, self._lost_at = time.perf_counter(), math.inf
                ago_s = 0.0 if since is None else time.perf_counter() - since
                self.since = time.time() - ago_s
                self._tell(self._describe(message))
            self._changed.notify_all()

    def _describe(self, message: str = "") -> SourceChanged:
        return SourceChanged(self.name, self.state, self.since, message)

    def _tell(self, news: SourceChanged | str) -> None:
        with self._changed:
            self._news.append(news)
            self._changed.notify_all()


#: The states from which others follow.
_OPEN_STATES = ("opening", "live", "reconnecting")


def _wait(
    sources: Sequence[LiveSource], changed: threading.Condition, until: Callable[[], bool]
) -> bool:
    """Wait for a frame or the end of one of the sources, or until something is true, and report
    their news meanwhile; whether a source has a frame or its end.
    """
    while True:
        for source in list(sources):
            source.report_news()
        with changed:
            if not sources or any(source.has_frame_or_end() for source in sources):
                return True
            if until():
                return False
            if not any(source.has_news for source in sources):
                changed.wait(min(source.patience_s for source in sources))


class SourceGroup:
    """Several live sources, whose frames are taken in turn: first those of the source that waits
    longest.

    Args:
        changed: what all of them notify.
        on_lost: receives the name and the error of a source that is lost; None: it is raised.

    Raises:
        ImageError: one of them is not live, or there is none.
    """

    def __init__(
        self,
        sources: Sequence[FrameSource],
        changed: threading.Condition,
        on_lost: OnLost | None,
    ) -> None:
        self._sources: list[LiveSource] = []
        for source in sources:
            if not isinstance(source, LiveSource):
                raise ImageError(f"{source.name}: is not live", hint="model.stream reads it")
            self._sources.append(source)
        if len({source.name for source in self._sources}) < len(self._sources) or not sources:
            raise ImageError("the sources must have different names, and there must be one")
        self._changed = changed
        self._on_lost = on_lost

    @staticmethod
    def time_s(frame: Frame) -> float:
        """When a frame was taken, in seconds after the start of its source."""
        return frame.shown_s or 0.0

    def __iter__(self) -> SourceGroup:
        return self

    def __next__(self) -> Frame:
        while self._sources:
            source = self._next_source()
            try:
                if frame := source.take():
                    self._sources.append(source)
                    return frame
            except LostCameraError as error:
                if self._on_lost is None:
                    raise
                self._on_lost(source.name, error)
        raise StopIteration

    def _next_source(self) -> LiveSource:
        """Wait for a source with a frame, and take it out of the others, which waited less long."""
        self.wait(lambda: False)
        with self._changed:
            ready = next(source for source in self._sources if source.has_frame_or_end())
        self._sources.remove(ready)
        return ready

    def wait(self, until: Callable[[], bool]) -> bool:
        """As in ``FrameSource``."""
        return _wait(self._sources, self._changed, until)

    def wake(self) -> None:
        """As in ``FrameSource``."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Release all of them."""
        for source in self._sources:
            source.close()


_OPEN: WeakSet[LiveSource] = WeakSet()


def _forget_all() -> None:
    """A fork has none of its parent's threads, which may have held the locks."""
    for source in list(_OPEN):
        source._changed = threading.Condition()
        source._frame, source.state = None, "lost"
        source._error = LostCameraError(
            f"{source.name}: was opened in another process", hint="open it in the new process"
        )
    _OPEN.clear()


def _close_all() -> None:
    for source in list(_OPEN):
        source.close(_ENDING_S)


# A thread that returns from OpenCV while Python ends would abort the process.
atexit.register(_close_all)
call_in_forks(_forget_all)
