"""Nothing is executed while files are fetched and unpacked: the system is asked for no other process."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from fakes.checkout import ROOT
from fakes.command import assert_success, run_process
from fakes.files import zipped
from fakes.zoo import model_yml, published_file, write_model

# Runs downloader.py, and writes down whatever Python is asked to execute.
WATCHED = """
import json, runpy, sys
seen = []
names = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "os.forkpty")
sys.addaudithook(lambda name, _: seen.append(name) if name in names else None)
sys.argv = sys.argv[2:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    json.dump(seen, open(%r, "w"))
"""


@pytest.fixture
def command(server, tmp_path):
    """downloader.py for a model of a file and an archive, by way of a cache."""
    scripts = {"net.sh": b"#!/bin/sh\ntouch executed\n", "setup.py": b"open('executed', 'w')"}
    files = [
        published_file(name, body, server.serve(name, body))
        for name, body in (("net.bin", os.urandom(9999)), ("a.zip", zipped(scripts)))
    ]
    step = {"$type": "unpack_archive", "file": "a.zip", "format": "zip"}
    write_model(tmp_path / "models", "net", model_yml(files=files, postprocessing=[step]))
    words = [ROOT / "tools" / "downloader" / "downloader.py", "--name", "net", "--jobs", 2]
    words += [
        "--models_dir",
        tmp_path / "models",
        "-o",
        tmp_path / "out",
        "--cache_dir",
        tmp_path / "cache",
    ]
    return list(map(str, words))


def test_python_is_asked_to_execute_nothing(command, tmp_path):
    told = tmp_path / "told.json"
    code = WATCHED % str(told)
    ended = run_process([sys.executable, "-c", code, "-", *command])
    assert_success(ended)
    assert json.loads(told.read_text()) == []
    assert (tmp_path / "out" / "public" / "net" / "setup.py").exists()
    assert not list(tmp_path.rglob("executed"))


def test_the_system_sees_no_execve(command, tmp_path):
    trace = tmp_path / "trace"
    tracer = ["strace", "-f", "-qq", "-e", "trace=execve,execveat,fork,vfork", "-o", str(trace)]
    if (
        not shutil.which("strace")
        or subprocess.run([*tracer, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("strace cannot trace here")
    ended = run_process([*tracer, sys.executable, *command])
    assert_success(ended)
    calls = re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE)
    assert calls == ["execve"]  # that of Python itself
