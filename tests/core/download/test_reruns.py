"""A second run: no request, no hashing, also without a network; --verify reads everything."""

import subprocess
import sys

import pytest

from fakes.checkout import DOWNLOADER
from fakes.command import assert_success, omz_tool, posezoo, printed_alone, run_process
from fakes.files import declared
from fakes.zoo import model_yml, write_model
from posezoo.core.files.file_record import fingerprint
from posezoo.core.files.verified_files import remember_written

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


@pytest.mark.slow
@pytest.mark.parametrize("way", ["posezoo", "downloader.py"])
def test_zeros_with_an_unchanged_fingerprint_are_found_by_verify_and_repaired(
    server, places, tmp_path, way
):
    assert_success(run(way, places))
    target = tmp_path / "public" / "net" / "net.bin"
    with open(target, "r+b") as stream:
        stream.write(bytes(len(WEIGHTS)))
    # A failing disk does not change the times.
    remember_written(target, declared("net.bin", WEIGHTS).checksum, written=fingerprint(target))
    assert_success(run(way, places))
    assert not target.read_bytes().strip(b"\0")
    assert_success(run(way, places, "--verify"))
    assert target.read_bytes() == WEIGHTS
    assert server.asked("net") == 1  # the cache has a copy of its own


def test_zeros_that_are_written_later_are_found_by_the_record(server, places, tmp_path):
    run("downloader.py", places)
    target = tmp_path / "public" / "net" / "net.bin"
    target.write_bytes(bytes(len(WEIGHTS)))
    assert_success(run("downloader.py", places))
    assert target.read_bytes() == WEIGHTS


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--verify"]])
def test_a_whole_model_needs_no_network(server, places, more):
    run("downloader.py", places)
    server.requests.clear()
    away = ["unshare", "-rn"]
    if subprocess.run([*away, "true"], capture_output=True, check=False).returncode:
        pytest.skip("cannot take the network away here")
    command = [*away, sys.executable, str(DOWNLOADER), "--name", "net", *places, *more]
    assert "it is here and verified" in printed_alone(run_process(command))
    assert server.requests == []
