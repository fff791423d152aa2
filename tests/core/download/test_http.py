import gzip
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from dataclasses import replace
from email.utils import formatdate
from urllib.parse import urlsplit

import pytest

from fakes.command import run_process
from fakes.files import WEIGHTS, declared, model, net_at, served
from fakes.server import PAGE, Answer, Server
from fakes.tunnel import SocksProxy
from fakes.waiting import HANG_S
from posezoo.core.download import http, http_connections
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.file_download import download_file
from posezoo.core.download.model_download import download_model
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import DigestError, SizeError, SourceError
from posezoo.core.http_headers import HostHeader
from posezoo.core.layout import ModelLayout
from posezoo.core.versions import version

# ``fetch`` keeps the pauses, and does not wait for them.
pytestmark = pytest.mark.usefixtures("pauses_of_users")


def test_we_say_who_we_are_and_ask_for_the_bytes_as_they_are(server, fetch):
    fetch(served(server))
    headers = server.requests[0].headers
    assert headers["User-Agent"] == f"posezoo/{version()}"
    assert headers["Accept-Encoding"] == "identity"


def test_an_unauthorized_request_says_whether_a_login_was_sent(server, fetch):
    file = declared("net.tflite", b"1", server.serve("net", b"1", status=[401] * 9))
    header = HostHeader.for_url(server.url(), "Authorization", "Bearer 1234")
    for headers, sent in (((), "no login was sent"), ((header,), "a login was sent")):
        with pytest.raises(SourceError, match=sent):
            fetch(file, headers=headers)


@pytest.mark.parametrize("status", [404, 410])
def test_a_server_that_answered_is_no_matter_of_the_network(server, fetch, status):
    file = served(server, status=[status])
    with pytest.raises(SourceError) as caught:
        fetch(file)
    assert (
        caught.value.hint
        == "check the address, or give a folder with a copy: --mirror DIR, or POSEZOO_MIRROR=DIR"
    )


@pytest.mark.parametrize("status", [204, 206, 299, 599])
def test_a_status_without_the_whole_file_is_no_success(server, fetch, status):
    file = served(server, status=[status] * 9)
    with pytest.raises(SourceError, match=f"HTTP {status}"):
        fetch(file, attempts=2)


def test_pauses_grow_and_vary_but_stay_below_8_s(server, fetch):
    file = served(server, status=[503] * 8)
    fetch(file, attempts=9)
    longest = [0.5, 1, 2, 4, 8, 8, 8, 8]
    assert all(
        max_count / 2 <= nap <= max_count
        for nap, max_count in zip(fetch.naps, longest, strict=True)
    )
    assert len(set(fetch.naps)) == 8


@pytest.mark.parametrize(("requested", "nap"), [("3", 3.0), ("0", 0.0), ("7", 7.0)])
def test_the_pause_that_a_server_asks_for_is_kept_as_long_as_it_may_be_silent(
    server, fetch, requested, nap
):
    file = served(server, status=[429], headers={"Retry-After": requested})
    fetch(file, timeout_s=7.0)
    assert fetch.naps == [nap]


@pytest.mark.parametrize(("in_s", "min_count", "max_count"), [(6, 1.0, 6.0), (-9000, 0.0, 0.0)])
def test_a_pause_may_be_asked_for_until_a_date(server, fetch, in_s, min_count, max_count):
    requested = formatdate(time.time() + in_s, usegmt=True)
    file = served(server, status=[503], headers={"Retry-After": requested})
    fetch(file, timeout_s=7.0)
    assert min_count <= fetch.naps[0] <= max_count


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("requested", "seconds"),
    [
        ("3600", "3600 s"),
        ("9" * 9, "999999999 s"),
        (formatdate(time.time() + 9000, usegmt=True), r"\d{4} s"),
    ],
    ids=["an hour", "many years", "a date"],
)
def test_a_server_that_wants_a_longer_pause_is_given_up_at_once(
    server, fetch, status, requested, seconds
):
    file = served(server, status=[status], headers={"Retry-After": requested})
    with pytest.raises(SourceError, match=f"HTTP {status} .*, again in {seconds}") as refused:
        fetch(file, timeout_s=7.0)
    assert re.search(
        rf"wait {seconds} \(Retry-After\): run the command again after that", refused.value.hint
    )
    assert (server.asked("net.tflite"), fetch.naps) == (1, [])


