import pytest

from fakes.files import declared
from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.download.http import refuse_unsafe_redirect, refuse_unsafe_url
from posezoo.core.download.http_connections import is_private, refuse_link_local
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import SourceError
from posezoo.core.http_headers import HostHeader

PINNED = declared("net.tflite", b"net")
BY_MEMBER = SourceFile("net.zip", 3, None, (), contains={"net": Digest("sha1", "0" * 40)})
PRIVATE = (
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "10.0.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",  # NAT64
    "[64:ff9b::a9fe:a9fe]",
    "[2002:7f00:1::]",  # 6to4
    "[2002:a9fe:a9fe::1]",
    "[fe80::1%25eth0]",
    "[fd00::1]",
)


@pytest.mark.parametrize("host", PRIVATE)
@pytest.mark.parametrize("sender", ["example.org", "8.8.8.8"])
def test_a_public_name_leads_to_no_private_address_unless_that_is_allowed(host, sender):
    url, target = f"https://{sender}/net", f"https://ann:secret@{host}/net"
    with pytest.raises(SourceError, match="of this machine or a private network") as caught:
        refuse_unsafe_redirect(url, target, DownloadOptions(None), by_proxy=False)
    assert "--allow_private_redirects" in caught.value.hint
    assert "secret" not in caught.value.problem
    refuse_unsafe_redirect(
        url, target, DownloadOptions(None, allow_private_redirects=True), by_proxy=False
    )
    refuse_unsafe_redirect(url, target, DownloadOptions(None), by_proxy=True)


@pytest.mark.parametrize("address", ["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"])
def test_an_address_that_a_gateway_makes_link_local_is_refused(address):
    with pytest.raises(SourceError, match="a link-local address"):
        refuse_link_local(address)


@pytest.mark.parametrize("address", ["64:ff9b::808:808", "2002:808:808::1"])
def test_an_address_that_a_gateway_makes_public_is_public(address):
    refuse_link_local(address)
    assert not is_private(address)


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_leads_where_it_likes(host):
    for target in ("127.0.0.1", "8.8.8.8", "example.org"):
        refuse_unsafe_redirect(
            f"http://{host}/net", f"http://{target}/net", DownloadOptions(None), by_proxy=False
        )


@pytest.mark.parametrize(
    "host", ["example.org", "8.8.8.8", "[2606:4700::1]", "10.example.org", "abc", "fade.de"]
)
def test_a_public_name_leads_to_other_public_names(host):
    refuse_unsafe_redirect(
        "https://cdn.example.org/net", f"https://{host}/net", DownloadOptions(None), by_proxy=False
    )
    with pytest.raises(SourceError, match="of this machine or a private network"):
        refuse_unsafe_redirect(
            f"https://{host}/net", "https://127.0.0.1/net", DownloadOptions(None), by_proxy=False
        )


def test_nothing_leads_from_https_to_http_whatever_is_allowed():
    download_options = DownloadOptions(None, allow_http=True, allow_private_redirects=True)
    with pytest.raises(SourceError, match="from https to http"):
        refuse_unsafe_redirect(
            "https://example.org/", "HTTP://example.org/", download_options, by_proxy=True
        )


def test_plain_http_is_for_files_with_a_digest_and_for_this_machine():
    refuse_unsafe_url("http://example.org/net", PINNED, DownloadOptions(None))
    refuse_unsafe_url("http://127.0.0.1:8000/net", BY_MEMBER, DownloadOptions(None))
    refuse_unsafe_url("https://example.org/net", BY_MEMBER, DownloadOptions(None))
    refuse_unsafe_url("http://example.org/net", BY_MEMBER, DownloadOptions(None, allow_http=True))
    for host in ("example.org", "10.0.0.1", "localhost.example.org"):
        with pytest.raises(SourceError, match="uses plain http") as caught:
            refuse_unsafe_url(f"http://{host}/net", BY_MEMBER, DownloadOptions(None))
        assert "--allow_http" in caught.value.hint


@pytest.mark.parametrize(
    ("host", "url", "goes"),
    [
        ("example.org", "https://example.org/net", True),
        ("Example.org", "https://example.ORG:443/net", True),
        ("example.org:8443", "https://example.org:8443/net", True),
        ("example.org", "https://example.org:8443/net", False),
        ("example.org:8443", "https://example.org/net", False),
        ("example.org", "https://cdn.example.org/net", False),
        ("example.org", "https://example.org.evil.net/net", False),
        ("example.org", "https://example.org@evil.net/net", False),
        ("example.org", "http://example.org/net", False),
        ("example.org", "http://example.org:443/net", False),
        ("example.org:80", "http://example.org/net", True),
        ("[::1]:80", "http://[::1]/net", True),
    ],
)
def test_a_header_goes_to_its_host_alone(host, url, goes):
    assert HostHeader(host, "Authorization", "Bearer x").applies_to(url) is goes


def test_a_header_never_shows_its_value():
    header = HostHeader("example.org", "X-Key", "opensesame")
    assert "opensesame" not in f"{header} {header!r} {DownloadOptions(None, headers=(header,))!r}"
