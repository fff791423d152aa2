"""The poses of each frame go out as they are found: to files, the standard output, and brokers."""

import json
import shutil
import subprocess
import time
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from fakes.mosquitto import Broker, subscriber
from fakes.ports import reserved_port
from fakes.waiting import wait_until
from posezoo.core.errors import OutputError
from posezoo.poses.keypoints import Pose
from posezoo.run.video.frame_publishers import (
    MqttTopic,
    is_stdout,
    open_publisher,
    parse_mqtt_topic,
)
from posezoo.run.video.frame_sources import Frame, FrameSource


class Video(FrameSource):
    """Frames of 48 x 64 pixels."""

    name, fps, size = "walk.mp4", 25.0, (64, 48)

    def frames(self):
        for index in range(10):
            image = np.zeros((48, 64, 3), np.uint8)
            yield Frame(index, self.name, image, time.perf_counter())


def person(track_id=None):
    keypoints = np.full((17, 3), 0.5, np.float32)
    return Pose(keypoints, "coco-17", 0.75, (1, 2, 3, 4), track_id=track_id)


def publish(frames=3, warn=print, **where):
    with ExitStack() as stack:
        publisher = open_publisher(where.get("json_lines"), where.get("mqtt"), stack, warn=warn)
        source = Video()
        for frame, _ in zip(source.frames(), range(frames), strict=False):
            publisher(source, frame, [person(frame.index + 1), person()], min_score=0.5)


def topic(broker, name="home/poses"):
    return parse_mqtt_topic(f"127.0.0.1:{broker.port}/{name}")


@pytest.fixture(autouse=True)
def no_login(monkeypatch, tmp_path):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("MQTT_USERNAME", "MQTT_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


# Lines


def test_each_frame_is_a_line_with_its_time_number_and_people(tmp_path):
    publish(json_lines=tmp_path / "new" / "poses.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "new" / "poses.jsonl").open()]
    assert [line["frame"] for line in lines] == [0, 1, 2]
    assert [line["seconds"] for line in lines] == [0, 0.04, 0.08]
    age = datetime.now(timezone.utc) - datetime.fromisoformat(lines[0]["time"])
    assert 0 <= age.total_seconds() < 60
    assert lines[1]["poses"] == [
        {"drawn": True, **person(2).to_json()},
        {"drawn": True, **person().to_json()},
    ]
    assert [pose["track_id"] for pose in lines[1]["poses"]] == [2, None]
    assert list(lines[0]) == ["time", "seconds", "frame", "name", "width", "height", "poses"]


def test_a_line_can_be_read_at_once_and_a_file_is_continued(tmp_path):
    path = tmp_path / "poses.jsonl"
    path.write_text('{"frame": "earlier"}\n')
    with ExitStack() as stack:
        publisher = open_publisher(path, None, stack, warn=print)
        source = Video()
        for count, frame in enumerate(source.frames(), 2):
            publisher(source, frame, [], min_score=0.5)
            assert len(path.read_text().splitlines()) == count


def test_the_standard_output_is_a_dash(capsys):
    assert is_stdout(Path("-")) and not is_stdout(Path("a")) and not is_stdout(None)
    publish(json_lines=Path("-"))
    assert [json.loads(line)["frame"] for line in capsys.readouterr().out.splitlines()] == [0, 1, 2]


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        publish(json_lines=tmp_path / "file" / "poses.jsonl")
    if Path("/dev/full").exists():
        with pytest.raises(OutputError, match="/dev/full: cannot be written"):
            publish(json_lines=Path("/dev/full"))


# Topics


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("broker.local", MqttTopic("broker.local", 1883, "posezoo", is_encrypted=False)),
        ("10.0.0.2:1884/home/poses", MqttTopic("10.0.0.2", 1884, "home/poses", is_encrypted=False)),
        ("mqtt://b/a/", MqttTopic("b", 1883, "a", is_encrypted=False)),
        ("mqtts://b", MqttTopic("b", 8883, "posezoo", is_encrypted=True)),
        ("[::1]:1883/x", MqttTopic("::1", 1883, "x", is_encrypted=False)),
    ],
)
def test_a_topic_is_host_port_and_name(text, expected):
    assert parse_mqtt_topic(text) == expected


