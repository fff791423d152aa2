"""Folders in stores: S3 by moto's server behind a proxy that fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakes.stores import S3
from fakes.when_used import require_installed
from posezoo.core.errors import OutputError, PosezooError, SourceError
from posezoo.core.settings import Settings, parse_folder, read_settings, to_settings
from posezoo.core.user_folders import show_addresses
from posezoo.core.workers.retries import RequestLimits
from posezoo.scale import stores
from posezoo.scale.stores import has_file, publish, pull

require_installed("s3fs", "moto")


def no_pause(_seconds: float) -> None:
    """Another attempt comes at once."""


LIMITS = RequestLimits(attempts=3, timeout_s=20.0, sleep=no_pause)
HASTY = RequestLimits(attempts=2, timeout_s=2.0, sleep=no_pause)
PAIR = ("net.bin", "net.xml", "provenance.json")


@pytest.fixture(scope="module")
def server():
    with S3() as server:
        yield server


@pytest.fixture
def s3(server, monkeypatch):
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    proxy = server.proxy
    proxy.fails_every, proxy.cut, proxy.silent, proxy.cuts_left = 0, "", "", 1 << 30
    proxy.requests.clear()
    client = server.client()
    for key in server.names():
        client.delete_object(Bucket="zoo", Key=key)
    stores._connect.cache_clear()
    yield server
    proxy.silent = ""
    stores._connect.cache_clear()


def folder_of(address: str = "s3://zoo/models/net/FP16") -> Path:
    return parse_folder(address)


def write(folder: Path, **contents: bytes) -> list[Path]:
    """Write the files of an IR to a working copy, in the order of ``PAIR``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(PAIR, contents.values(), strict=True):
        (folder / name).write_bytes(content)
    return [folder / name for name in PAIR]