@pytest.mark.parametrize(
    "requested", ["Wed, 99 Foo 2026 07:28:00 GMT", "-1", "soon", "1e9", "9" * 400]
)
def test_another_wish_for_a_pause_leaves_ours(server, fetch, requested):
    file = served(server, status=[503], headers={"Retry-After": requested})
    fetch(file)
    assert 0.25 <= fetch.naps[0] <= 0.5


@pytest.mark.parametrize(
    ("pin", "record"),
    [
        ({}, "model.yml is wrong: check it; posezoo lint --fix corrects it"),
        ({"by_lock": True}, "posezoo.lock is wrong: check it"),
    ],
)
def test_a_source_with_another_size_is_no_problem_of_the_network(server, fetch, pin, record):
    file = replace(net_at(server.serve("net", WEIGHTS + b"!")), **pin)
    with pytest.raises(SizeError) as caught:
        fetch(file)
    wanted = f"the file changed at its source, or its size in {record}"
    assert caught.value.hint.startswith(wanted)
    assert "network" not in caught.value.hint


def test_one_wrong_byte_is_noticed_and_not_asked_for_again(server, fetch):
    file = served(server, wrong_byte=2000)
    with pytest.raises(
        DigestError,
        match=r"the digest of the download is SHA-384 \w{12}…, but SHA-384 \w{12}… is declared",
    ) as caught:
        fetch(file)
    assert server.asked("net.tflite") == 1
    assert caught.value.hint.endswith("try again, or give a folder with a copy: --mirror DIR")
    assert fetch.left() == []


@pytest.mark.parametrize("page", [PAGE, b"\xef\xbb\xbf\n <HTML><head></head></HTML>" + b" " * 9000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_web_page_in_place_of_the_file_is_named_as_such(server, fetch, page, chunked):
    file = served(server, page, chunked=chunked, headers={"Content-Type": "text/html"})
    with pytest.raises(SourceError, match=r"a web page \(HTML\) instead of the file"):
        fetch(file)


def test_a_stall_after_a_good_beginning_is_given_up(server, fetch):
    weights = WEIGHTS * 64
    url = server.serve("net.tflite", weights, body_drip_s=0.02, drips_from=200_000)
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"sent only \d+ bytes"):
        fetch(declared("net.tflite", weights, url), attempts=1, timeout_s=0.4)
    assert time.monotonic() - started < HANG_S


def test_100_kb_a_second_are_fast_enough(server, fetch):
    weights = WEIGHTS * 16
    url = server.serve("net.tflite", weights, body_drip_s=0.01, drip_bytes=1000)
    assert (
        fetch(declared("net.tflite", weights, url), attempts=1, timeout_s=0.4).read_bytes()
        == weights
    )


def test_a_handshake_that_never_comes_is_given_up(fetch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://localhost:{silent.getsockname()[1]}/net.tflite"
        started = time.monotonic()
        with pytest.raises(SourceError, match=r"no answer within 0\.3 s"):
            fetch(net_at(url), attempts=1, timeout_s=0.3)
        assert time.monotonic() - started < HANG_S


def test_always_silent_servers_are_asked_four_times_at_most(server, fetch):
    file = served(server, silence_s=3.0)
    with pytest.raises(SourceError, match=r"\(4 attempts\)"):
        fetch(file, timeout_s=0.1, attempts=9)
    assert server.asked("net.tflite") == 4


def test_redirects_are_followed(server, fetch):
    url = server.serve("final", WEIGHTS)
    for hop in range(10):
        url = server.serve(f"hop{hop}", b"", status=[302] * 9, headers={"Location": url})
    assert fetch(net_at(url)).read_bytes() == WEIGHTS


def test_a_relative_redirect_is_followed(server, fetch):
    server.serve("data/final", WEIGHTS)
    file = served(server, b"", status=[307], headers={"Location": "data/final"})
    assert fetch(file).read_bytes() == WEIGHTS


def test_redirects_without_end_end(server, fetch):
    for hop in range(12):
        url = f"/{hop + 1}"
        server.serve(str(hop), b"", status=[302] * 9, headers={"Location": url})
    with pytest.raises(SourceError, match="redirects more than 10 times"):
        fetch(net_at(server.url("0")))
    assert len(server.requests) == 11


def test_slow_redirects_are_given_up_together(server, fetch):
    for hop in range(9):
        server.serve(
            str(hop), b"", status=[302] * 9, headers={"Location": f"/{hop + 1}"}, silence_s=0.3
        )
    with pytest.raises(SourceError, match=r"redirects for more than 0\.5 s"):
        fetch(net_at(server.url("0")), timeout_s=0.5, attempts=1)


@pytest.fixture
def names(monkeypatch):
    """Two names in the network of this machine; the first is taken for a public one."""
    look_up = socket.getaddrinfo
    own = {"outside.example", "inside.example"}
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **kw: look_up("127.0.0.1" if host in own else host, *more, **kw),
    )
    monkeypatch.setattr(http, "is_private", lambda host: False)


@pytest.mark.parametrize("is_connected", [False, True])
def test_a_redirect_to_a_name_is_judged_by_the_address_that_it_connects_to(
    server, fetch, names, is_connected
):
    inside = server.serve("secret", WEIGHTS).replace("localhost", "inside.example")
    url = server.serve("start", b"", status=[302] * 9, headers={"Location": inside})
    url = url.replace("localhost", "outside.example")
    file = net_at(url)
    with DownloadContext("pose", DownloadOptions(None, sleep=lambda s: None)) as context:
        if is_connected:  # the connection is kept open
            download_file(
                declared("own.tflite", WEIGHTS, inside), fetch.folder / "own.tflite", context
            )
        with pytest.raises(SourceError, match=r"redirects to a host at 127\.0\.0\.1") as caught:
            download_file(file, fetch.folder / "net.tflite", context)
    assert "--allow_private_redirects" in caught.value.hint
    assert server.asked("secret") == int(is_connected)
    assert fetch(file, allow_private_redirects=True).read_bytes() == WEIGHTS


def test_a_name_in_the_own_network_may_lead_to_another_one(server, fetch, names, monkeypatch):
    monkeypatch.undo()
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **kw: look_up("127.0.0.1", *more, **kw)
    )
    inside = server.serve("final", WEIGHTS).replace("localhost", "files.corp")
    url = server.serve("start", b"", status=[302], headers={"Location": inside})
    assert fetch(net_at(url.replace("localhost", "www.corp"))).read_bytes() == WEIGHTS


