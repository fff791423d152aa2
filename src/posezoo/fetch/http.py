"""One file over http or https, from servers that misbehave.

requests does the talking. Added to it: informational answers are skipped, handshakes, headers and bodies
that drip in are given up, redirects lead nowhere unsafe, and a packed body is unpacked piece by piece.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import chain
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from posezoo.errors import SizeError, SourceError, without_secrets
from posezoo.fetch.addresses import refuse_address, refuse_redirect
from posezoo.fetch.faults import MissingError, StaleError, TemporaryError
from posezoo.fetch.means import Means
from posezoo.fetch.origins import Body
from posezoo.fetch.part import Held
from posezoo.spec.model import SourceFile
from posezoo.versions import version

# 256 KiB: from there on larger pieces save no more time.
_PIECE = 1 << 18

# Less than this over a whole timeout is no download: 100 MB would take more than a day.
_LEAST_BYTES_PER_S = 1024

_MOST_REDIRECTS = 10

# Where nobody answers at all, more attempts only make an offline run long.
_ATTEMPTS_WITHOUT_ANSWER = 3

# A server that keeps us waiting once costs a whole timeout each time.
_ATTEMPTS_AT_SILENCE = 4

# What gzip and deflate add to bytes that cannot be packed is less than this, and a hundredth.
_PACKING_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"

_HINTS = {
    HTTPStatus.UNAUTHORIZED: "who may fetch it is said by --header HOST='Authorization: ...', or a ~/.netrc",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "say who you are in the proxy's address: "
    "https_proxy=http://USER:PASSWORD@HOST:PORT",
}

_TEMPORARY_STATUS = {408, 425, 429, *range(500, 600)}


def new_session() -> requests.Session:
    """Connections that are kept open between files; proxies and CA bundles are the user's."""
    session = requests.Session()
    session.headers.update({"User-Agent": f"posezoo/{version()}", "Accept-Encoding": "identity"})
    session.mount("http://", _Adapter())
    session.mount("https://", _Adapter())
    return session


@contextmanager
def opened(session: requests.Session, url: str, file: SourceFile, means: Means, held: Held) -> Iterator[Body]:
    """What lies behind an address, or the rest of it.

    Args:
        session: from ``new_session``.
        url: the http or https address.
        file: what is promised; an answer that announces another size is refused before its body.
        means: how much patience there is: for connecting, for the whole of the headers, for each silence.
        held: the bytes of the file that need not come again.

    Raises:
        MissingError: the server does not hold it (404, 410).
        StaleError: the server holds something else than what the held bytes are the beginning of.
        TemporaryError: asking again may help; the pieces raise it too.
        SourceError: asking again does not help.
        SizeError: another size is announced.
    """
    with (
        closing(_answer(session, url, file, means, _wanted(held))) as response,
        _Watch(response, means.timeout_s) as watch,
    ):
        _refuse_status(response, held)
        start = _start(response, file, held)
        pieces = _unpacked(_received(response, file, start, watch), response, file)
        first = next(pieces, b"")
        if not start:
            _refuse_page(first)
        _refuse_length(response, file, start)
        yield Body(chain((first,), pieces), start, _strong_etag(response), _encoding(response) == "identity")


def _wanted(held: Held) -> dict[str, str]:
    """Headers that ask for the rest of a file if it still is the same (RFC 9110, 13.1.5 and 14.2)."""
    if not held.size:
        return {}
    return {"Range": f"bytes={held.size}-", **({"If-Range": held.etag} if held.etag else {})}


def _start(response: requests.Response, file: SourceFile, held: Held) -> int:
    """Where the answer begins: a server that knows no ranges, or has another file now, gives all of it."""
    if response.status_code == HTTPStatus.OK:
        return 0
    given = response.headers.get("Content-Range", "")
    expected = f"bytes {held.size}-{(file.size or 0) - 1}/"
    if given not in (f"{expected}{file.size}", f"{expected}*") or _encoding(response) != "identity":
        raise StaleError(f"gives {given or 'no range'!r} in place of the rest from byte {held.size} on")
    if held.etag and _strong_etag(response) not in ("", held.etag):
        raise StaleError("has another version of the file by now")
    return held.size


