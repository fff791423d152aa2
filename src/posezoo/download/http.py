"""One file over http or https, from servers that misbehave: what is asked, and what counts as an answer.

Redirects lead nowhere unsafe, and what announces something else than the promised file is refused before
its body.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import chain
from urllib.parse import urljoin

import requests
from requests.utils import get_environ_proxies, select_proxy

from posezoo.download.candidates import ByteStream
from posezoo.download.http_connections import (
    ATTEMPTS_WITHOUT_ANSWER,
    HINTS,
    TEMPORARY_STATUS,
    translate_errors,
)
from posezoo.download.options import DownloadOptions
from posezoo.download.partial import ResumeState
from posezoo.download.response_body import (
    StallDetectingReader,
    content_encoding,
    decode_body,
    has_known_length,
    read_body,
)
from posezoo.download.source_errors import (
    HtmlResponseError,
    NotFoundError,
    RangeMismatchError,
    RateLimitedError,
    TransientSourceError,
)
from posezoo.download.url_rules import refuse_unsafe_redirect, refuse_unsafe_url
from posezoo.errors import DownloadError, SizeError, SourceError, redact_secrets
from posezoo.spec.model import SourceFile

_MOST_REDIRECTS = 10

# What is read of a page that comes in place of a file.
_PAGE_BYTES = 1 << 16


@contextmanager
def open_response(
    session: requests.Session,
    url: str,
    file: SourceFile,
    download_options: DownloadOptions,
    resume: ResumeState,
    last: int | None = None,
) -> Iterator[ByteStream]:
    """What lies behind an address, or a part of it.

    Args:
        session: from ``connections.new_session``.
        url: the http or https address.
        file: what is promised; an answer that announces another size is refused before its body.
        download_options: the time limits for connecting, for all headers, and between two pieces of data.
        resume: the bytes of the file that need not come again.
        last: the last byte that is wanted, counted from 0; None for all that follow. A server that knows no
            ranges gives all of them.

    Raises:
        MissingError: the server does not hold it (404, 410).
        StaleError: the server holds something else than what the held bytes are the beginning of.
        CrowdedError: the server is asked too much at once, or too often.
        TemporaryError: asking again may help; the pieces raise it too.
        SourceError: asking again does not help.
        SizeError: another size is announced.
    """
    with (
        closing(
            _follow_redirects(session, url, file, download_options, _range_headers(resume, last))
        ) as response,
        StallDetectingReader(response, download_options.timeout_s) as watch,
    ):
        _refuse_status(response, resume, last)
        start, stop = _parse_content_range(response, file, resume, last)
        pieces = decode_body(read_body(response, file, start, stop, watch), response, file)
        first = next(pieces, b"")
        if not start and _is_html(first):
            raise HtmlResponseError(_read_page_start(first, pieces))
        _refuse_length(response, file, start, stop)
        is_resumable = content_encoding(response) == "identity"
        yield ByteStream(
            chain((first,), pieces), start, _strong_etag(response), is_resumable, stop, response.url
        )


def _range_headers(resume: ResumeState, last: int | None) -> dict[str, str]:
    """Headers that ask for a part of a file if it still is the same (RFC 9110, 13.1.5 and 14.2)."""
    if not resume.size and last is None:
        return {}
    requested = {"Range": f"bytes={resume.size}-{'' if last is None else last}"}
    return {**requested, **({"If-Range": resume.etag} if resume.etag else {})}


def _parse_content_range(
    response: requests.Response, file: SourceFile, resume: ResumeState, last: int | None
) -> tuple[int, int | None]:
    """Where the answer begins, and where it stops before the file does.

    A server that knows no ranges, or has another file now, gives all of it.
    """
    if response.status_code == HTTPStatus.OK:
        return 0, None
    given = response.headers.get("Content-Range", "")
    stop = (file.size or 0) if last is None else last + 1
    expected = f"bytes {resume.size}-{stop - 1}/"
    if given not in (f"{expected}{file.size}", f"{expected}*") or content_encoding(response) != "identity":
        raise RangeMismatchError(f"gives {given or 'no range'!r} in place of what follows byte {resume.size}")
    if resume.etag and _strong_etag(response) not in ("", resume.etag):
        raise RangeMismatchError("has another version of the file by now")
    return resume.size, None if last is None else stop


def _strong_etag(response: requests.Response) -> str:
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') and etag.isascii() and etag.isprintable() and len(etag) < 256 else ""


def _follow_redirects(
    session: requests.Session,
    url: str,
    file: SourceFile,
    download_options: DownloadOptions,
    headers: Mapping[str, str],
) -> requests.Response:
    """The final answer; redirects are followed here, since requests reads their bodies to the end."""
    requested: list[str] = []
    start_time = time.monotonic()
    for _ in range(1 + _MOST_REDIRECTS):
        refuse_unsafe_url(url, file, download_options)
        if requested and time.monotonic() - start_time > download_options.timeout_s:
            raise TransientSourceError(
                f"redirects for more than {download_options.timeout_s:g} s", at_most=ATTEMPTS_WITHOUT_ANSWER
            )
        requested.append(url)
        with translate_errors(download_options.timeout_s):
            response = _send_get(session, url, download_options, headers)
        location = session.get_redirect_target(response)
        if location is None:
            return response
        response.close()
        with translate_errors(download_options.timeout_s):
            target = urljoin(url, location)
        by_proxy = bool(select_proxy(target, get_environ_proxies(target)))
        refuse_unsafe_redirect(url, target, download_options, by_proxy=by_proxy)
        if target in requested and not response.cookies:  # with a cookie the next answer may be another one
            circle = " -> ".join(map(redact_secrets, [*requested[requested.index(target) :], target]))
            raise SourceError(f"redirects in a circle: {circle[:400]}")
        url = target
    raise SourceError(f"redirects more than {_MOST_REDIRECTS} times")


def _send_get(
    session: requests.Session, url: str, download_options: DownloadOptions, headers: Mapping[str, str]
) -> requests.Response:
    own = {header.name: header.value for header in download_options.headers if header.applies_to(url)}
    says_who = any(name.lower() == "authorization" for name in own)
    return session.get(
        url,
        stream=True,
        allow_redirects=False,
        timeout=download_options.timeout_s,
        headers={**headers, **own},
        auth=(lambda request: request) if says_who else None,  # else requests prefers ~/.netrc
        verify=_ca_bundle(download_options),
    )


def _ca_bundle(download_options: DownloadOptions) -> str | None:
    """Who may vouch for a server; None leaves it to requests, which knows REQUESTS_CA_BUNDLE and curl's."""
    if download_options.ca_bundle is not None:
        return str(download_options.ca_bundle)
    if os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        return None
    return os.environ.get("SSL_CERT_FILE") or None


