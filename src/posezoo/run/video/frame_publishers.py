"""Publish the poses of each frame as soon as they are found, as JSON lines and MQTT messages.

Each line is a JSON object: ``time`` (UTC, when the frame was read), ``seconds`` (its time in the
video), and the keys of ``frame_to_json``. The first one also has ``provenance``: what ran.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import field
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import Any, TextIO
from urllib.parse import urlsplit

from posezoo.core.errors import OutputError, import_optional
from posezoo.core.files.staging import create_parent
from posezoo.core.files.verified_files import write_error, writing
from posezoo.core.values import frozen
from posezoo.poses.keypoints import Pose
from posezoo.run.video.frame_outputs import frame_to_json
from posezoo.run.video.frame_sources import Frame, FrameSource

#: The variables with the user and the password for a broker; else ~/.netrc has them.
USER = "MQTT_USERNAME"
PASSWORD = "MQTT_PASSWORD"

_TOPIC = "posezoo"
_PORTS = {"mqtt": 1883, "mqtts": 8883}

# How long to wait for an answer of the broker.
_ANSWER_S = 10


def is_stdout(path: Path | None) -> bool:
    """Whether a path stands for the standard output."""
    return path == Path("-")


@frozen
class FramePublisher:
    """Publishes the poses of frames.

    Attributes:
        receivers: each gets a line of JSON, without its end.
        first_keys: what only the first line has, besides the others' keys.
    """

    receivers: Sequence[Callable[[str], None]]
    first_keys: dict[str, Any] = field(default_factory=dict)

    def __call__(
        self, source: FrameSource, frame: Frame, poses: Sequence[Pose], min_score: float
    ) -> None:
        """Publish the poses of a frame; keypoints of ``min_score`` or more are drawn.

        Raises:
            OutputError: a file cannot be written.
        """
        if not self.receivers:
            return
        read = datetime.now(timezone.utc) - timedelta(seconds=time.perf_counter() - frame.begun)
        message = {
            "time": read.isoformat(timespec="milliseconds"),
            "seconds": round(source.time_s(frame), 3),
            **frame_to_json(frame, poses, min_score),
            **self.first_keys,
        }
        self.first_keys.clear()
        line = json.dumps(message)
        for receive in self.receivers:
            receive(line)


def open_publisher(
    json_lines: Path | None,
    mqtt: MqttTopic | None,
    stack: ExitStack,
    *,
    warn: Callable[[str], None],
) -> FramePublisher:
    """The publisher that the user asks for; the stack closes what it writes to.

    Args:
        json_lines: a file, to which lines are appended; ``-`` for the standard output.
        mqtt: where messages are sent to.
        warn: receives a warning if the connection to the broker is lost.

    Raises:
        OutputError: the file cannot be written, or the broker cannot be reached or refuses.
        MissingPackageError: paho-mqtt is not installed.
    """
    receivers: list[Callable[[str], None]] = []
    if json_lines:
        stream = sys.stdout if is_stdout(json_lines) else _open(json_lines, stack)
        receivers.append(partial(_append, json_lines, stream))
    if mqtt:
        connection = MqttConnection(mqtt, warn)
        stack.callback(connection.close)
        receivers.append(connection.send)
    return FramePublisher(receivers)


def _open(path: Path, stack: ExitStack) -> TextIO:
    with writing(path):
        create_parent(path)
        stream = open(path, "a", encoding="utf-8")  # noqa: SIM115 the stack closes it
    stack.callback(_close, stream)
    return stream


def _append(path: Path, stream: TextIO, line: str) -> None:
    """Append a line, which a reader can see at once."""
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError:  # as for any command whose reader ends
        raise
    except OSError as error:
        raise write_error(path, error) from error


def _close(stream: TextIO) -> None:
    with suppress(OSError):  # each line was written at once
        stream.close()


@frozen
class MqttTopic:
    """A topic of a broker."""

    host: str
    port: int
    name: str
    is_encrypted: bool


def parse_mqtt_topic(text: str) -> MqttTopic:
    """Read ``[mqtt[s]://]HOST[:PORT][/TOPIC]``.

    Raises:
        ValueError: it is none, with a message for the user.
    """
    url = urlsplit(text if "://" in text else f"mqtt://{text}")
    if url.scheme not in _PORTS or not url.hostname or url.query:
        raise ValueError(f"expected HOST[:PORT][/TOPIC], or mqtts:// before it, got {text!r}")
    if "@" in url.netloc:
        raise ValueError(f"user and password belong in {USER} and {PASSWORD}, or ~/.netrc")
    if set(text) & {"+", "#"}:
        raise ValueError(f"a topic to publish to has neither + nor #, got {text!r}")
    port = url.port or _PORTS[url.scheme]
    name = url.path.strip("/") or _TOPIC
    return MqttTopic(url.hostname, port, name, is_encrypted=url.scheme == "mqtts")


class MqttConnection:
    """A connection to a broker; while it is lost, messages are dropped.

    Raises:
        OutputError: the broker cannot be reached, or refuses the user.
        MissingPackageError: paho-mqtt is not installed.
    """

    def __init__(self, topic: MqttTopic, warn: Callable[[str], None]) -> None:
        self._topic = topic
        self._warn = warn
        self._last: Any = None
        self._answers: Queue[Any] = Queue()
        self._is_open = False
        paho = import_optional("paho.mqtt.client", extra="mqtt")
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(*_login(topic.host))
        if topic.is_encrypted:
            self._client.tls_set()
        self._client.on_connect = lambda *event: self._answers.put(event[3])
        self._client.on_disconnect = self._report_loss
        place = f"{topic.host}:{topic.port}"
        try:
            self._client.connect(topic.host, topic.port)
            self._client.loop_start()
            answer = self._answers.get(timeout=_ANSWER_S)
        except (OSError, ValueError, Empty) as error:
            self._client.loop_stop()
            problem = f"{place}: {str(error) or 'the broker gives no answer'}"
            hint = "is the broker running, and is the port right?"
            raise OutputError(problem, hint=hint) from error
        if answer.is_failure:
            self.close()
            hint = f"set {USER} and {PASSWORD}, or use ~/.netrc"
            raise OutputError(f"{place}: the broker refuses the connection: {answer}", hint=hint)
        self._is_open = True

    def send(self, line: str) -> None:
        """Send a message."""
        self._last = self._client.publish(self._topic.name, line)

    def close(self) -> None:
        """Wait until the last message is sent, and disconnect."""
        self._is_open = False
        if self._last is not None:
            with suppress(RuntimeError, ValueError):  # it was dropped
                self._last.wait_for_publish(_ANSWER_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _report_loss(self, *event: object) -> None:
        if self._is_open:
            self._warn(
                f"{self._topic.host}: the connection is lost ({event[3]}); frames are dropped until"
                " it is back"
            )


def _login(host: str) -> tuple[str | None, str | None]:
    if USER in os.environ:
        return os.environ[USER], os.environ.get(PASSWORD)
    from requests.utils import get_netrc_auth

    return get_netrc_auth(f"mqtt://{host}") or (None, None)