def test_an_absurd_length_is_refused(server, fetch):
    file = served(server, headers={"Content-Length": "9" * 10_000}, without_length=True)
    with pytest.raises(SizeError, match="a size of 10000 digits"):
        fetch(file)


def test_a_status_line_cannot_control_the_terminal(fetch):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            for _ in range(2):
                connection = listening.accept()[0]
                with connection:
                    connection.recv(9999)
                    connection.sendall(b"\x1b[2J\x1b]0;owned\x07 nonsense\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://localhost:{listening.getsockname()[1]}/net.tflite"
        with pytest.raises(SourceError) as caught:
            fetch(net_at(url), attempts=2)
    assert caught.value.problem.isprintable()
    assert r"\x1b[2J" in caught.value.problem


@pytest.mark.parametrize(
    "url",
    ["ftp://localhost/x", "net.tflite", "http://", "http://[::1", "http://localhost:0x"],
)
def test_an_address_that_cannot_be_one_is_refused_at_once(fetch, url):
    with pytest.raises(SourceError):
        fetch(net_at(url))
    assert fetch.naps == []


def test_a_closed_port_does_not_take_long(fetch):
    with Server() as gone:
        url = gone.url("net.tflite")
    with pytest.raises(SourceError, match="no connection: Connection refused"):
        fetch(net_at(url), attempts=50)
    assert len(fetch.naps) == 2


def test_a_proxy_that_is_not_there_is_named(fetch, monkeypatch):
    with Server() as gone:
        monkeypatch.setenv("http_proxy", gone.url())
    with pytest.raises(
        SourceError, match=r"the proxy localhost:\d+ refuses the connection: Connection refused"
    ):
        fetch(net_at("http://127.0.0.2/net.tflite"))


def test_the_variable_of_a_proxy_without_a_scheme_is_named(fetch, monkeypatch):
    monkeypatch.setenv("https_proxy", "proxy:8080")
    with pytest.raises(SourceError, match="the address of the proxy is not complete") as caught:
        fetch(net_at("https://models.invalid/net.tflite"))
    assert caught.value.hint == "https_proxy: write it with its scheme, such as http://proxy:8080"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password_is_asked_once(server, fetch, monkeypatch, scheme):
    monkeypatch.setenv(f"{scheme}_proxy", server.url())
    target = f"{scheme}://models.invalid/net.tflite"
    server.answers[target] = server.answers["models.invalid:443"] = Answer(PAGE, status=[407] * 9)
    with pytest.raises(SourceError, match="407 Proxy Authentication Required") as caught:
        fetch(net_at(target))
    assert len(server.requests) == 1
    assert "USER:PASSWORD" in caught.value.hint


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_answers_with_a_page_is_no_server(server, fetch, monkeypatch, scheme):
    monkeypatch.setenv(f"{scheme}_proxy", server.url())
    target = f"{scheme}://models.invalid/net.tflite"
    server.answers[target] = server.answers["models.invalid:443"] = Answer(PAGE)
    with pytest.raises(SourceError, match=r"a web page \(HTML\)|TLS failed|no connection"):
        fetch(net_at(target), attempts=1)
    assert fetch.left() == []


def test_a_proxy_whose_tunnel_stalls_is_given_up(server, fetch, monkeypatch):
    monkeypatch.setenv("https_proxy", server.url())
    server.answers["models.invalid:443"] = Answer(b"", header_drip_s=0.05)
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"no answer within 0\.3 s"):
        fetch(net_at("https://models.invalid/n"), attempts=1, timeout_s=0.3)
    assert time.monotonic() - started < HANG_S


