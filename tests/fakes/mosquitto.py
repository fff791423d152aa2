"""A real MQTT broker, and a subscriber that keeps what it gets."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fakes.ports import reserved_port
from fakes.waiting import wait_until

#: Debian puts it where users do not look.
PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


class Broker:
    """A broker on this machine.

    Args:
        folder: for its configuration.
        settings: further lines of its configuration.
    """

    def __init__(self, folder: Path, *settings: str, port: int | None = None) -> None:
        self._stack = ExitStack()
        self.port = port or self._stack.enter_context(reserved_port())
        self._config = folder / f"mosquitto-{self.port}.conf"
        # Otherwise root becomes a user who may not read the test's folder.
        lines = [f"listener {self.port} 127.0.0.1", "user root", *settings]
        self._config.write_text("\n".join([*lines, ""]))
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Broker:
        if PROGRAM is None:
            pytest.skip("needs mosquitto")
        self._process = subprocess.Popen(
            [PROGRAM, "-c", self._config], stderr=subprocess.PIPE, text=True
        )
        # The log says when it listens.
        for line in self._process.stderr:
            if "running" in line:
                break
        else:
            pytest.fail("mosquitto does not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._process.stderr.close()
        self._stack.close()


@contextmanager
def subscriber(port: int, topic: str) -> Iterator[list[str]]:
    """The messages so far."""
    paho = pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")
    messages: list[str] = []
    subscribed = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: messages.append(message.payload.decode())
    client.on_subscribe = lambda *_: subscribed.append(True)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe(topic)
    wait_until(lambda: subscribed)
    yield messages
    client.disconnect()
    client.loop_stop()
