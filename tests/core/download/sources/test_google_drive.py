"""Google Drive, as it answers today: the file, a form that asks once more, a page that says why not."""

import ssl

import pytest

from fakes.files import WEIGHTS, declared
from fakes.server import Server
from fakes.tunnel import Tunnel
from posezoo.core.declarations.sources import GoogleDriveSource
from posezoo.core.errors import SourceError

ID = "1V9Iz0ZYy9m8VeaspfKECDW0NKlGsYmO1"
FIRST = f"download?id={ID}&export=download&confirm=t"
HOST = "drive.usercontent.google.com"
FORM = """<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>
<form id="search" action="https://{host}/search"><input type="hidden" name="q" value="no"></form>
<form id="download-form" action="https://{host}/download" method="get">
<input type="submit" id="uc-download-link" value="Download anyway"/>
<input type="hidden" name="id" value="{id}"><input type="hidden" name="confirm" value="t">
<input type="hidden" name="uuid" value="0a1b-2c&amp;3d"></form></body></html>"""
QUOTA = "<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body></body></html>"
LOGIN = '<html><body>Sign in <a href="https://accounts.google.com/v3/signin">here</a></body></html>'


@pytest.fixture
def drive(tmp_path, monkeypatch):
    """What stands behind Google Drive's name."""
    trustme = pytest.importorskip("trustme")
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with Server(context) as server, Tunnel(int(server.url().rsplit(":")[-1].strip("/"))) as tunnel:
        monkeypatch.setenv("https_proxy", tunnel.url)
        yield server


@pytest.fixture
def file():
    return declared("net.pth", WEIGHTS, GoogleDriveSource(ID))


def test_a_shared_file_comes_by_its_id(drive, file, fetch):
    drive.serve(FIRST, WEIGHTS)
    assert fetch(file).read_bytes() == WEIGHTS


def test_the_form_that_asks_once_more_is_sent_as_it_is(drive, file, fetch):
    drive.serve(
        FIRST, FORM.format(host=HOST, id=ID).encode(), headers={"Set-Cookie": "NID=1; Path=/"}
    )
    drive.serve(f"download?id={ID}&confirm=t&uuid=0a1b-2c%263d", WEIGHTS)
    assert fetch(file).read_bytes() == WEIGHTS
    assert drive.requests[1].headers["Cookie"] == "NID=1"
    assert len(drive.requests) == 2


def test_what_broke_off_after_the_form_is_resumed(drive, file, fetch):
    drive.serve(FIRST, FORM.format(host=HOST, id=ID).encode())
    drive.serve(
        f"download?id={ID}&confirm=t&uuid=0a1b-2c%263d", WEIGHTS, cut_at=3000, times=1, etag='"v"'
    )
    assert fetch(file).read_bytes() == WEIGHTS
    assert drive.requests[-1].headers["Range"] == "bytes=3000-"


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (QUOTA, "Google Drive's download quota for this file is exceeded"),
        (LOGIN, "Google Drive asks for a login"),
        ("<html>Hello</html>", r"returns a web page \(HTML\)"),
        (FORM.format(host="google.com.evil.example", id=ID), r"returns a web page \(HTML\)"),
        (FORM.format(host=f"{HOST}@evil.example", id=ID), r"returns a web page \(HTML\)"),
    ],
    ids=["quota", "login", "other", "a form that leads away", "a form that hides where it leads"],
)
def test_a_page_that_says_why_not_is_named_as_such(drive, file, fetch, page, says):
    drive.serve(FIRST, page.encode())
    with pytest.raises(SourceError, match=says):
        fetch(file)
    assert len(drive.requests) == 1
    assert fetch.left() == []


def test_a_quota_that_is_reported_after_the_form_is_named_too(drive, file, fetch):
    drive.serve(FIRST, FORM.format(host=HOST, id=ID).encode())
    drive.serve(f"download?id={ID}&confirm=t&uuid=0a1b-2c%263d", QUOTA.encode())
    with pytest.raises(SourceError, match="download quota for this file is exceeded") as caught:
        fetch(file)
    assert "--mirror DIR" in caught.value.hint