def test_the_users_proxy_is_used(server, fetch, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url())
    server.answers["http://models.invalid/net.tflite"] = Answer(WEIGHTS, early_hints=True)
    file = net_at("http://models.invalid/net.tflite")
    assert fetch(file).read_bytes() == WEIGHTS


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_socks_proxy_is_used_and_finds_the_name(server, authority, fetch, monkeypatch, encrypted):
    pytest.importorskip("socks", reason="needs PySocks")
    scheme = "http"
    if encrypted:
        server, bundle = authority
        scheme = "https"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    server.serve("net.tflite", WEIGHTS, early_hints=True)
    port = urlsplit(server.url()).port
    with SocksProxy(port) as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        url = f"{scheme}://models.invalid/net.tflite"
        assert fetch(net_at(url)).read_bytes() == WEIGHTS
    assert proxy.asked == [f"models.invalid:{443 if encrypted else 80}"]


def test_a_server_that_stalls_behind_a_socks_proxy_is_given_up(server, fetch, monkeypatch):
    pytest.importorskip("socks", reason="needs PySocks")
    server.serve("net.tflite", header_drip_s=0.05)
    with SocksProxy(urlsplit(server.url()).port) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        file = net_at("http://models.invalid/net.tflite")
        with pytest.raises(SourceError, match=r"no answer within 0\.3 s"):
            fetch(file, attempts=1, timeout_s=0.3)


def test_a_socks_proxy_without_its_package_is_an_error_that_names_it(fetch, monkeypatch):
    monkeypatch.setitem(sys.modules, "urllib3.contrib.socks", None)
    monkeypatch.setenv("https_proxy", "socks5h://localhost:9")
    http_connections._socks_pools.cache_clear()
    with pytest.raises(SourceError, match="a SOCKS proxy needs the package PySocks") as caught:
        fetch(net_at("https://models.invalid/net.tflite"))
    assert caught.value.hint.endswith("install PySocks")
    assert fetch.naps == []


