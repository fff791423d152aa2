"""Files of stores that are asked in their own protocol, by fsspec: here by file systems that stand in for them."""

from __future__ import annotations

import socket
import sys
import threading
import time
from typing import ClassVar

import pytest

from fakes.fetch import Fetch
from fakes.files import declared
from fakes.server import Server
from fakes.when_used import needs
from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.declarations.sources import StorageSource
from posezoo.core.download.origins import entry_path
from posezoo.core.errors import DigestError, MissingPackageError, SizeError, SourceError
from posezoo.scale import storage_source as stores

fsspec = needs("fsspec")
WEIGHTS = bytes(range(256)) * 16384  # 4 MiB
MEMBER = {"net": Digest("sha1", "0" * 40)}
URL = "s3://models/pose/net.onnx"


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def fetch(tmp_path):
    return Fetch(tmp_path / "files")


@pytest.fixture
def bucket(monkeypatch, tmp_path_factory):
    """A store in memory that answers for s3, and stands for its driver."""
    driver = tmp_path_factory.mktemp("driver")
    (driver / "s3fs.py").touch()
    monkeypatch.syspath_prepend(driver)
    from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
    from fsspec.registry import _registry as classes
    from fsspec.spec import AbstractFileSystem

    class Slow(MemoryFile):
        def read(self, size=-1):
            store.reads.append(self.tell())
            if self.tell() >= store.hangs_at:
                time.sleep(store.hangs_s)
            if self.tell() >= store.breaks_at:
                store.breaks_at = 1 << 60
                raise ConnectionError("reset by peer: key=AKIA&secret_access_key=hush")
            return super().read(size)

    class Store(MemoryFileSystem):
        protocol = "s3"
        store: ClassVar[dict[str, MemoryFile]] = {}
        pseudo_dirs: ClassVar[list[str]] = [""]
        cachable = False

        @classmethod
        def _strip_protocol(cls, path):
            return "/" + path.removeprefix("s3://").strip("/")

        cat_file = AbstractFileSystem.cat_file  # the one that opens the file

        def open(self, path, mode="rb", **more):
            if mode != "rb":
                return super().open(path, mode, **more)
            if store.refuses:
                raise PermissionError("Forbidden")
            return Slow(self, path, super().open(path, mode).getvalue())

    class Told:
        hangs_at = breaks_at = 1 << 60
        hangs_s = 0.0
        refuses = False

    store = Told()
    store.reads = []
    stores._connect.cache_clear()
    # register_implementation has no reverse: tests with a real server may follow.
    monkeypatch.setitem(classes, "s3", Store)
    Store().pipe("/models/pose/net.onnx", WEIGHTS)
    yield store
    stores._connect.cache_clear()


@pytest.fixture
def file():
    return declared("net.onnx", WEIGHTS, StorageSource(URL))


def test_a_file_of_a_store_comes(bucket, file, fetch):
    assert fetch(file).read_bytes() == WEIGHTS
    assert fetch.left() == ["net.onnx"]


def test_a_mirror_in_a_store_is_asked_before_the_sources(bucket, fetch):
    file = declared("net.onnx", WEIGHTS, "https://models.invalid/net.onnx")
    fsspec.filesystem("s3").pipe(f"/models/mirror/{entry_path(file.checksum)}", WEIGHTS)
    assert fetch(file, mirrors=("s3://models/mirror/",)).read_bytes() == WEIGHTS


def test_what_breaks_off_is_resumed_where_it_stopped(bucket, file, fetch):
    bucket.breaks_at = 3 << 20
    assert fetch(file).read_bytes() == WEIGHTS
    assert min(bucket.reads[bucket.reads.index(3 << 20) + 1 :]) == 3 << 20
    assert "the store fails: reset by peer" in fetch.warnings
    assert "hush" not in fetch.warnings


def test_a_store_that_falls_silent_is_given_up(bucket, file, fetch):
    bucket.hangs_at, bucket.hangs_s = 1 << 20, 2.0
    with pytest.raises(SourceError, match=r"no answer within 0\.2 s"):
        fetch(file, timeout_s=0.2, attempts=2)


