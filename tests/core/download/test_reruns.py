"""A second run: no request, also without a network, and each byte is read."""

import os
import subprocess
import sys

import pytest

from fakes.checkout import DOWNLOADER
from fakes.command import assert_success, omz_tool, posezoo, printed_alone, run_process
from fakes.files import declared
from fakes.zoo import model_yml, write_model

WEIGHTS = bytes(range(256)) * 4096


@pytest.fixture
def places(server, tmp_path):
    file = declared("net.bin", WEIGHTS)
    entry = {
        "name": "net.bin",
        "size": len(WEIGHTS),
        "checksum": file.checksum.value,
        "source": server.serve("net", WEIGHTS),
    }
    write_model(tmp_path / "models", "net", model_yml(files=[entry]))
    return [f"--models_dir={tmp_path}/models", f"-o={tmp_path}", f"--cache_dir={tmp_path}/cache"]


def run(way, places, *more):
    if way == "posezoo":
        return posezoo("download", "net", *places, *more)
    return omz_tool("downloader", "--name", "net", *places, *more)


@pytest.mark.parametrize("way", ["posezoo", "downloader.py"])
def test_zeros_with_the_same_times_are_found_and_repaired(server, places, tmp_path, way):
    assert_success(run(way, places))
    target = tmp_path / "public" / "net" / "net.bin"
    before = target.stat()
    with open(target, "r+b") as stream:
        stream.write(bytes(len(WEIGHTS)))
    # A failing disk does not change the times.
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert_success(run(way, places))
    assert target.read_bytes() == WEIGHTS
    assert server.asked("net") == 1  # the cache has a copy of its own


def test_a_whole_model_needs_no_network(server, places):
    run("downloader.py", places)
    server.requests.clear()
    away = ["unshare", "-rn"]
    if subprocess.run([*away, "true"], capture_output=True, check=False).returncode:
        pytest.skip("cannot take the network away here")
    command = [*away, sys.executable, str(DOWNLOADER), "--name", "net", *places]
    assert "it is here and verified" in printed_alone(run_process(command))
    assert server.requests == []