def bare(body):
    """Deflate without zlib's header."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def in_two(body):
    return gzip.compress(body[:1000]) + gzip.compress(body[1000:])


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("gzip", in_two),
        ("gzip", lambda body: gzip.compress(body) + bytes(512)),
        ("deflate", zlib.compress),
        ("deflate", bare),
    ],
    ids=["gzip", "x-gzip", "two members", "padded", "deflate", "bare deflate"],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_compressed_unasked_is_decompressed(server, fetch, encoding, pack, chunked):
    url = server.serve(
        "net", pack(WEIGHTS), headers={"Content-Encoding": encoding}, chunked=chunked
    )
    assert fetch(net_at(url)).read_bytes() == WEIGHTS


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    "pack", [lambda body: body, gzip.compress], ids=["as it is", "packed again"]
)
def test_a_compressed_file_with_a_content_encoding_stays_compressed(server, fetch, chunked, pack):
    body = gzip.compress(WEIGHTS)
    url = server.serve("n", pack(body), headers={"Content-Encoding": "gzip"}, chunked=chunked)
    assert fetch(declared("net.tar.gz", body, url)).read_bytes() == body


def test_a_compressed_body_without_end_and_content_is_given_up(server, fetch):
    said = {"Content-Encoding": "gzip"}
    file = served(
        server, gzip.compress(b"") * 5000, headers=said, without_length=True, endless=True
    )
    with pytest.raises(SizeError, match="more than the expected 4096 bytes"):
        fetch(file)


def test_a_compressed_body_is_decompressed_no_further_than_declared(server, fetch):
    bomb = gzip.compress(bytes(50_000_000))
    file = served(server, bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        with pytest.raises(SizeError, match="more than the declared 4096 bytes"):
            fetch(file)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_an_invalid_compressed_body_is_refused(server, fetch):
    file = served(server, WEIGHTS + b"!", headers={"Content-Encoding": "gzip"})
    with pytest.raises(SourceError, match="sends invalid gzip data"):
        fetch(file)


def test_one_connection_serves_several_files(server, tmp_path):
    files = tuple(
        declared(f"{n}.bin", WEIGHTS + bytes([n]), server.url(f"{n}.bin")) for n in range(3)
    )
    for n in range(3):
        server.serve(f"{n}.bin", WEIGHTS + bytes([n]))
    download_model(model(*files), ModelLayout(tmp_path, tmp_path), DownloadOptions(None))
    assert len({request.port for request in server.requests}) == 1


@pytest.fixture
def authority(tmp_path):
    """A server with TLS, and the file of the authority that vouches for it."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "models.invalid").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with Server(context) as server:
        yield server, tmp_path / "ca.pem"


def test_an_untrusted_certificate_is_refused_at_once(authority, fetch):
    server, _ = authority
    file = served(server)
    with pytest.raises(SourceError, match=r"TLS failed: .*certificate verify failed") as caught:
        fetch(file)
    assert fetch.naps == []
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint


def test_a_private_authority_can_be_named(authority, fetch, monkeypatch):
    server, bundle = authority
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    file = served(server, early_hints=True)
    assert fetch(file).read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    "faults", [{"body_drip_s": 0.02}, {"chunk_size_drip_s": 0.02}, {"hang_at": 9}]
)
def test_a_body_that_stalls_over_tls_is_given_up_and_downloaded_again(authority, fetch, faults):
    server, bundle = authority
    file = served(server, **faults, times=1)
    started = time.monotonic()
    assert fetch(file, timeout_s=0.4, ca_bundle=bundle).read_bytes() == WEIGHTS
    assert time.monotonic() - started < HANG_S
    assert server.asked("net.tflite") == 2


def test_a_bundle_that_is_not_there_is_named(authority, fetch, monkeypatch):
    server, bundle = authority
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle) + ".gone")
    with pytest.raises(SourceError, match=r"ca\.pem\.gone"):
        fetch(served(server))


def test_a_warning_names_the_host_and_only_the_last_error_the_address(server, fetch):
    url = server.serve("net.tflite", WEIGHTS, status=[503] * 9)
    with pytest.raises(SourceError) as caught:
        fetch(net_at(url), attempts=3)
    assert "net.tflite: localhost: HTTP 503" in fetch.warnings
    assert (fetch.warnings.count(url), caught.value.problem.count(url)) == (0, 1)


def test_a_redirect_from_https_to_http_is_refused(authority, server, fetch, monkeypatch):
    secure, bundle = authority
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    plain = server.serve("net.tflite", WEIGHTS)
    url = secure.serve("start", b"", status=[302], headers={"Location": plain})
    with pytest.raises(SourceError, match="from https to http"):
        fetch(net_at(url))
    assert server.requests == []


def test_a_header_is_not_carried_to_where_its_host_redirects(server, fetch):
    with Server() as other:
        url = other.serve("net.tflite", WEIGHTS)
        start = server.serve("start", b"", status=[302], headers={"Location": url})
        host = start.split("/")[2]
        fetch(
            net_at(start),
            headers=(HostHeader(host, "Authorization", "Bearer secret"),),
        )
        assert server.requests[0].headers["Authorization"] == "Bearer secret"
        assert other.requests[0].headers["Authorization"] is None