@pytest.mark.parametrize(
    "text", ["", "/topic", "http://b", "b:port", "b:99999", "b/a/#", "b/+/a", "me:secret@b", "b?q"]
)
def test_what_is_no_topic_is_refused(text):
    with pytest.raises(ValueError, match=r".") as caught:
        parse_mqtt_topic(text)
    assert "secret" not in str(caught.value)


# Brokers


def test_each_frame_is_a_message(tmp_path):
    with (
        Broker(tmp_path, "allow_anonymous true") as broker,
        subscriber(broker.port, "home/#") as messages,
    ):
        publish(5, mqtt=topic(broker), json_lines=tmp_path / "poses.jsonl")
        wait_until(lambda: len(messages) == 5)
    assert messages == (tmp_path / "poses.jsonl").read_text().splitlines()


@pytest.fixture
def guarded(tmp_path):
    """A broker that lets in only me with a password."""
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("needs mosquitto")
    users = tmp_path / "users"
    subprocess.run([program, "-b", "-c", users, "me", "secret"], check=True)
    return Broker(tmp_path, "allow_anonymous false", f"password_file {users}")


def test_the_login_comes_from_the_environment_or_netrc(guarded, monkeypatch, tmp_path):
    with guarded as broker:
        with pytest.raises(OutputError, match="refuses the connection") as caught:
            publish(mqtt=topic(broker))
        assert "MQTT_USERNAME" in caught.value.hint
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
        (tmp_path / "netrc").chmod(0o600)
        publish(mqtt=topic(broker))
        monkeypatch.setenv("MQTT_USERNAME", "me")
        monkeypatch.setenv("MQTT_PASSWORD", "wrong")
        with pytest.raises(OutputError, match="refuses the connection"):
            publish(mqtt=topic(broker))
        monkeypatch.setenv("MQTT_PASSWORD", "secret")
        publish(mqtt=topic(broker))


def test_an_absent_broker_is_an_error():
    with reserved_port() as port:  # nobody listens there
        where = parse_mqtt_topic(f"127.0.0.1:{port}")
        with pytest.raises(OutputError, match=f"127.0.0.1:{port}: ") as caught:
            publish(mqtt=where)
    assert "running" in caught.value.hint


def test_mqtts_is_encrypted_and_checks_the_certificate(tmp_path, monkeypatch):
    trustme = pytest.importorskip("trustme", reason="needs trustme")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    settings = (f"certfile {tmp_path / 'cert.pem'}", f"keyfile {tmp_path / 'key.pem'}")
    with Broker(tmp_path, "allow_anonymous true", *settings) as broker:
        where = parse_mqtt_topic(f"mqtts://127.0.0.1:{broker.port}")
        with pytest.raises(OutputError, match="certificate"):
            publish(mqtt=where)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        publish(mqtt=where)


def test_a_lost_connection_costs_frames_not_the_run_and_is_said_once(tmp_path):
    warnings = []
    with ExitStack() as stack:
        first = Broker(tmp_path, "allow_anonymous true")
        with first:
            publisher = open_publisher(None, topic(first), stack, warn=warnings.append)
            source = Video()
            frames = source.frames()
            publisher(source, next(frames), [], min_score=0.5)
        wait_until(lambda: warnings)
        publisher(source, next(frames), [], min_score=0.5)
        again = Broker(tmp_path, "allow_anonymous true", port=first.port)
        with again, subscriber(again.port, "home/poses") as messages:
            last = next(frames)

            def arrives():
                publisher(source, last, [], min_score=0.5)
                time.sleep(0.1)
                return bool(messages)

            wait_until(arrives)
            stack.close()
    assert len(warnings) == 1 and "the connection is lost" in warnings[0]
    assert json.loads(messages[0])["frame"] == 2
