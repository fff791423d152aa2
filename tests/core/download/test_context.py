"""Several files at once: as one model and as many, over few connections, and no more than a host takes."""

import fcntl
import json
import os
import re
import resource
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import ExitStack

import pytest

from fakes.checkout import DOWNLOADER
from fakes.command import assert_success, posezoo
from fakes.files import declared, model
from fakes.waiting import HANG_S, once
from fakes.zoo import model_yml, write_model
from posezoo.core.download.candidates import RateLimitedError
from posezoo.core.download.context import ConnectionPool
from posezoo.core.download.model_download import download_model
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import PosezooError, SourceError
from posezoo.core.events import FileDownloadFinished
from posezoo.core.layout import ModelLayout


def bodies(count):
    return {f"n{number}": bytes([number]) * 4096 for number in range(count)}


def declare(zoo, server, count, **faults):
    """So many models of one file each."""
    for name, body in bodies(count).items():
        file = declared(f"{name}.tflite", body)
        entry = {"name": file.name, "size": len(body), "checksum": file.checksum.value}
        url = server.serve(name, body, **faults)
        write_model(zoo / "models", name, model_yml(files=[{**entry, "source": url}]))


def script(zoo, *more, **options):
    command = [
        sys.executable,
        str(DOWNLOADER),
        "--all",
        "--models_dir",
        str(zoo / "models"),
        "--output_dir",
        str(zoo),
        *map(str, more),
    ]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=HANG_S, check=False, **options
    )


def test_the_files_of_one_model_come_at_once(server, tmp_path):
    eight_are_asked = once(lambda: server.at_once == 8)
    files = [
        declared(name, body, server.serve(name, body, answers=eight_are_asked))
        for name, body in bodies(16).items()
    ]
    told = []
    found = download_model(
        model(*files),
        ModelLayout(tmp_path, tmp_path),
        DownloadOptions(None, jobs=8),
        listener=told.append,
    )
    assert [path.read_bytes() for path in found] == list(bodies(16).values())
    assert server.peak == 8
    assert sum(isinstance(event, FileDownloadFinished) and event.successful for event in told) == 16


def test_the_files_of_many_models_come_by_as_few_connections(server, tmp_path):
    declare(tmp_path, server, 40)
    assert_success(script(tmp_path, "-j", 8))
    assert len(server.requests) == 40
    assert len({request.port for request in server.requests}) <= 8


def test_few_handles_are_enough(server, tmp_path):
    declare(tmp_path, server, 60)

    def few_handles():
        resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))

    more = ("-j", 8, "--cache_dir", tmp_path / "cache")
    ended = script(tmp_path, *more, preexec_fn=few_handles)
    assert_success(ended)
    assert "open files" not in ended.stderr


def test_a_host_that_takes_four_at_once_gets_four(server, tmp_path):
    server.most_at_once = 4
    declare(tmp_path, server, 60, silence_s=0.02)
    ended = script(tmp_path, "-j", 8)
    assert_success(ended)
    assert "HTTP 429 Too Many Requests; now at most 4 at a time" in ended.stderr
    assert ended.stderr.count("429") < 20
    for name, body in bodies(60).items():
        assert (tmp_path / "public" / name / f"{name}.tflite").read_bytes() == body


def test_a_host_that_takes_none_is_given_up(server, tmp_path):
    files = [declared(name, body, server.serve(name, body)) for name, body in bodies(8).items()]
    server.most_at_once = 0
    naps = []
    with pytest.raises(SourceError, match=r"HTTP 429 Too Many Requests"):
        download_model(
            model(*files),
            ModelLayout(tmp_path, tmp_path),
            DownloadOptions(None, attempts=2, jobs=4, sleep=naps.append),
        )


def test_of_fifty_models_the_one_that_fails_is_named_with_its_reason(server, tmp_path):
    declare(tmp_path, server, 50)
    server.serve("n17", b"", status=[404] * 99)
    ended = script(tmp_path, "-j", 8)
    assert ended.returncode == 1
    assert ended.stdout.endswith("FAILED:\nn17\n")
    assert f"Error: n17.tflite: {server.url('n17')}: HTTP 404 Not Found" in ended.stderr
    assert ended.stderr.count("Error:") == 1
    there = [path.stem for path in (tmp_path / "public").glob("*/*.tflite")]
    assert sorted(there) == sorted(set(bodies(50)) - {"n17"})