def test_netrc_speaks_for_its_machine_and_a_header_before_it(server, fetch, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine localhost login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    url = server.serve("net.tflite", WEIGHTS)
    moved = server.serve(
        "moved", b"", status=[302], headers={"Location": url.replace("localhost", "127.0.0.1")}
    )
    fetch(net_at(moved))
    assert server.requests[0].headers["Authorization"].startswith("Basic ")
    assert server.requests[1].headers["Authorization"] is None
    header = HostHeader(url.split("/")[2], "authorization", "Bearer other")
    fetch(declared("again.tflite", WEIGHTS, url), headers=(header,))
    assert server.requests[2].headers["Authorization"] == "Bearer other"


def test_an_authority_that_the_system_trusts_is_trusted(authority, fetch, monkeypatch, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    server, bundle = authority
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    system = tmp_path / "certs"
    system.mkdir()
    shutil.copy(bundle, system)
    file = served(server)
    monkeypatch.setenv("SSL_CERT_DIR", str(system))
    with pytest.raises(SourceError, match="TLS failed"):
        fetch(file)  # OpenSSL finds a certificate by its hash
    subprocess.run(["openssl", "rehash", system], check=True)
    assert fetch(file).read_bytes() == WEIGHTS


def test_a_bundle_without_certificates_is_what_the_error_is_about(authority, fetch, tmp_path):
    server, _ = authority
    (tmp_path / "nonsense.pem").write_text("nonsense")
    file = served(server)
    with pytest.raises(SourceError, match="authorities has no certificates") as caught:
        fetch(file, ca_bundle=tmp_path / "nonsense.pem")
    assert "must name a file in the format PEM" in caught.value.hint
    assert fetch.naps == []


#: In a network of its own, whose loopback has link-local addresses, too.
LINK_LOCAL = """
import http.server, socket, sys, threading
from pathlib import Path
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.options import DownloadOptions
from posezoo.packages.small_answers import read_small
from posezoo.core.errors import SourceError

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(f"{self.headers['Host'].rpartition(':')[0]}{self.path}")
        target = self.path.partition("?")[2]
        self.send_response(302 if target else 200)
        if target:
            self.send_header("Location", target)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass

asked = []
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
server = Server(("::", 0), Handler)
port = server.server_port
threading.Thread(target=server.serve_forever, daemon=True).start()
look_up = socket.getaddrinfo
addresses = {"metadata.corp": "169.254.7.7", "www.corp": "127.0.0.1"}
socket.getaddrinfo = lambda host, *more, **kw: look_up(addresses.get(host, host), *more, **kw)

def attempt(host, path="", named=(), **more):
    url = f"http://{host}:{port}/{path.replace('PORT', str(port))}"
    options = DownloadOptions(None, attempts=1, named_urls=named, allow_http=True, **more)
    with DownloadContext("a", options) as context:
        try:
            print(read_small(url, 99, context, name="the answer").content.decode())
        except SourceError as error:
            print(error.problem.replace(str(port), "PORT"))

named = ("http://169.254.7.7/", "http://metadata.corp/")
for host in ("169.254.7.7", "metadata.corp", "[::ffff:169.254.7.7]", "[fe80::7%25lo]"):
    attempt(host)
attempt("www.corp", "?http://metadata.corp:PORT/")  # from a private network
attempt("127.0.0.1", "?http://169.254.7.7:PORT/", allow_private_redirects=True)
attempt("169.254.7.7", named=named)
attempt("metadata.corp", named=named)
attempt("169.254.7.7", mirrors=("http://169.254.7.7/zoo",))
print(*asked)
"""

LINK_LOCAL_HOSTS = (
    "169.254.7.7",
    "169.254.7.7",  # by its name
    "::ffff:169.254.7.7",
    "fe80::7%25lo",
    "169.254.7.7",
    "169.254.7.7",
)


def test_a_link_local_address_is_reached_only_if_the_user_named_it(tmp_path):
    script = tmp_path / "attempts.py"
    script.write_text(LINK_LOCAL)
    prepare = "ip link set lo up && ip addr add 169.254.7.7/32 dev lo && ip addr add fe80::7/64 dev lo nodad"
    command = ["unshare", "-rn", "sh", "-c", f'{prepare} && exec "$0" "$1"', sys.executable, script]
    try:
        ended = run_process(command, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("cannot take the network away here")
    *answers, asked = ended.stdout.splitlines()
    refused = [f"leads to {host}, a link-local address" for host in LINK_LOCAL_HOSTS]
    assert answers == [*refused, "ok", "ok", "ok"]
    hosts = [words.partition("/")[0] for words in asked.split()]
    assert hosts == ["www.corp", "127.0.0.1", "169.254.7.7", "metadata.corp", "169.254.7.7"]
