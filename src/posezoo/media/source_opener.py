"""Open videos, cameras and streams for a program: problems become warnings, or go to a listener."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from posezoo.core.errors import ImageWarning
from posezoo.core.events import Listener, SourceChanged, WarningIssued
from posezoo.core.values import frozen
from posezoo.media.captures import CameraMode
from posezoo.media.frame_sources import is_live_name, open_source
from posezoo.media.frames import FrameSource
from posezoo.media.live_source import OnLost, SourceGroup

#: Receives the name of a camera or stream, its state, and since when, in seconds since 1970.
OnState = Callable[[str, str, float], object]

#: A path or an address, or the number of a camera.
SourceName = str | os.PathLike[str] | int


@frozen
class SourceOpener:
    """Opens sources as ``Estimator.stream`` says, whose words these are."""

    listener: Listener | None
    on_state: OnState | None
    reconnect_s: float | None
    live: bool | None
    newest: bool | None
    mode: CameraMode

    def is_live(self, name: SourceName) -> bool:
        """Whether it is a camera, a stream, or a file that is to be treated as one."""
        return is_live_name(_to_text(name)) or bool(self.live)

    def open(self, name: SourceName) -> FrameSource:
        """Open one source.

        Raises:
            ImageError: it cannot be opened.
        """
        return self._open(_to_text(name))

    def open_group(self, names: Sequence[SourceName], on_lost: OnLost | None) -> SourceGroup:
        """Open several live sources, none of which waits for another.

        Raises:
            ImageError: one of them is not live, or there is none.
        """
        changed = threading.Condition()
        with ExitStack() as stack:
            sources = []
            for name in names:
                source = self._open(_to_text(name), changed=changed, among_others=True)
                stack.callback(source.close)
                sources.append(source)
            group = SourceGroup(sources, changed, on_lost)
            stack.pop_all()
        return group

    @property
    def _open(self) -> Callable[..., FrameSource]:
        return partial(
            open_source,
            report_error=self._warn,
            warn=self._warn,
            report=self._report,
            reconnect_s=self.reconnect_s,
            live=self.live,
            newest=self.newest,
            mode=self.mode,
        )

    def _warn(self, problem: object) -> None:
        if self.listener:
            self.listener(WarningIssued(str(problem)))
        else:
            warnings.warn(str(problem), ImageWarning, stacklevel=1)

    def _report(self, event: SourceChanged) -> None:
        if self.listener:
            self.listener(event)
        elif event.message:
            warnings.warn(event.message, ImageWarning, stacklevel=1)
        if self.on_state:
            self.on_state(event.source, event.state, event.since)


def _to_text(name: SourceName) -> str:
    return str(name) if isinstance(name, int) else os.fspath(name)