def _refuse_status(response: requests.Response, resume: ResumeState, last: int | None) -> None:
    status, is_part = response.status_code, resume.size > 0 or last is not None
    if status == HTTPStatus.OK or (is_part and status == HTTPStatus.PARTIAL_CONTENT):
        return
    if is_part and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise RangeMismatchError(f"has no rest from byte {resume.size} on")
    try:
        problem = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        problem = f"HTTP {status}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError(problem, wait_s=_parse_retry_after(response))
    if status in TEMPORARY_STATUS:
        raise TransientSourceError(problem, wait_s=_parse_retry_after(response))
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise NotFoundError(problem)
    raise SourceError(problem, hint=HINTS.get(status, ""))  # type: ignore[call-overload]


def _parse_retry_after(response: requests.Response) -> float | None:
    """Seconds, or until a date (RFC 9110, 10.2.3); a date that has passed asks for none."""
    requested = response.headers.get("Retry-After", "").strip()
    if requested.isascii() and requested.isdecimal() and len(requested) < 10:
        return float(requested)
    try:
        return max(0.0, parsedate_to_datetime(requested).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _is_html(first: bytes) -> bool:
    """Quotas, logins and "really download?" come as a web page with a good status."""
    return first[:512].lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith((b"<!doctype html", b"<html"))


def _read_page_start(first: bytes, pieces: Iterator[bytes]) -> str:
    """As much of a page as says what it is about; nobody knows how much of it comes."""
    gathered = bytearray(first)
    with suppress(DownloadError):
        while len(gathered) < _PAGE_BYTES and (piece := next(pieces, b"")):
            gathered += piece
    return gathered[:_PAGE_BYTES].decode("utf-8", "replace")


def _refuse_length(response: requests.Response, file: SourceFile, start: int, stop: int | None) -> None:
    announced = response.headers.get("Content-Length", "")
    plain = content_encoding(response) == "identity" and announced.isascii() and announced.isdecimal()
    if start or stop is not None:
        end = file.size if stop is None else stop
        if plain and end is not None and int(announced) != end - start:
            raise RangeMismatchError(f"announces {int(announced)} bytes for the rest from byte {start} on")
        return
    if plain and file.size is not None and int(announced) != file.size:
        raise SizeError(f"announces {int(announced)} bytes, {file.size} are declared")
    if plain and int(announced) > file.read_limit:
        raise SizeError(f"announces {int(announced)} bytes, at most {file.read_limit} are expected")
    if file.size is None and not has_known_length(response):
        raise SourceError("does not say how long the file is, so that nobody could tell if it broke off")
