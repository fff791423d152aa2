"""--cluster: models in several processes, with the results of a run in one."""

import os
import re
import shutil
import signal
import socket
import threading
from base64 import b64decode
from contextlib import suppress
from pathlib import Path

import pytest

from fakes.command import assert_success, posezoo_process, start_posezoo
from fakes.dask import Cluster
from fakes.items import children_of
from fakes.network import network
from fakes.server import Server
from fakes.waiting import HANG_S, wait_until
from fakes.zoo import declared_file, model_yml, onnx_yml, write_model

NAMES = ("first", "second", "third")


@pytest.fixture
def zoo(tmp_path):
    """Three models that can be converted, and their files in a mirror."""
    source = tmp_path / "mirror" / "net.onnx"
    source.parent.mkdir()
    source.write_bytes(network("onnx"))
    declared = declared_file(source)
    kept = tmp_path / "cache" / "1" / declared["checksum"][:2] / declared["checksum"][2:]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(source.read_bytes())
    for name in NAMES:
        file = {**declared, "source": "https://models.invalid/net.onnx"}
        write_model(tmp_path / "models", name, onnx_yml(file))
    return tmp_path


def command(zoo, verb, out, *flags):
    places = ["--models_dir", zoo / "models", "-o", zoo / out]
    cache = ["--cache_dir", zoo / "cache"] if verb in ("get", "download") else []
    return [verb, "--all", *places, *cache, *flags]


def lines(ended):
    """What it reports, without the lines that depend on the time."""
    return {
        line
        for line in ended.stderr.splitlines()
        if not re.search(r"(in|took) [0-9.]+ s\b|: waiting for ", line)
    }


def irs(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in (".xml", ".bin", ".md")
    }


def test_the_workers_of_a_scheduler_make_the_same_files(zoo):
    cluster = Cluster(zoo)
    try:
        for _ in range(2):
            cluster.add_worker()
        cluster.wait_for_workers(2)
        serial = posezoo_process(*command(zoo, "get", "serial"))
        spread = posezoo_process(*command(zoo, "get", "spread", "--cluster", cluster.address))
    finally:
        cluster.close()
    assert (serial.returncode, spread.returncode) == (0, 0), spread.stderr
    assert irs(zoo / "serial") == irs(zoo / "spread")
    assert spread.stdout == serial.stdout.replace("/serial/", "/spread/")
    first = spread.stderr.splitlines()[0]
    assert first.startswith(f"{cluster.address}: workers: 2; dashboard: http://127.0.0.1:")
    assert lines(spread) - {first} == lines(serial)


def test_relative_paths_are_those_of_the_client_and_not_of_the_workers(zoo):
    assert_success(posezoo_process(*command(zoo, "get", "unlocked")))
    assert_success(posezoo_process(*command(zoo, "lock", "unlocked"), cwd=zoo))
    places = ["--models_dir", "models", "--cache_dir", "files", "--mirror", "cache", "--locked"]
    assert_success(posezoo_process("get", "--all", *places, "-o", "serial", cwd=zoo))
    cluster = Cluster(zoo)
    try:
        cluster.add_worker()
        cluster.wait_for_workers(1)
        flags = ["-o", "out", "--cluster", cluster.address]
        spread = posezoo_process("get", "--all", *places, *flags, cwd=zoo)
    finally:
        cluster.close()
    assert_success(spread)
    assert irs(zoo / "out") == irs(zoo / "serial")
    assert not [*zoo.glob("worker-*/*")]


@pytest.mark.skipif(
    not shutil.which("unshare") or os.geteuid() != 0, reason="needs root to hide a folder"
)
@pytest.mark.parametrize("flags", [[], ["--trust_on_first_use"]])
def test_a_worker_that_does_not_see_the_lock_is_refused(zoo, flags):
    (zoo / "project").mkdir()
    if not flags:
        (zoo / "project" / "posezoo.lock").write_bytes(b"")
    cluster = Cluster(zoo)
    try:
        cluster.add_worker(hidden=zoo / "project")
        cluster.wait_for_workers(1)
        flags = ["--lock", "posezoo.lock", "--cluster", cluster.address, *flags]
        ended = posezoo_process(*command(zoo, "get", "out"), *flags, cwd=zoo / "project")
    finally:
        cluster.close()
    assert ended.returncode == 1
    assert f"does not see the folder {zoo / 'project'} of this machine" in ended.stderr


