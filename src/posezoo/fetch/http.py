"""One file over http or https, from servers that misbehave.

requests does the talking. Added to it: informational answers are skipped, headers and bodies that
drip in are given up, no redirect leads from https to http, and a packed body is unpacked piece by piece.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from itertools import chain
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from posezoo.errors import SizeError, SourceError
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
    timeout_s = means.timeout_s
    with closing(_answer(session, url, timeout_s, _wanted(held))) as response:
        _refuse_status(response, held)
        start = _start(response, file, held)
        pieces = _unpacked(_received(response, file, start, timeout_s), response)
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
    session: requests.Session, url: str, timeout_s: float, headers: Mapping[str, str]
) -> requests.Response:
    """The final answer; redirects are followed here, since requests reads their bodies to the end."""
    for _ in range(1 + _MOST_REDIRECTS):
        scheme = url.partition(":")[0].lower()
        if scheme not in ("http", "https"):
            raise SourceError(f"leads to {scheme[:16]!r}, which is neither http nor https")
        with _translated(timeout_s):
            response = session.get(
                url, stream=True, allow_redirects=False, timeout=timeout_s, headers=dict(headers)
            )
        target = session.get_redirect_target(response)
        if target is None:
            return response
        response.close()
        with _translated(timeout_s):
            url = urljoin(url, target)
        if scheme == "https" and url.lower().startswith("http:"):
            raise SourceError("redirects from https to http, where anybody on the way can look and meddle")
    raise SourceError(f"redirects more than {_MOST_REDIRECTS} times")


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
    raise SourceError(problem)


def _asked_pause(response: requests.Response) -> float | None:
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdecimal() else None


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


def _received(response: requests.Response, file: SourceFile, start: int, timeout_s: float) -> Iterator[bytes]:
    """What arrives, as it arrives; a silence ends in a timeout, a drip in an error of its own."""
    size, recent, since = start, 0, time.monotonic()
    while True:
        with _translated(timeout_s, f" after {size} of {file.size or 'unknown'} bytes"):
            piece = response.raw.read1(_PIECE, decode_content=False)
        if not piece:
            break
        yield piece
        size, recent, now = size + len(piece), recent + len(piece), time.monotonic()
        if now - since >= timeout_s:
            if recent < _LEAST_BYTES_PER_S * timeout_s:
                raise TemporaryError(f"gave only {recent} bytes in {now - since:.0f} s")
            recent, since = 0, now
    if file.size is not None and size < file.size and not _has_an_end(response):
        raise TemporaryError(f"the connection broke after {size} of {file.size} bytes")


def _has_an_end(response: requests.Response) -> bool:
    """Whether a body that was cut short would have been noticed by the lower layers."""
    return "Content-Length" in response.headers or "Transfer-Encoding" in response.headers


def _encoding(response: requests.Response) -> str:
    return response.headers.get("Content-Encoding", "").strip().lower() or "identity"


def _unpacked(pieces: Iterator[bytes], response: requests.Response) -> Iterator[bytes]:
    """The file itself, where a server packs it though nobody asked; never more than one piece at once."""
    encoding = _encoding(response)
    if encoding == "identity":
        yield from pieces
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise SourceError(f"packs the file as {encoding!r}, which was not asked for")
    inflater = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # 32: gzip or zlib, as its first bytes say
    for packed in pieces:
        while packed:
            try:
                piece, packed = inflater.decompress(packed, _PIECE), inflater.unconsumed_tail
            except zlib.error as error:
                raise SourceError(f"packs the file as {encoding}, badly: {error}") from error
            yield piece
    if not inflater.eof:
        raise TemporaryError("the packed body is cut short")


@contextmanager
def _translated(timeout_s: float, when: str = "") -> Iterator[None]:
    """What requests and urllib3 raise, in our words; ``when`` says how far the body had come."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise SourceError(
            f"TLS failed: {_innermost(error)}",
            hint="a private certificate authority is named with REQUESTS_CA_BUNDLE=FILE",
        ) from error
    except requests.exceptions.ProxyError as error:
        problem = f"the proxy does not let us through: {_innermost(error)}"
        raise TemporaryError(problem, at_most=_ATTEMPTS_WITHOUT_ANSWER) from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise TemporaryError(f"no answer within {timeout_s:g} s{when}") from error
    except requests.ConnectionError as error:
        nobody = isinstance(
            getattr(error.args[0] if error.args else None, "reason", None), NewConnectionError
        )
        problem = f"no connection: {_innermost(error)}"
        raise TemporaryError(problem, at_most=_ATTEMPTS_WITHOUT_ANSWER if nobody else None) from error
    except urllib3.exceptions.HTTPError as error:
        raise TemporaryError(f"the connection broke{when}: {_innermost(error)}") from error
    except (OSError, ValueError) as error:  # requests' own family is an OSError; bad addresses are both
        raise SourceError(f"cannot be asked: {error}") from error


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

    def getresponse(self) -> Any:
        with _deadline(self.sock, self.timeout):
            return super().getresponse()


class _SecureConnection(HTTPSConnection):
    response_class = _FinalResponse

    def getresponse(self) -> Any:
        with _deadline(self.sock, self.timeout):
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
def _deadline(sock: Any, seconds: float | None) -> Iterator[None]:
    """Shut a socket down at a time, from beside: a socket's own timeout begins anew with every byte."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        with suppress(OSError, TypeError):  # TypeError: TLS within TLS is no socket, and goes without
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(seconds or threading.TIMEOUT_MAX, expire)
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
        raise TimeoutError("the headers did not end in time")
