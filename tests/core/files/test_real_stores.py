"""The same round trip with a real server of each protocol: Azurite, an emulator of Google's, OpenSSH's sftp."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fsspec", reason="needs posezoo[storage]")

from fakes.ports import reserved_port
from fakes.waiting import wait_until
from posezoo.core.errors import OutputError, SourceError
from posezoo.core.settings import parse_folder
from posezoo.core.workers.retries import RequestLimits
from posezoo.scale import stores

ROOT = Path(__file__).resolve().parents[3]

LIMITS = RequestLimits(2, 20.0)
NAMES = ("net.bin", "net.xml", "provenance.json")
# The account and key that every Azurite has.
AZURITE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT5"
    "0uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:{}/devstoreaccount1;"
)


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    """Run a server until the context ends, from the moment on at which it takes connections."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)

    def answers() -> bool:
        assert process.poll() is None, f"the server ended with {process.returncode}: {command}"
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(answers, "the start of the server")
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def azure(_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    command = ROOT / "build" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
    if not command.exists():
        pytest.skip("needs make azurite")
    blob = pytest.importorskip("azure.storage.blob", reason="needs posezoo[storage]")
    flags = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    with reserved_port() as port, _running([str(command), "--blobPort", str(port), *flags], port):
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", AZURITE.format(port))
        blob.BlobServiceClient.from_connection_string(AZURITE.format(port)).create_container("zoo")
        yield "az://zoo"


@contextmanager
def google(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("gcp_storage_emulator", reason="needs gcp-storage-emulator")
    command = [
        str(Path(sys.executable).with_name("gcp-storage-emulator")),
        "start",
        "--host=127.0.0.1",
    ]
    flags = ["--in-memory", "--default-bucket=zoo"]
    with reserved_port() as port, _running([*command, f"--port={port}", *flags], port):
        monkeypatch.setenv("NO_GCE_CHECK", "true")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        yield "gs://zoo"


@contextmanager
def sftp(folder: Path, _monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    command = shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if not command:
        pytest.skip("needs sshd")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    ssh = Path.home() / ".ssh"
    ssh.mkdir(mode=0o700)
    for key in (folder / "host", ssh / "id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    kind, value, *_ = (folder / "host.pub").read_text().split()
    with reserved_port() as port:
        (ssh / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {value}\n")
        (folder / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {ssh}/id_ed25519.pub\n"
            "StrictModes no\nPidFile none\nUsePAM no\nPermitRootLogin prohibit-password\n"
            "Subsystem sftp internal-sftp\nForceCommand internal-sftp\n"
        )
        with _running([command, "-D", "-e", "-f", str(folder / "sshd_config")], port):
            yield f"sftp://{getpass.getuser()}@127.0.0.1:{port}{folder}/store"


@pytest.fixture(params=[azure, google, sftp], ids=lambda server: server.__name__)
def address(request, monkeypatch, tmp_path):
    stores._connect.cache_clear()
    with request.param(tmp_path, monkeypatch) as address:
        yield address
    stores._connect.cache_clear()


@pytest.mark.slow
def test_files_are_published_replaced_and_pulled(address):
    folder = parse_folder(f"{address}/models/net/FP16")
    folder.mkdir(parents=True)
    files = [folder / name for name in NAMES]
    contents = [os.urandom(9 << 20), b"<net/>", b"{}"]
    for text in (b"old", None):
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(text or content)
        stores.publish(files, LIMITS)
    shutil.rmtree(folder)
    sizes = {path.name: info["size"] for path, info in stores.pull(folder, LIMITS).items()}
    assert sizes == {name: len(content) for name, content in zip(NAMES, contents, strict=True)}
    assert [file.read_bytes() for file in files] == contents
    assert set(stores._list(folder, LIMITS)) == set(NAMES)  # no staging name is left
    times = [file.stat().st_mtime_ns for file in files]
    stores.pull(folder, LIMITS)
    stores.publish(files, LIMITS)
    assert [file.stat().st_mtime_ns for file in files] == times
    assert stores.pull(parse_folder(f"{address}/none"), LIMITS) == {}
    assert not stores.has_file(folder / "none", None, LIMITS)


def test_wrong_places_and_hosts_are_refused_in_one_line(address, monkeypatch):
    folder = parse_folder(f"{address.partition('zoo')[0]}no-such-bucket/x")
    if address.startswith("sftp:"):
        (Path.home() / ".ssh" / "known_hosts").write_text("")
        with pytest.raises(SourceError, match=r"is not in .*known_hosts") as caught:
            stores.pull(parse_folder(address), LIMITS)
        assert "known_hosts" in caught.value.hint
        return
    folder.mkdir(parents=True)
    (folder / "net.xml").write_bytes(b"x")
    with pytest.raises(
        OutputError, match=r"no-such-bucket/x/net\.xml: does not exist in the store"
    ):
        stores.publish([folder / "net.xml"], LIMITS)