class _Wire:
    """Passes connections on to a port, and remembers what the client sends."""

    def __init__(self, port):
        self.sent = bytearray()
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(
                target=self._pass_on, args=(client, server, self.sent), daemon=True
            ).start()
            threading.Thread(
                target=self._pass_on, args=(server, client, bytearray()), daemon=True
            ).start()

    def _pass_on(self, source, target, seen):
        with source, suppress(OSError):
            while piece := source.recv(1 << 16):
                seen += piece
                target.sendall(piece)

    def close(self):
        self._listener.close()


def test_workers_use_their_own_headers_and_passwords_and_those_of_the_client_do_not_travel(
    tmp_path,
):
    with Server() as server:
        (tmp_path / "net.bin").write_bytes(b"abc")
        host = server.url().split("/")[2]
        declared = declared_file(tmp_path / "net.bin")
        by_digest = f"mirror/1/{declared['checksum'][:2]}/{declared['checksum'][2:]}"
        server.serve(by_digest, status=[404])
        file = {**declared, "source": server.serve("net.bin", b"abc")}
        write_model(tmp_path / "models", "net", model_yml(files=[file]))
        cluster = Cluster(tmp_path)
        try:
            cluster.add_worker(
                POSEZOO_HEADER=f"{host}=X-Token: of-the-worker",
                POSEZOO_MIRROR=f"http://worker:own-password@{host}/mirror",
            )
            cluster.wait_for_workers(1)
            wire = _Wire(int(cluster.address.rpartition(":")[2]))
            places = [
                "--models_dir",
                tmp_path / "models",
                "-o",
                tmp_path / "out",
                "--cache_dir",
                tmp_path / "c",
            ]
            secrets = [
                *("--header", f"{host}=X-Token: of-the-client"),
                *("--mirror", f"http://reader:my-password@{host}/mirror"),
            ]
            ended = posezoo_process("download", "net", *places, *secrets, "--cluster", wire.address)
            wire.close()
        finally:
            cluster.close()
        assert_success(ended)
        assert (
            "warning: headers and passwords of mirrors are not sent to the workers" in ended.stderr
        )
        assert len(wire.sent) > 1000
        assert not re.search(b"of-the-client|my-password", wire.sent)
        asked = {request.path: request.headers for request in server.requests}
        assert asked["/net.bin"]["X-Token"] == "of-the-worker"
        assert (
            b64decode(asked[f"/{by_digest}"]["Authorization"].split()[1]) == b"worker:own-password"
        )


def test_the_end_of_the_scheduler_is_one_line(zoo):
    cluster = Cluster(zoo)
    try:
        cluster.add_worker()
        cluster.wait_for_workers(1)
        process = start_posezoo(*command(zoo, "get", "out", "--cluster", cluster.address))
        assert "workers: 1;" in process.stderr.readline()
        cluster.processes[0].kill()
        said = process.communicate(timeout=HANG_S)[1].splitlines()
    finally:
        cluster.close()
    assert process.returncode == 1
    assert said[-2:] == [
        f"error: {cluster.address}: the connection to the scheduler was lost",
        "  hint: run the command again: models that are done are kept",
    ]
    assert all(line.startswith(NAMES) for line in said[:-2]), said


def test_an_interrupt_ends_all_processes(zoo):
    process = start_posezoo(*command(zoo, "get", "out", "--cluster", "local:2"))
    wait_until(lambda: len(children_of(process.pid)) >= 2)
    children = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=HANG_S)
    assert process.returncode == 130
    assert "Traceback" not in said
    wait_until(
        lambda: not any(Path(f"/proc/{child}").exists() for child in children),
        "the end of the children",
    )
