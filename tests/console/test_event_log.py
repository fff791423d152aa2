"""--log: what happened in a run is read from its file, also if the run was killed."""

import json
import signal
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fakes.command import assert_success, posezoo, start_posezoo
from fakes.server import Server
from fakes.waiting import HANG_S, wait_until
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.console.console import Console
from posezoo.console.event_log import EventLog
from posezoo.core import events
from posezoo.core.errors import OutputError


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def zoo(tmp_path):
    """Two models with a file each; the file of the second is not there."""
    (tmp_path / "net.bin").write_bytes(b"abc")
    here = declared_file(tmp_path / "net.bin")
    write_model(tmp_path / "models", "good", model_yml(files=[here]))
    write_model(
        tmp_path / "models",
        "lost",
        model_yml(
            files=[{**here, "checksum": "1" * 96, "source": "https://models.invalid/gone.bin"}]
        ),
    )
    return tmp_path


def download(zoo, *flags):
    places = [
        "--models_dir",
        zoo / "models",
        "-o",
        zoo / "out",
        "--cache_dir",
        zoo / "cache",
        "--attempts",
        "1",
    ]
    return ["download", "--all", *places, "--log", zoo / "run.jsonl", *flags]


def test_each_line_says_when_where_and_how_long(zoo):
    started = datetime.now().astimezone()
    assert (
        posezoo(*download(zoo, "--header", "models.invalid=Authorization: secret-word")).returncode
        == 1
    )
    log = lines(zoo / "run.jsonl")
    assert all(
        [*line][:7] == ["time", "event", "model", "stage", "worker", "seconds", "bytes"]
        for line in log
    )
    for line in log:
        time = datetime.fromisoformat(line["time"])
        assert time.utcoffset() == timedelta(0) and time >= started.replace(microsecond=0)
    first, last = log[0], log[-1]
    assert (first["event"], first["models"]) == ("run_begin", 2)
    assert (
        "download --all" in first["command"]
        and "secret-word" not in (zoo / "run.jsonl").read_text()
    )
    assert (last["event"], last["successful"], last["reason"]) == ("run_end", False, "1 failed")
    assert last["seconds"] > 0
    ended = {line["model"]: line for line in log if line["event"] == "model_work_end"}
    assert ended["good"]["successful"] and not ended["lost"]["successful"]
    assert "gone.bin" in ended["lost"]["reason"]


def test_a_file_of_a_source_has_its_bytes_and_seconds(tmp_path):
    log = EventLog(tmp_path / "log")
    for event in (
        events.WorkStarted("net", "tcp://10.0.0.1:4000"),
        events.FileDownloadStarted("net", "a.bin", 100, "https://reader:secret@example.org/a.bin"),
        events.FileDownloadProgress("net", "a.bin", 60),
        events.FileDownloadProgress("net", "a.bin", 100),
        events.FileDownloadFinished("net", "a.bin", True),
    ):
        log(event)
    _, begun, progress, ended = lines(tmp_path / "log")  # progress is written once in ten seconds
    assert begun["source"] == "https://example.org/a.bin"
    assert progress["bytes"] == 60
    assert (ended["bytes"], ended["stage"], ended["worker"]) == (
        100,
        "download",
        "tcp://10.0.0.1:4000",
    )
    assert ended["seconds"] >= 0


def test_two_runs_share_a_file(zoo):
    posezoo(*download(zoo))
    posezoo(*download(zoo))
    assert [line["event"] for line in lines(zoo / "run.jsonl")].count("run_end") == 2


def test_a_dry_run_is_not_in_the_file(zoo):
    assert_success(posezoo(*download(zoo, "--dry_run")))
    assert not (zoo / "run.jsonl").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_file_of_a_run_that_was_ended_says_what_was_done(zoo, number):
    log = zoo / "run.jsonl"
    with Server() as server:
        hangs = {
            **declared_file(zoo / "net.bin"),
            "checksum": "2" * 96,
            "source": server.serve("net.bin", b"abc", hang_at=1),
        }
        write_model(zoo / "models", "lost", model_yml(files=[hangs]))
        process = start_posezoo(*download(zoo))
        wait_until(lambda: log.is_file() and "model_file_download_begin" in log.read_text())
        process.send_signal(number)
        process.communicate(timeout=HANG_S)
    first, *_, last = lines(log)
    assert first["event"] == "run_begin"
    reasons = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM"}
    if number in reasons:
        assert (last["event"], last["reason"]) == ("run_end", reasons[number])
    else:
        assert last["event"] != "run_end"


def test_a_log_that_cannot_be_opened_is_an_error_before_the_run(zoo):
    ended = posezoo(*download(zoo)[:-2], "--log", zoo / "no" / "folder" / "log")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 2), ended.stderr
    assert "no/folder/log: cannot be written" in ended.stderr
    with pytest.raises(OutputError):
        EventLog(zoo)


def test_a_full_disk_ends_the_log_and_not_the_run(capsys):
    with Console(log=EventLog(Path("/dev/full"))) as console:
        console(events.CountStarted("first"))
        console(events.CountStarted("second"))
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "warning: --log: No space left on device: nothing more is written to it",
        "counting first",
        "counting second",
    ]
