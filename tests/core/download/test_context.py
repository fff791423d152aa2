"""Several files at once: as one model and as many, over few connections, and no more than a host takes."""

import json
import resource
import subprocess
import sys
import threading
import time

import pytest

from fakes.checkout import DOWNLOADER
from fakes.command import assert_success
from fakes.files import declared, model
from fakes.waiting import HANG_S, once
from fakes.zoo import model_yml, published_file, write_model
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
        file = published_file(f"{name}.tflite", body, server.serve(name, body, **faults))
        write_model(zoo / "models", name, model_yml(files=[file]))


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


def test_lines_of_files_that_come_at_once_stay_together(server, tmp_path):
    files = []
    for name, body in bodies(6).items():
        url = server.serve(name, body, body_drip_s=0.01, drip_bytes=200)
        files.append(published_file(f"{name}.tflite", body, url))
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
        files.append(published_file(name, body, [gone, gone if name == "n5" else url]))
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
