"""Publish the poses of each frame as soon as they are found, as JSON lines.

A line of a frame has ``time`` (UTC, when the frame was read), ``seconds`` (its time in the video),
and the keys of ``frame_to_json``; of a live source also ``age_s``, ``dropped`` and ``state``; the
first one also ``provenance``. A line of a camera or stream that entered a state has ``event``
(``source``), ``source``, ``state`` and ``since``, in seconds since 1970.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TextIO

from posezoo.core.events import Listener, SourceChanged
from posezoo.core.files.staging import create_parent
from posezoo.core.files.verified_files import write_error, writing
from posezoo.core.values import frozen
from posezoo.media.frame_outputs import frame_to_json
from posezoo.media.frames import Frame, FrameSource
from posezoo.poses.keypoints import Pose


def is_stdout(path: Path | None) -> bool:
    """Whether a path stands for the standard output."""
    return path == Path("-")


@frozen
class FramePublisher:
    """Publishes the poses of frames.

    Attributes:
        path: where lines of JSON are appended, with its open stream; None for nowhere.
        first_keys: what only the first line has, besides the others' keys.
    """

    path: Path | None
    stream: TextIO
    first_keys: dict[str, Any] = field(default_factory=dict)

    def __call__(
        self, source: FrameSource, frame: Frame, poses: Sequence[Pose], min_score: float
    ) -> None:
        """Publish the poses of a frame at once; keypoints of ``min_score`` or more are drawn.

        Raises:
            OutputError: the file cannot be written.
        """
        if not self.path:
            return
        age_s = frame.age_s
        read = datetime.now(timezone.utc) - timedelta(seconds=age_s)
        live = {}
        if source.is_live:
            live = {"age_s": round(age_s, 3), "dropped": frame.dropped, "state": source.state}
        message = {
            "time": read.isoformat(timespec="milliseconds"),
            "seconds": round(source.time_s(frame), 3),
            **live,
            **frame_to_json(frame, poses, min_score),
            **self.first_keys,
        }
        self.first_keys.clear()
        self._print(message)

    def beside(self, listener: Listener) -> Callable[[SourceChanged], None]:
        """What tells a listener that a source entered a state, and publishes it.

        Raises:
            OutputError: as for a frame.
        """

        def tell(event: SourceChanged) -> None:
            listener(event)
            self._publish_state(event)

        return tell

    def _publish_state(self, event: SourceChanged) -> None:
        since = round(event.since, 3)
        state = {"event": "source", "source": event.source, "state": event.state, "since": since}
        self._print(state)

    def _print(self, message: Mapping[str, Any]) -> None:
        if not self.path:
            return
        try:
            print(json.dumps(message), file=self.stream, flush=True)
        except BrokenPipeError:  # as for any command whose reader ends
            raise
        except OSError as error:
            raise write_error(self.path, error) from error


def open_publisher(json_lines: Path | None, stack: ExitStack) -> FramePublisher:
    """The publisher to a file, or ``-`` for the standard output; the stack closes it.

    Raises:
        OutputError: the file cannot be written.
    """
    if json_lines is None or is_stdout(json_lines):
        return FramePublisher(json_lines, sys.stdout)
    with writing(json_lines):
        create_parent(json_lines)
        stream = open(json_lines, "a", encoding="utf-8")  # noqa: SIM115 the stack closes it
    stack.callback(_close, stream)
    return FramePublisher(json_lines, stream)


def _close(stream: TextIO) -> None:
    with suppress(OSError):  # each line was written at once
        stream.close()