def test_a_file_that_is_not_there_is_named(bucket, fetch):
    with pytest.raises(SourceError, match=r"s3://models/none\.onnx: does not have the file"):
        fetch(declared("net.onnx", WEIGHTS, StorageSource("s3://models/none.onnx")))


def test_a_store_that_does_not_let_us_in_is_asked_once(bucket, file, fetch):
    bucket.refuses = True
    with pytest.raises(SourceError, match="refuses access") as caught:
        fetch(file)
    assert "credentials" in caught.value.hint
    assert fetch.naps == []


def test_other_bytes_and_sizes_are_refused(bucket, fetch):
    with pytest.raises(DigestError):
        fetch(declared("net.onnx", bytes(len(WEIGHTS)), StorageSource(URL)))
    with pytest.raises(SizeError, match="announces 4194304 bytes, 3 are declared"):
        fetch(declared("net.onnx", b"abc", StorageSource(URL)))
    assert fetch.left() == []


def test_sftp_needs_a_digest_or_the_users_word(fetch):
    weak = SourceFile("n.zip", 4, None, (StorageSource("sftp://host/n.zip"),), contains=MEMBER)
    with pytest.raises(SourceError, match="another host could pose as this one") as caught:
        fetch(weak)
    assert "--allow_http" in caught.value.hint


def test_sftp_reads_only_from_a_host_that_known_hosts_has(fetch, monkeypatch, tmp_path):
    """Of the host, only the key is shown: it lets nobody in."""
    paramiko = needs("paramiko")
    monkeypatch.setenv("HOME", str(tmp_path))
    key = paramiko.ECDSAKey.generate()
    known_hosts = tmp_path / ".ssh" / "known_hosts"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        file = declared("net.onnx", WEIGHTS, StorageSource(f"sftp://ann:wrong@{host}/net.onnx"))
        threading.Thread(target=_show_key, args=(listener, key), daemon=True).start()
        with pytest.raises(SourceError, match=r"is not in .*known_hosts") as caught:
            fetch(file)
        assert "known_hosts" in caught.value.hint
        known_hosts.parent.mkdir()
        known_hosts.write_text(f"[127.0.0.1]:{host[10:]} {key.get_name()} {key.get_base64()}\n")
        with pytest.raises(SourceError, match="Authentication failed"):
            fetch(file)
    assert "wrong" not in fetch.warnings


def _show_key(listener, key):
    import paramiko

    for _ in range(2):
        transport = paramiko.Transport(listener.accept()[0])
        transport.add_server_key(key)
        transport.start_server(server=paramiko.ServerInterface())


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("gs://models/n.onnx", "gcsfs"),
        ("az://models/n.onnx", "adlfs"),
        ("sftp://host/n.onnx", "paramiko"),
    ],
)
def test_what_is_not_installed_is_named_and_the_next_source_asked(
    server, fetch, url, package, monkeypatch
):
    import fsspec.registry

    def missing(protocol):
        raise ImportError(f"Install something to access {protocol}")

    monkeypatch.setattr(fsspec.core, "get_filesystem_class", missing)
    monkeypatch.setitem(sys.modules, "paramiko", None)
    file = declared("net.onnx", WEIGHTS, StorageSource(url), server.serve("net", WEIGHTS))
    assert fetch(file).read_bytes() == WEIGHTS
    assert "is not installed" in fetch.warnings
    with pytest.raises(SourceError) as caught:
        fetch(declared("other.onnx", WEIGHTS, StorageSource(url)))
    assert caught.value.hint == f"pip install {package}"


@pytest.mark.parametrize(
    ("store", "package"),
    [("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs"), ("sftp", "paramiko")],
)
def test_without_the_packages_of_a_mirrors_store_no_other_source_is_asked(
    server, fetch, store, package, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    file = declared("net.onnx", WEIGHTS, server.serve("net", WEIGHTS))
    with pytest.raises(MissingPackageError) as caught:
        fetch(file, mirrors=(f"{store}://bucket/mirror",))
    assert caught.value.problem == f"{package} is not installed"
    assert caught.value.hint == f"pip install {package}"
    assert not server.requests