def test_our_own_verb_takes_jobs_too_and_says_the_same_in_json(server, tmp_path):
    declare(tmp_path, server, 12)
    server.serve("n7", b"", status=[404] * 99)
    places = (
        "--models_dir",
        tmp_path / "models",
        "--output_dir",
        tmp_path,
        "--cache_dir",
        tmp_path / "cache",
    )
    ended = posezoo("download", "--all", "--jobs", 4, "--format", "json", *places)
    assert ended.returncode == 1
    said = json.loads(ended.stdout)
    assert [answer["name"] for answer in said["models"]] == sorted(set(bodies(12)) - {"n7"})
    assert [failure["name"] for failure in said["failed"]] == ["n7"]
    assert len(re.findall(r"^n\d+ .* downloaded, verified$", ended.stderr, re.M)) == 11


def test_lines_of_files_that_come_at_once_stay_together(server, tmp_path):
    files = []
    for name, body in bodies(6).items():
        file = declared(f"{name}.tflite", body)
        url = server.serve(name, body, body_drip_s=0.01, drip_bytes=200)
        files.append(
            {"name": file.name, "size": len(body), "checksum": file.checksum.value, "source": url}
        )
    write_model(tmp_path / "models", "pose", model_yml(files=files))
    lines = script(tmp_path, "-j", 6).stdout.splitlines()
    for name in bodies(6):
        at = lines.index(f"========== Downloading {tmp_path}/public/pose/{name}.tflite")
        following = lines[at + 1 : lines.index("", at)]
        assert following
        assert all(line.startswith("... ") for line in following)


def test_json_tells_each_file_once_whatever_comes_beside_it(server, tmp_path):
    files = []
    for name, body in bodies(8).items():
        gone, url = server.serve(f"gone-{name}", b"", status=[404] * 9), server.serve(name, body)
        file = declared(name, body)
        sources = [gone, gone if name == "n5" else url]
        files.append(
            {"name": name, "size": len(body), "checksum": file.checksum.value, "source": sources}
        )
    write_model(tmp_path / "models", "pose", model_yml(files=files))
    ended = script(tmp_path, "-j", 8, "--progress_format", "json")
    said = [json.loads(line) for line in ended.stdout.splitlines()]
    for name in bodies(8):
        kinds = [each["$type"] for each in said if each.get("model_file") == name]
        assert kinds.count("model_file_download_begin") == 1
        assert kinds.count("model_file_download_end") == 1
    (failed,) = [
        each
        for each in said
        if each["$type"] == "model_file_download_end" and not each["successful"]
    ]
    assert (failed["model_file"], "HTTP 404" in failed["reason"]) == ("n5", True)
    assert (said[-1]["$type"], said[-1]["successful"]) == ("model_download_end", False)


def test_what_has_begun_when_one_fails_is_finished():
    done = []
    fails = threading.Event()

    def work(item):
        if item == 0:
            fails.set()
            raise PosezooError("no")
        fails.wait(HANG_S)
        time.sleep(0.1)
        done.append(item)

    with (
        ConnectionPool(DownloadOptions(None, jobs=2)) as pool,
        pytest.raises(PosezooError, match="no"),
    ):
        pool.run_all(work, range(100))
    assert len(done) <= 2


def test_a_terminal_shows_a_bar_for_each_file(server, tmp_path):
    declare(tmp_path, server, 4, body_drip_s=0.02, drip_bytes=200)
    shown, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    command = [sys.executable, "-m", "posezoo", "download", "--all", "-j", "4"]
    command += [
        "--models_dir",
        tmp_path / "models",
        "--output_dir",
        tmp_path,
        "--cache_dir",
        tmp_path / "c",
    ]
    child = subprocess.Popen(list(map(str, command)), stderr=terminal, stdout=subprocess.DEVNULL)
    os.close(terminal)
    said = b""
    try:
        while piece := os.read(shown, 4096):
            said += piece
    except OSError:
        pass
    os.close(shown)
    assert child.wait(timeout=HANG_S) == 0
    for name in bodies(4):
        assert f"{name} (".encode() in said
        assert f"\r{name}.tflite:".encode() in said


def refused(limiter, others):
    """The limit after a host's refusal of one request beside others, which it answers."""
    with ExitStack() as running:
        for _ in range(others):
            running.enter_context(limiter.slot())
        with pytest.raises(RateLimitedError) as caught, limiter.slot():
            raise RateLimitedError("too many requests")
    return caught.value.new_limit
