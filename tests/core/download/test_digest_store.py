import re
from pathlib import Path

import pytest

from fakes.files import WEIGHTS, net_at, put, served
from posezoo.core.declarations.model import Digest
from posezoo.core.download.origins import entry_path
from posezoo.core.errors import DownloadError, SourceError, redact_secrets
from posezoo.core.events import CachedFileUsed, FileDownloadStarted


def origin_of(fetch):
    (retrieved,) = fetch.told(CachedFileUsed)
    return str(retrieved.origin)


def test_entries_lie_where_open_model_zoo_looks_for_them():
    assert entry_path(Digest("sha384", "ab" + "c" * 94)) == "1/ab/" + "c" * 94


def test_the_second_time_it_comes_from_the_cache(server, fetch, tmp_path):
    file = net_at(server.serve("n", WEIGHTS))
    fetch(file, cache=tmp_path / "cache").unlink()
    fetch(file, cache=tmp_path / "cache", mirrors=(server.url("mirror"),))
    assert len(server.requests) == 1
    assert origin_of(fetch) == str(tmp_path / "cache" / entry_path(file.checksum))


def test_a_damaged_cache_entry_is_named_and_repaired(server, fetch, tmp_path):
    file = served(server)
    for damage in (bytes(4096), WEIGHTS[:-1], WEIGHTS + b"!", b""):
        kept = put(tmp_path / "cache", damage, file)
        fetch(file, cache=tmp_path / "cache").unlink()
        assert f"net.tflite: {kept}: " in fetch.warnings
        assert kept.read_bytes() == WEIGHTS
        fetch.events.clear()


@pytest.mark.parametrize("form", ["{}", "file://{}", "{}/"])
def test_a_mirror_may_be_a_folder(fetch, tmp_path, form):
    file = net_at()
    put(tmp_path / "a mirror", WEIGHTS, file)
    address = form.format(tmp_path / "a mirror").replace(" ", "%20" if "file:" in form else " ")
    assert fetch(file, mirrors=(address,)).read_bytes() == WEIGHTS
    assert origin_of(fetch) == address


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirror_may_be_an_address(server, fetch, slash):
    file = net_at()
    server.serve(f"models/{entry_path(file.checksum)}", WEIGHTS)
    fetch(file, mirrors=(server.url("models") + slash,))
    assert origin_of(fetch) == server.url("models") + slash


def test_mirrors_are_asked_before_sources_and_one_without_the_file_is_passed_over(
    server, fetch, tmp_path
):
    file = net_at(server.serve("n", WEIGHTS))
    (tmp_path / "empty").mkdir()
    put(tmp_path / "full", WEIGHTS, file)
    fetch(file, mirrors=(str(tmp_path / "empty"), server.url("empty"), str(tmp_path / "full")))
    assert origin_of(fetch) == str(tmp_path / "full")
    assert fetch.warnings == ""
    assert server.asked("n") == 0


def test_a_damaged_mirror_is_named_and_the_next_origin_asked(server, fetch, tmp_path):
    file = served(server)
    put(tmp_path / "mirror", bytes(4096), file)
    server.serve(f"mirror/{entry_path(file.checksum)}", WEIGHTS, wrong_byte=5)
    fetch(file, mirrors=(str(tmp_path / "mirror"), server.url("mirror")))
    assert (
        f"net.tflite: {tmp_path / 'mirror'}: the digest of the download is SHA-384"
        in fetch.warnings
    )
    assert (
        f"net.tflite: {server.url('mirror')}: the digest of the download is SHA-384"
        in fetch.warnings
    )
    assert len(fetch.told(FileDownloadStarted)) == 1


@pytest.mark.parametrize(
    "address", ["/nowhere/at/all", "ftp://localhost/models", "mirror.example.org"]
)
def test_a_mirror_that_is_none_is_named(server, fetch, address):
    fetch(served(server), mirrors=(address,))
    assert f"{address}: is neither a folder nor an http(s) URL" in fetch.warnings


def test_a_mirror_or_cache_that_cannot_even_be_looked_at_costs_a_warning(server, fetch):
    name = "m" * 300  # longer than any file system takes
    fetch(
        served(server),
        mirrors=(name,),
        cache=Path(name),
    )
    # Python 3.14 only says that there is no such folder.
    is_named = r"cannot be read: File name too long|is neither a folder nor an http\(s\) URL"
    assert re.search(f"^net.tflite: {name}: ({is_named})", fetch.warnings, re.MULTILINE)
    assert f"net.tflite: {name}/1/" in fetch.warnings
    assert f"{name}: the cache cannot be written: File name too long" in fetch.warnings


def test_a_web_page_is_no_mirror(server, fetch):
    file = net_at()
    server.serve(f"models/{entry_path(file.checksum)}", b"<html>Welcome</html>")
    with pytest.raises(SourceError, match=r"a web page \(HTML\)"):
        fetch(file, mirrors=(server.url("models"),))


def test_the_password_of_a_mirror_is_never_shown(server, fetch):
    file = net_at()
    server.serve(entry_path(file.checksum), WEIGHTS)
    address = server.url().replace("http://", "http://reader:secret@")
    fetch(file, mirrors=(address,))
    assert origin_of(fetch) == server.url()
    assert server.requests[0].headers["Authorization"].startswith("Basic ")


def test_offline_a_mirror_without_the_file_is_named(fetch, tmp_path):
    with pytest.raises(DownloadError, match=f"net.tflite: {tmp_path}: does not have the file"):
        fetch(net_at(), mirrors=(str(tmp_path),))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a:b@host/x", "https://host/x"),
        ("https://a:b@c@host/x@y", "https://host/x@y"),
        ("https://host/x@y", "https://host/x@y"),
        ("/a@b/c", "/a@b/c"),
        (
            "https://host/x?part=1&X-Amz-Signature=ab&Expires=9",
            "https://host/x?part=1&X-Amz-Signature=***&Expires=9",
        ),
        ("https://host/x?sv=1&sig=a%2Fb", "https://host/x?sv=1&sig=***"),
        ("Authorization: Bearer abc", "Authorization: ***"),
        ("https://host/x?keypoints=17", "https://host/x?keypoints=17"),
        ("https://host/x?jwt=a.b&code=1&sv=1", "https://host/x?jwt=***&code=***&sv=1"),
        (
            "https://host/x?user=ann&pwd=b#access_token=c",
            "https://host/x?user=***&pwd=***#access_token=***",
        ),
        ("sftp://ann@host/x", "sftp://host/x"),
        (
            "https://host/x?v=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.a.b&f=a.pth",
            "https://host/x?v=***&f=a.pth",
        ),
        (
            "https://host/x?f=human-pose-estimation-0001.xml",
            "https://host/x?f=human-pose-estimation-0001.xml",
        ),
    ],
)
def test_only_the_secrets_go(url, shown):
    assert redact_secrets(url) == shown