def _strong_etag(response: requests.Response) -> str:
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') and etag.isascii() and etag.isprintable() and len(etag) < 256 else ""


def _answer(
    session: requests.Session, url: str, file: SourceFile, means: Means, headers: Mapping[str, str]
) -> requests.Response:
    """The final answer; redirects are followed here, since requests reads their bodies to the end."""
    asked: list[str] = []
    begun = time.monotonic()
    for _ in range(1 + _MOST_REDIRECTS):
        refuse_address(url, file, means)
        if asked and time.monotonic() - begun > means.timeout_s:
            raise TemporaryError(
                f"redirects for more than {means.timeout_s:g} s", at_most=_ATTEMPTS_WITHOUT_ANSWER
            )
        asked.append(url)
        with _translated(means.timeout_s):
            response = _get(session, url, means, headers)
        location = session.get_redirect_target(response)
        if location is None:
            return response
        response.close()
        with _translated(means.timeout_s):
            target = urljoin(url, location)
        by_proxy = bool(select_proxy(target, get_environ_proxies(target)))
        refuse_redirect(url, target, means, by_proxy=by_proxy)
        if target in asked and not response.cookies:  # with a cookie the next answer may be another one
            circle = " -> ".join(map(without_secrets, [*asked[asked.index(target) :], target]))
            raise SourceError(f"redirects in a circle: {circle[:400]}")
        url = target
    raise SourceError(f"redirects more than {_MOST_REDIRECTS} times")


def _get(session: requests.Session, url: str, means: Means, headers: Mapping[str, str]) -> requests.Response:
    own = {header.name: header.value for header in means.headers if header.goes_to(url)}
    says_who = any(name.lower() == "authorization" for name in own)
    return session.get(
        url,
        stream=True,
        allow_redirects=False,
        timeout=means.timeout_s,
        headers={**headers, **own},
        auth=(lambda request: request) if says_who else None,  # else requests prefers ~/.netrc
        verify=_authorities(means),
    )


def _authorities(means: Means) -> str | None:
    """Who may vouch for a server; None leaves it to requests, which knows REQUESTS_CA_BUNDLE and curl's."""
    if means.ca_bundle is not None:
        return str(means.ca_bundle)
    if os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        return None
    return os.environ.get("SSL_CERT_FILE") or None


def _refuse_status(response: requests.Response, held: Held) -> None:
    status = response.status_code
    if status == HTTPStatus.OK or (held.size and status == HTTPStatus.PARTIAL_CONTENT):
        return
    if held.size and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise StaleError(f"has no rest from byte {held.size} on")
    try:
        problem = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        problem = f"HTTP {status}"
    if status in _TEMPORARY_STATUS:
        raise TemporaryError(problem, wait_s=_asked_pause(response))
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise MissingError(problem)
    raise SourceError(problem, hint=_HINTS.get(status, ""))  # type: ignore[call-overload]


def _asked_pause(response: requests.Response) -> float | None:
    """Seconds, or until a date (RFC 9110, 10.2.3); a date that has passed asks for none."""
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdecimal() and len(asked) < 10:
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _refuse_page(first: bytes) -> None:
    """Quotas, logins and "really download?" come as a web page with a good status."""
    if first[:512].lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith((b"<!doctype html", b"<html")):
        raise SourceError(
            "gives a web page (HTML) in place of the file", hint="open the address in a browser"
        )


def _refuse_length(response: requests.Response, file: SourceFile, start: int) -> None:
    announced = response.headers.get("Content-Length", "")
    plain = _encoding(response) == "identity" and announced.isascii() and announced.isdecimal()
    if plain and start:
        if file.size is not None and int(announced) != file.size - start:
            raise StaleError(f"announces {int(announced)} bytes for the rest from byte {start} on")
        return
    if plain and file.size is not None and int(announced) != file.size:
        raise SizeError(f"announces {int(announced)} bytes, {file.size} are declared")
    if plain and int(announced) > file.cap:
        raise SizeError(f"announces {int(announced)} bytes, at most {file.cap} are expected")
    if file.size is None and not _has_an_end(response):
        raise SourceError("does not say how long the file is, so that nobody could tell if it broke off")