def elsewhere(monkeypatch, tmp_path_factory) -> None:
    """From now on, another user or machine, with an empty working copy."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("elsewhere")))


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("ftp://host/models", "its address in a store"),
        ("s3://zoo/../other", "its address in a store"),
        ("s3://zoo//models", "its address in a store"),
        ("s3://", "its address in a store"),
        ("sftp://ann:hush@host/models", "FSSPEC_SFTP_PASSWORD"),
    ],
)
def test_other_addresses_are_refused_and_no_password_is_shown(address, problem):
    for name in ("weights_dir", "cache_dir", "models_dir"):
        with pytest.raises(PosezooError, match=problem) as caught:
            read_settings({name: address})
        assert "hush" not in str(caught.value)
    with pytest.raises(PosezooError, match="local file is needed"):
        read_settings({"lock": "s3://zoo/posezoo.lock"})


def test_addresses_are_separated_in_the_environment(tmp_path):
    text = os.pathsep.join(["s3://zoo/a", "/local", "sftp://host:2222/b"])
    settings: Settings = to_settings(
        read_settings(environ={"HOME": "/h", "POSEZOO_MODELS_DIR": text})
    )
    folders = [show_addresses(f"{folder}") for folder in settings.models_dir]
    assert folders == ["s3://zoo/a", "/local", "sftp://host:2222/b"]
    mirrors = to_settings(read_settings({"mirror": f"s3://zoo/m,https://host/m,{tmp_path}"})).mirror
    assert mirrors == ("s3://zoo/m", "https://host/m", str(tmp_path))


@pytest.mark.slow
def test_what_is_published_is_pulled_elsewhere(s3, monkeypatch, tmp_path_factory):
    publish(write(folder_of(), weights=bytes(6 << 20), xml=b"<net/>", record=b"{}"), LIMITS)
    assert s3.names() == [f"models/net/FP16/{name}" for name in PAIR]
    elsewhere(monkeypatch, tmp_path_factory)
    copy = folder_of()
    assert set(pull(copy, LIMITS)) == {copy / name for name in PAIR}
    assert [(copy / name).read_bytes() for name in PAIR] == [bytes(6 << 20), b"<net/>", b"{}"]
    assert has_file(copy / "net.xml", 6, LIMITS)
    assert not has_file(copy / "net.xml", 7, LIMITS)
    assert not has_file(copy / "none.xml", None, LIMITS)


def test_what_has_not_changed_is_not_transferred_again(s3):
    files = write(folder_of(), weights=b"w", xml=b"x", record=b"{}")
    publish(files, LIMITS)
    s3.proxy.requests.clear()
    publish(files, LIMITS)
    pull(folder_of(), LIMITS)
    assert {method for method, _ in s3.proxy.requests} == {"GET"}
    assert all("list-type" in path for _, path in s3.proxy.requests)


def test_files_that_others_remove_or_change_in_the_store_are_removed_or_changed_here(s3):
    files = write(folder_of(), weights=b"w", xml=b"x", record=b"{}")
    publish(files, LIMITS)
    s3.client().delete_object(Bucket="zoo", Key="models/net/FP16/net.bin")
    s3.write("models/net/FP16/net.xml", b"other")
    (folder_of() / "unpublished").write_bytes(b"mine")
    pull(folder_of(), LIMITS)
    assert sorted(path.name for path in folder_of().glob("[!.]*")) == [
        "net.xml",
        "provenance.json",
        "unpublished",
    ]
    assert files[1].read_bytes() == b"other"
    pull(folder_of(), LIMITS, afresh=True)
    assert not (folder_of() / "unpublished").exists()


def test_names_that_would_leave_the_folder_are_not_written(s3, tmp_path):
    s3.write("models/net/FP16/../../../../../../evil", b"!")
    s3.write("models/net/FP16/.posezoo/net.xml.json", b"!")
    s3.write("models/net/FP16/good", b".")
    assert [path.name for path in pull(folder_of(), LIMITS)] == ["good"]


@pytest.mark.slow
def test_a_reader_never_accepts_files_of_two_versions(s3, monkeypatch, tmp_path_factory):
    """At each moment of a replacement, the store has the old files, the new ones, or no manifest."""
    folder = folder_of()
    publish(write(folder, weights=b"old", xml=b"old", record=b"old"), LIMITS)
    seen = set()
    move, remove = stores._move, stores._remove

    def watch() -> None:
        keys = {name: f"models/net/FP16/{name}" for name in PAIR}
        present = {name: s3.read(key) for name, key in keys.items() if key in s3.names()}
        seen.add(tuple(present.get(name) for name in PAIR))

    def watched(work):
        def run(*arguments):
            watch()
            result = work(*arguments)
            watch()
            return result

        return run

    monkeypatch.setattr(stores, "_move", watched(move))
    monkeypatch.setattr(stores, "_remove", watched(remove))
    publish(write(folder, weights=b"new!", xml=b"new!", record=b"new!"), LIMITS)
    assert {state for state in seen if state[2]} == {(b"old",) * 3, (b"new!",) * 3}
    assert {state for state in seen if state[1]} == {
        (b"old",) * 3,
        (b"old", b"old", None),
        (b"new!",) * 3,
        (b"new!", b"new!", None),
    }


@pytest.mark.slow
def test_a_failed_upload_leaves_the_earlier_files(s3):
    publish(write(folder_of(), weights=b"old", xml=b"old", record=b"old"), LIMITS)
    s3.proxy.cut = "PUT"
    with pytest.raises(OutputError, match=r"s3://zoo/models/net/FP16/net\.bin: .*2 attempts"):
        publish(write(folder_of(), weights=b"new!", xml=b"new!", record=b"new!"), HASTY)
    assert {s3.read(name) for name in s3.names()} == {b"old"}
    assert len(s3.names()) == 3


@pytest.mark.slow
def test_a_connection_that_is_cut_in_an_upload_is_tried_again(s3):
    s3.proxy.cut, s3.proxy.cuts_left = "PUT", 4
    publish(write(folder_of(), weights=bytes(9 << 20), xml=b"x", record=b"{}"), LIMITS)
    assert s3.read("models/net/FP16/net.bin") == bytes(9 << 20)


@pytest.mark.slow
def test_a_server_that_fails_one_request_in_ten_is_used(s3, monkeypatch, tmp_path_factory):
    s3.proxy.fails_every = 10
    contents = [os.urandom(3 << 20) for _ in range(4)]
    for number, content in enumerate(contents):
        files = write(
            folder_of(f"s3://zoo/n{number}"), weights=content, xml=content[:99], record=b"{}"
        )
        publish(files, LIMITS)
    elsewhere(monkeypatch, tmp_path_factory)
    for number, content in enumerate(contents):
        pull(folder_of(f"s3://zoo/n{number}"), LIMITS)
        assert (folder_of(f"s3://zoo/n{number}") / "net.bin").read_bytes() == content
    assert s3.proxy.failed


@pytest.mark.slow
def test_two_writers_of_different_files_do_not_mix_them(s3, tmp_path):
    """Both run at once, again and again; what remains is whole, and one writer's."""
    writer = (
        "import sys; from pathlib import Path; from posezoo.scale.stores import publish\n"
        "from posezoo.core.settings import parse_folder\n"
        "from posezoo.core.workers.retries import RequestLimits\n"
        "folder = parse_folder('s3://zoo/models/net/FP16'); folder.mkdir(parents=True)\n"
        "for turn in range(6):\n"
        "    text = f'{sys.argv[1]}{turn}'.encode()\n"
        f"    files = [folder / name for name in {PAIR!r}]\n"
        "    [file.write_bytes(text) for file in files]\n"
        "    try: publish(files, RequestLimits(20, 20.0))\n"
        "    except Exception as error: print(error)\n"
    )
    processes = []
    for name in "ab":
        environment = {**os.environ, "HOME": str(tmp_path / name)}
        processes.append(subprocess.Popen([sys.executable, "-c", writer, name], env=environment))
    assert [process.wait(120) for process in processes] == [0, 0]
    assert len({s3.read(f"models/net/FP16/{name}") for name in PAIR}) == 1
    assert len(s3.names()) == 3


