"""The poses of each frame as they are found: as JSON lines, and as messages of MQTT.

Each line is a JSON object: ``time`` (UTC, when the frame was read), ``seconds`` (its time in the
video), and the keys of ``frame_to_json``.
"""

from __future__ import annotations

import json
import netrc
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Any, TextIO
from urllib.parse import urlsplit

from posezoo.demo.frame_outputs import frame_to_json
from posezoo.demo.frame_sources import Frame, FrameSource
from posezoo.errors import OutputError, SettingsError, import_optional
from posezoo.files.verified_files import write_error
from posezoo.pose.keypoints import Pose

#: The variables with the user and the password for a broker; else ~/.netrc has them.
USER, PASSWORD = "MQTT_USERNAME", "MQTT_PASSWORD"

_TOPIC = "posezoo"
_PORTS = {"mqtt": 1883, "mqtts": 8883}

# A broker that does not answer for so long is taken for absent.
_ANSWER_S = 10


def is_stdout(path: Path | None) -> bool:
    """Whether a path stands for the standard output."""
    return path == Path("-")


class FramePublisher(ABC):
    """Passes each line on at once; must be closed."""

    @abstractmethod
    def publish(self, line: str) -> None:
        """Pass on one line of JSON, without its end.

        Raises:
            OutputError: it cannot be written.
        """

    @abstractmethod
    def close(self) -> None:
        """Wait for the last line, and release what was opened."""


class FramePublishers:
    """Several publishers of the same lines.

    Args:
        publishers: they are closed together.
    """

    def __init__(self, publishers: Iterable[FramePublisher] = ()) -> None:
        self._publishers = tuple(publishers)

    def __call__(self, source: FrameSource, frame: Frame, poses: Sequence[Pose]) -> None:
        """Publish the poses of a frame.

        Raises:
            OutputError: a file cannot be written.
        """
        if not self._publishers:
            return
        read = datetime.now(timezone.utc) - timedelta(seconds=time.perf_counter() - frame.begun)
        message = {
            "time": read.isoformat(timespec="milliseconds"),
            "seconds": round(source.time_s(frame), 3),
            **frame_to_json(frame, poses),
        }
        line = json.dumps(message)
        for publisher in self._publishers:
            publisher.publish(line)


def open_publishers(
    json_lines: Path | None,
    mqtt: MqttTopic | None,
    stack: ExitStack,
    *,
    warn: Callable[[str], None],
) -> FramePublishers:
    """The publishers that the user asks for; the stack closes them.

    Args:
        json_lines: a file, to which lines are appended; ``-`` for the standard output.
        mqtt: where messages are sent to.
        warn: receives a warning if the connection to the broker is lost.

    Raises:
        OutputError: the file cannot be written, or the broker cannot be reached or refuses.
        MissingPackageError: paho-mqtt is not installed.
    """
    publishers: list[FramePublisher] = []
    if json_lines is not None:
        publishers.append(JsonLinesFile(json_lines))
        stack.callback(publishers[-1].close)
    if mqtt is not None:
        publishers.append(MqttPublisher(mqtt, warn))
        stack.callback(publishers[-1].close)
    return FramePublishers(publishers)


class JsonLinesFile(FramePublisher):
    """Appends lines to a file, a pipe or the standard output."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: TextIO = sys.stdout
        if is_stdout(path):
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = open(path, "a", encoding="utf-8")  # noqa: SIM115 closed by close
        except OSError as error:
            raise write_error(path, error) from error

    def publish(self, line: str) -> None:
        """Append a line, which a reader can see at once."""
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except BrokenPipeError:  # as for any command whose reader ends
            raise
        except OSError as error:
            raise write_error(self._path, error) from error

    def close(self) -> None:
        """Close the file."""
        if not is_stdout(self._path):
            with suppress(OSError):
                self._stream.close()


@dataclass(frozen=True, slots=True)
class MqttTopic:
    """A topic of a broker."""

    host: str
    port: int
    topic: str
    is_encrypted: bool

    @property
    def broker(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


def parse_mqtt_topic(text: str) -> MqttTopic:
    """Read ``[mqtt[s]://]HOST[:PORT][/TOPIC]``.

    Raises:
        ValueError: it is none, with a message for the user.
    """
    url = urlsplit(text if "://" in text else f"mqtt://{text}")
    if url.scheme not in _PORTS or not url.hostname or url.query:
        raise ValueError(f"expected HOST[:PORT][/TOPIC], or mqtts:// before it, got {text!r}")
    if "@" in url.netloc:
        raise ValueError(f"user and password belong into {USER} and {PASSWORD}, or ~/.netrc")
    topic = url.path.strip("/") or _TOPIC
    if set(text) & {"+", "#"}:
        raise ValueError(f"a topic to publish to has neither + nor #, got {text!r}")
    port = url.port or _PORTS[url.scheme]
    return MqttTopic(url.hostname, port, topic, is_encrypted=url.scheme == "mqtts")


class MqttPublisher(FramePublisher):
    """Sends each line as a message; while the connection is lost, messages are dropped.

    Raises:
        OutputError: the broker cannot be reached, or refuses the user.
        MissingPackageError: paho-mqtt is not installed.
    """

    def __init__(self, topic: MqttTopic, warn: Callable[[str], None]) -> None:
        self._topic = topic
        self._warn = warn
        self._last: Any = None
        self._answered = Event()
        self._refusal = ""
        self._is_closing = False
        paho = import_optional("paho.mqtt.client", extra="mqtt")
        self._client = self._create_client(paho)
        try:
            self._client.connect(topic.host, topic.port)
        except (OSError, ValueError) as error:
            hint = "is the broker running, and is the port right?"
            raise OutputError(f"{topic.broker}: {error}", hint=hint) from error
        self._client.loop_start()
        if not self._answered.wait(_ANSWER_S):
            self._refusal = f"gave no answer in {_ANSWER_S} seconds"
        if self._refusal:
            self.close()
            hint = f"set {USER} and {PASSWORD}, or use ~/.netrc"
            raise OutputError(f"{topic.broker}: the broker {self._refusal}", hint=hint)

    def publish(self, line: str) -> None:
        """Send a message."""
        self._last = self._client.publish(self._topic.topic, line)

    def close(self) -> None:
        """Wait until the last message is sent, and disconnect."""
        self._is_closing = True
        if self._last is not None:
            with suppress(RuntimeError, ValueError):  # it was dropped
                self._last.wait_for_publish(_ANSWER_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _create_client(self, paho: ModuleType) -> Any:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        user, password = _login(self._topic.host)
        if user:
            client.username_pw_set(user, password)
        if self._topic.is_encrypted:
            client.tls_set()
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, _other: Any) -> None:
        if code.is_failure:
            self._refusal = f"refuses the connection: {code}"
        self._answered.set()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _other: Any) -> None:
        if self._answered.is_set() and not (self._is_closing or self._refusal):
            self._warn(
                f"{self._topic.broker}: the connection is lost ({code}); frames are dropped until"
                " it is back"
            )


def _login(host: str) -> tuple[str, str]:
    """User and password for a broker; empty if there are none.

    Raises:
        SettingsError: ~/.netrc cannot be read.
    """
    if user := os.environ.get(USER):
        return user, os.environ.get(PASSWORD, "")
    path = os.environ.get("NETRC") or Path("~/.netrc").expanduser()
    try:
        found = netrc.netrc(os.fspath(path)).authenticators(host)
    except FileNotFoundError:
        return "", ""
    except (OSError, netrc.NetrcParseError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    return (found[0], found[2]) if found else ("", "")