def _received(response: requests.Response, file: SourceFile, start: int, watch: _Watch) -> Iterator[bytes]:
    """What arrives, as it arrives."""
    size = start
    while piece := watch.read(f" after {size} of {file.size or 'unknown'} bytes"):
        size += len(piece)
        # What is packed may unpack to nothing, for ever.
        if size > file.cap + file.cap // 100 + _PACKING_BYTES:
            raise SizeError(f"gives more than the expected {file.cap} bytes")
        yield piece
    if file.size is not None and size < file.size and not _has_an_end(response):
        raise TemporaryError(f"the connection broke after {size} of {file.size} bytes")


class _Watch:
    """Reads a body, and shuts its connection down where less than the least comes over a whole timeout.

    From beside, since a read that gets a byte now and then may never return: within the line that tells the
    size of a chunk, say.
    """

    _LOOKS = 4  # so often in a timeout: a drip that begins somewhere in between is not given two of them

    def __init__(self, response: requests.Response, timeout_s: float) -> None:
        self._response, self._timeout_s = response, timeout_s
        self._received, self._recent, self._reading = 0, 0, False
        self._ended, self._expired = threading.Event(), False

    def __enter__(self) -> _Watch:
        threading.Thread(target=self._look, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def read(self, when: str) -> bytes:
        """The next piece; empty at the end.

        Raises:
            TemporaryError: nothing or too little came in time, or the connection broke.
        """
        self._reading = True
        try:
            with _translated(self._timeout_s, when):
                piece: bytes = self._response.raw.read1(_PIECE, decode_content=False)
        except (SourceError, AttributeError):  # AttributeError: ssl forgets its object on a shutdown
            if not self._expired:
                raise
            piece = b""
        finally:
            self._reading = False
        if self._expired:
            problem = f"gave only {self._recent} bytes in {self._timeout_s:g} s{when}"
            silence = f"no answer within {self._timeout_s:g} s{when}"
            raise TemporaryError(problem if self._recent else silence, at_most=_ATTEMPTS_AT_SILENCE)
        self._received += len(piece)
        return piece

    def _look(self) -> None:
        seen: deque[int] = deque([0], maxlen=1 + self._LOOKS)
        while not self._ended.wait(self._timeout_s / self._LOOKS):
            if not self._reading:  # who is slow is our disk
                seen.clear()
            seen.append(self._received)
            self._recent = seen[-1] - seen[0]
            if len(seen) > self._LOOKS and self._recent < _LEAST_BYTES_PER_S * self._timeout_s:
                self._expired = True
                with suppress(OSError, ValueError, RuntimeError):  # it has ended meanwhile
                    self._response.raw.shutdown()
                return


def _has_an_end(response: requests.Response) -> bool:
    """Whether a body that was cut short would have been noticed by the lower layers."""
    return "Content-Length" in response.headers or "Transfer-Encoding" in response.headers


def _encoding(response: requests.Response) -> str:
    return response.headers.get("Content-Encoding", "").strip().lower() or "identity"


def _unpacked(pieces: Iterator[bytes], response: requests.Response, file: SourceFile) -> Iterator[bytes]:
    """The file itself, where a server packs it though nobody asked; never more than one piece at once."""
    encoding = _encoding(response)
    if encoding == "identity":
        yield from pieces
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise SourceError(f"packs the file as {encoding!r}, which was not asked for")
    first = next(pieces, b"")
    if _is_the_file(first, response, file):
        yield first
        yield from pieces
        return
    inflater = _inflater(first, encoding)
    for packed in chain((first,), pieces):
        while packed:
            if inflater.eof:  # a gzip may have several members; what else follows is padding
                if not packed.startswith(_GZIP):
                    break
                inflater = _inflater(packed, encoding)
            try:
                piece = inflater.decompress(packed, _PIECE)
            except zlib.error as error:
                raise SourceError(f"packs the file as {encoding}, badly: {error}") from error
            packed = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            yield piece
    if not inflater.eof:
        raise TemporaryError("the packed body is cut short")


def _is_the_file(first: bytes, response: requests.Response, file: SourceFile) -> bool:
    """Whether what is called packed is a packed file, as many servers say of every .tar.gz."""
    if announced := response.headers.get("Content-Length", ""):
        return announced == str(file.size)
    if not file.name.endswith((".gz", ".tgz")):
        return False
    try:
        return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(first, 2) != _GZIP
    except zlib.error:
        return False


def _inflater(first: bytes, encoding: str) -> zlib._Decompress:
    """Says deflate and means zlib's form, or, as some servers do, the bare one (RFC 9110, 8.4.1.2)."""
    if encoding == "deflate" and not _is_zlib(first):
        return zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    return zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # 32: gzip or zlib, as its first bytes say


def _is_zlib(first: bytes) -> bool:
    """Whether it begins with a header of zlib (RFC 1950, 2.2), or of gzip."""
    is_zlib = len(first) > 1 and first[0] & 15 == 8 and (first[0] << 8 | first[1]) % 31 == 0
    return is_zlib or first.startswith(_GZIP)


@contextmanager
def _translated(timeout_s: float, when: str = "") -> Iterator[None]:
    """What requests and urllib3 raise, in our words; ``when`` says how far the body had come."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise SourceError(
            f"TLS failed: {_innermost(error)}",
            hint="a private certificate authority is named with --ca_bundle FILE or REQUESTS_CA_BUNDLE",
        ) from error
    except requests.exceptions.ProxyError as error:
        problem = f"the proxy does not let us through: {_innermost(error)}"
        refused = re.search(r"Tunnel connection failed: (\d{3})", problem)
        if refused and 400 <= (status := int(refused[1])) < 500 and status not in _TEMPORARY_STATUS:
            raise SourceError(problem, hint=_HINTS.get(status, "")) from error  # type: ignore[call-overload]
        raise TemporaryError(problem, at_most=_ATTEMPTS_WITHOUT_ANSWER) from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        connecting = isinstance(error, requests.ConnectTimeout)
        raise TemporaryError(
            f"no answer within {timeout_s:g} s{when}",
            at_most=_ATTEMPTS_WITHOUT_ANSWER if connecting else _ATTEMPTS_AT_SILENCE,
        ) from error
    except requests.ConnectionError as error:
        nobody = isinstance(
            getattr(error.args[0] if error.args else None, "reason", None), NewConnectionError
        )
        problem = f"no connection: {_innermost(error)}"
        raise TemporaryError(problem, at_most=_ATTEMPTS_WITHOUT_ANSWER if nobody else None) from error
    except urllib3.exceptions.HTTPError as error:
        raise TemporaryError(f"the connection broke{when}: {_innermost(error)}") from error
    except (OSError, ValueError) as error:  # requests' own family is an OSError; bad addresses are both
        raise SourceError(f"cannot be asked: {without_secrets(str(error))}") from error


def _innermost(error: BaseException) -> str:
    """What the system said, below the layers that passed it on."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


class _FinalResponse(http.client.HTTPResponse):
    """Skips every informational answer: http.client skips a 100, and takes a 103 for the last word."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 102 <= status <= 199:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _Connection(HTTPConnection):
    response_class = _FinalResponse

    def connect(self) -> None:
        with _deadline(self):
            super().connect()

    def getresponse(self) -> Any:
        with _deadline(self):
            return super().getresponse()


class _SecureConnection(HTTPSConnection):
    response_class = _FinalResponse

    def connect(self) -> None:
        with _deadline(self):
            super().connect()

    def getresponse(self) -> Any:
        with _deadline(self):
            return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    """Makes requests use our connections, with and without a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


_POOLS = {"http": _Pool, "https": _SecurePool}


@contextmanager
def _deadline(connection: HTTPConnection | HTTPSConnection) -> Iterator[None]:
    """Shut a socket down at a time, from beside: a socket's own timeout begins anew with every byte."""
    expired = threading.Event()
    sock: Any = connection.sock

    def expire() -> None:
        expired.set()
        with suppress(OSError, TypeError):  # TypeError: no socket yet, or TLS within TLS, which is none
            socket.socket.shutdown(sock or connection.sock, socket.SHUT_RDWR)

    timer = threading.Timer(connection.timeout or threading.TIMEOUT_MAX, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not expired.is_set():
            raise
    finally:
        timer.cancel()
    if expired.is_set():
        raise TimeoutError("the connection or the headers did not come about in time")