def test_what_a_killed_writer_left_is_removed_a_day_later(s3):
    old, new = int(time.time()) - 90000, int(time.time()) - 60
    for moment in (old, new):
        s3.write(f"models/net/FP16/.posezoo-{moment}-ab12/net.bin", b"half")
    publish(write(folder_of(), weights=b"w", xml=b"x", record=b"{}"), LIMITS)
    left = [name for name in s3.names() if ".posezoo-" in name]
    assert left == [f"models/net/FP16/.posezoo-{new}-ab12/net.bin"]
    pull(folder_of(), LIMITS, afresh=True)
    assert not list(folder_of().glob(".posezoo-*"))


def test_errors_are_one_line_with_a_hint(s3, monkeypatch):
    files = write(folder_of("s3://nobody-has-this/models"), weights=b"w", xml=b"x", record=b"{}")
    with pytest.raises(OutputError, match="does not exist in the store") as caught:
        publish(files, LIMITS)
    assert "creates no bucket" in caught.value.hint
    assert pull(folder_of("s3://nobody-has-this/other"), LIMITS) == {}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    stores._connect.cache_clear()
    with pytest.raises(SourceError, match="refuses access") as caught:
        pull(folder_of(), LIMITS)
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


@pytest.mark.slow
def test_a_server_that_is_not_there_or_silent_is_given_up(s3, monkeypatch):
    s3.proxy.silent = "GET"
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"no answer within 0\.5 s \(2 attempts\)") as caught:
        pull(folder_of(), RequestLimits(2, 0.5))
    assert time.monotonic() - start < 10
    assert caught.value.temporary
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    stores._connect.cache_clear()
    with pytest.raises(SourceError, match=r"the store fails|no answer"):
        pull(folder_of(), RequestLimits(1, 3.0))


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    import fsspec.core

    def missing(protocol: str) -> type:
        raise ImportError(f"Install something to access {protocol}")

    monkeypatch.setattr(fsspec.core, "get_filesystem_class", missing)
    stores._connect.cache_clear()
    with pytest.raises(SourceError, match="the package for gs is not installed") as caught:
        pull(folder_of("gs://zoo/models"), LIMITS)
    assert "[storage]" in caught.value.hint
