"""Files that the user names by an address: the rules of other downloads hold, and no secret is shown."""

import os

import pytest

from fakes.server import PAGE
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import OutputError, SizeError, SourceError
from posezoo.run import user_file
from posezoo.run.user_file import download_user_file, name_in_url

PHOTO = bytes(range(256)) * 9
OPTIONS = DownloadOptions(None, attempts=2, sleep=lambda _seconds: None)


def test_a_web_page_and_a_missing_file_are_refused_without_secrets(server, tmp_path):
    server.serve("page.jpg?token=0123", PAGE)
    for name, problem in (("page.jpg", "returns a web page"), ("missing.jpg", "HTTP 404")):
        with pytest.raises(SourceError, match=problem) as caught:
            download_user_file(f"{server.url(name)}?token=0123", tmp_path, OPTIONS)
        assert caught.value.problem.startswith(f"{server.url(name)}?token=***: ")
        assert caught.value.hint


def test_plain_http_to_another_machine_has_to_be_allowed(tmp_path):
    with pytest.raises(SourceError, match="plain http") as caught:
        download_user_file("http://models.invalid/me.jpg", tmp_path, OPTIONS)
    assert "--allow_http" in caught.value.hint


def test_no_more_than_the_limit_is_read(server, tmp_path, monkeypatch):
    monkeypatch.setattr(user_file, "MAX_BYTES", 100)
    for faults in ({}, {"chunked": True}):
        with pytest.raises(SizeError, match="100"):
            download_user_file(server.serve("me.jpg", PHOTO, **faults), tmp_path, OPTIONS)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's devices")
def test_a_full_disk_is_named(server, tmp_path):
    (tmp_path / "me.jpg").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"me\.jpg: cannot be written: No space left on device"):
        download_user_file(server.serve("me.jpg", PHOTO), tmp_path, OPTIONS)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://host/a/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("https://host/.hidden", "hidden"),
        ("https://host/", "host"),
        ("https://host/a b;c.jpg#x", "a_b_c.jpg"),
        ("https://host/con.jpg", "con_.jpg"),
        ("https://host/C%3A%5Cphoto.", "C_photo"),
    ],
)
def test_a_name_never_leads_out_of_the_folder(url, name):
    assert name_in_url(url) == name
