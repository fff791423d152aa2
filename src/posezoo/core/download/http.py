"""Request a file over http or https, also from servers that misbehave; unsafe redirects are not
followed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from http.client import responses
from itertools import chain
from urllib.parse import urljoin, urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import select_proxy

from posezoo.core.declarations.model import SourceFile
from posezoo.core.download.candidates import (
    ByteStream,
    HtmlResponseError,
    NotFoundError,
    RangeMismatchError,
    RateLimitedError,
    ResumeState,
    refuse_lfs_pointer,
)
from posezoo.core.download.http_connections import (
    ATTEMPTS_WITHOUT_ANSWER,
    HINTS,
    PEERS,
    PRIVATE_HINT,
    TEMPORARY_STATUS,
    Session,
    ip_address,
    is_private,
    peer_rules,
    refuse_link_local,
    translate_errors,
)
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.response_body import (
    StallDetectingReader,
    content_encoding,
    decode_body,
    has_known_length,
    read_body,
)
from posezoo.core.errors import DownloadError, SizeError, SourceError, redact_secrets
from posezoo.core.workers.hedging import current_request
from posezoo.core.workers.retries import TransientSourceError

_MOST_REDIRECTS = 10

# The most digits of a plausible size in bytes.
_MOST_DIGITS = 30

# How many bytes are read of a web page that is sent instead of a file.
_PAGE_BYTES = 1 << 16


@contextmanager
def open_response(
    session: Session,
    url: str,
    file: SourceFile,
    download_options: DownloadOptions,
    resume: ResumeState,
    last: int | None = None,
) -> Iterator[ByteStream]:
    """Request a file, or a range of it, from a URL.

    Args:
        file: a response that announces another size is refused before its body is read.
        last: the last byte to read, counted from 0; None for all. A server without range requests
            sends all.

    Raises:
        NotFoundError: the server does not have the file (404, 410).
        RangeMismatchError: the server's file is not the one that was partly downloaded before.
        RateLimitedError: the server received too many requests.
        TransientSourceError: another attempt may succeed; reading the pieces can raise it too.
        SourceError: another attempt would fail too.
        SizeError: the server announces another size.
    """
    headers = {}
    if resume.size or last is not None:  # RFC 9110, 13.1.5 and 14.2
        headers["Range"] = f"bytes={resume.size}-{'' if last is None else last}"
        if resume.etag:
            headers["If-Range"] = resume.etag
    refuse = partial(refuse_unsafe_url, file=file, download_options=download_options)
    final, _ = follow_redirects(session, url, download_options, headers, refuse)
    with (
        closing(final) as response,
        StallDetectingReader(response, download_options.timeout_s) as reader,
    ):
        _refuse_status(response, resume, last)
        start, stop = _parse_content_range(response, file, resume, last)
        pieces = decode_body(read_body(response, file, start, stop, reader=reader), response, file)
        first = next(pieces, b"")
        if not start and not file.name.endswith(".html"):
            _refuse_web_page(first, pieces)
        refuse_lfs_pointer(first)
        _refuse_length(response, file, start, stop)
        yield ByteStream(
            chain((first,), pieces),
            start,
            _strong_etag(response),
            is_resumable=content_encoding(response) == "identity",
            stop=stop,
            url=response.url,
            size=_stated_size(response),
        )


def _refuse_web_page(first: bytes, pieces: Iterator[bytes]) -> None:
    # Exceeded quotas, logins and confirmations are reported as a web page with a success status.
    text_start = first[:512].lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower()
    if not text_start.startswith((b"<!doctype html", b"<html")):
        return
    page = bytearray(first)  # the beginning shows the reason; the page may be of any length
    with suppress(DownloadError):
        while len(page) < _PAGE_BYTES and (piece := next(pieces, b"")):
            page += piece
    raise HtmlResponseError(page[:_PAGE_BYTES].decode("utf-8", "replace"))


def _parse_content_range(
    response: requests.Response, file: SourceFile, resume: ResumeState, last: int | None
) -> tuple[int, int | None]:
    """The first byte of the response, and its stop, or None if it continues to the end of the file.

    A server without range requests, or with another version of the file, sends all of it; some
    send the range with the status of all.
    """
    content_range = response.headers.get("Content-Range", "")
    total = file.size if file.size is not None else _stated_size(response)
    stop = (total or 0) if last is None else last + 1
    expected = f"bytes {resume.size}-{stop - 1}/"
    is_expected = content_range in (f"{expected}{total}", f"{expected}*")
    is_range = is_expected and content_encoding(response) == "identity"
    if not is_range and response.status_code == HTTPStatus.OK:
        return 0, None
    if not is_range:
        returned = content_range or "no range"
        raise RangeMismatchError(
            f"returns {returned!r} instead of the range that starts at byte {resume.size}"
        )
    if resume.etag and _strong_etag(response) not in ("", resume.etag):
        raise RangeMismatchError("has a different version of the file now")
    return resume.size, None if last is None else stop


def _stated_size(response: requests.Response) -> int | None:
    """The size of the whole file in bytes; None if the response does not state it."""
    headers = response.headers
    size_text = headers.get("Content-Range", headers.get("Content-Length", ""))
    return _parse_size(size_text.rpartition("/")[2], response)


def _strong_etag(response: requests.Response) -> str:
    etag = response.headers.get("ETag", "")
    is_plain = etag.isascii() and etag.isprintable() and len(etag) < 256
    return etag if is_plain and etag.startswith('"') else ""


def follow_redirects(
    session: Session,
    url: str,
    download_options: DownloadOptions,
    headers: Mapping[str, str],
    refuse: Callable[[str], None] = lambda _: None,
) -> tuple[requests.Response, str]:
    """Follow redirects, since requests would read each body to the end; the final response, and the
    URL requested for it.

    Args:
        refuse: raises a SourceError for a URL that must not be requested.

    Raises:
        SourceError: there are too many or circular redirects, or see ``require_safe_target`` and
            ``_send_request``.
    """
    timeout_s = download_options.timeout_s
    start_time = time.monotonic()
    requested: list[str] = []
    public_only = False
    for _ in range(1 + _MOST_REDIRECTS):
        refuse(url)
        if requested and time.monotonic() - start_time > timeout_s:
            raise TransientSourceError(
                f"redirects for more than {timeout_s:g} s", at_most=ATTEMPTS_WITHOUT_ANSWER
            )
        requested.append(url)
        try:
            with peer_rules(public_only=public_only):
                response = _send_request(session, url, download_options, headers)
        except TransientSourceError as error:
            if error.at_most == ATTEMPTS_WITHOUT_ANSWER:
                error.silent_host = urlsplit(url).netloc
            raise
        location = session.get_redirect_target(response)
        if location is None:
            return response, url
        response.close()
        with translate_errors(timeout_s):
            target = urljoin(url, location)
        public_only = require_safe_target(session, url, target, download_options)
        # With a cookie the next response may differ.
        if target in requested and not response.cookies:
            addresses = [*requested[requested.index(target) :], target]
            circle = " -> ".join(map(redact_secrets, addresses))
            raise SourceError(f"redirects in a circle: {circle[:400]}")
        url = target
    raise SourceError(f"redirects more than {_MOST_REDIRECTS} times")


def require_safe_target(
    session: Session, url: str, target: str, download_options: DownloadOptions
) -> bool:
    """Check a URL that the server at ``url`` names; this thread's last request must be one to that
    server.

    Returns:
        Whether ``public_only`` must hold for the request to it, as one of ``peer_rules``.

    Raises:
        SourceError: it is not valid, or see ``refuse_unsafe_redirect``.
    """
    with translate_errors(download_options.timeout_s):
        proxies = download_options.proxies
        by_proxy, from_proxy = (
            bool(select_proxy(each, session.find_proxies(each, proxies))) for each in (target, url)
        )
        is_internal = not from_proxy and is_private(PEERS.last)
        refuse_unsafe_redirect(url, target, download_options, by_proxy=by_proxy)
    return not (by_proxy or is_internal or download_options.allow_private_redirects)


#: They name a file or folder with certificates; the first that is set counts, as for requests.
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def _send_request(
    session: Session, url: str, download_options: DownloadOptions, headers: Mapping[str, str]
) -> requests.Response:
    """Send one request with the user's headers, certificates and proxies; the caller reads the
    body.

    Raises:
        TransientSourceError: another attempt may succeed.
        SourceError: there was no answer, and there will be none; or the host has a link-local
            address, and the user did not name it.
    """
    current_request().raise_if_cancelled()
    ca_bundles = (str(download_options.ca_bundle or ""), *map(os.environ.get, _CA_VARIABLES))
    user_headers = {
        header.name: header.value for header in download_options.headers if header.applies_to(url)
    }
    all_headers = CaseInsensitiveDict({**session.headers, **headers, **user_headers})
    is_named = _is_named(url, download_options)
    if not is_named:
        refuse_link_local(_host(url))
    with translate_errors(download_options.timeout_s):
        proxies = session.find_proxies(url, download_options.proxies)
        has_login = "Authorization" in all_headers
        request = requests.PreparedRequest()
        request.prepare(
            "GET",
            url,
            headers=all_headers,
            cookies=session.cookies,
            auth=_keep_headers if has_login else session.find_login(url),
        )
        with peer_rules(link_local=is_named or bool(select_proxy(url, proxies))):
            return session.send(
                request,
                stream=True,
                allow_redirects=False,
                timeout=download_options.timeout_s,
                verify=next(filter(None, ca_bundles), True),
                proxies=proxies,
            )


def _is_named(url: str, download_options: DownloadOptions) -> bool:
    named = (*download_options.named_urls, *download_options.mirrors)
    host = _host(url)  # of a folder and of an invalid URL, it is empty
    return host != "" and host in map(_host, named)


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Is called by requests instead of adding a login, which would replace one in the headers."""
    return request


def _refuse_status(response: requests.Response, resume: ResumeState, last: int | None) -> None:
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    is_part = resume.size > 0 or last is not None
    if is_part and status == HTTPStatus.PARTIAL_CONTENT:
        return
    if is_part and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise RangeMismatchError(f"has no data after byte {resume.size}")
    problem = f"HTTP {status} {responses.get(status, '')}".rstrip()
    if status in TEMPORARY_STATUS:
        error_type = TransientSourceError
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            error_type = RateLimitedError
        raise error_type(problem, retry_after_s=_parse_retry_after(response))
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise NotFoundError(problem)
    if status == HTTPStatus.UNAUTHORIZED:
        is_sent = "Authorization" in response.request.headers
        problem += f" ({'a' if is_sent else 'no'} login was sent)"
    is_refused = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    hint = HINTS.get(status, "")  # type: ignore[call-overload]
    raise SourceError(problem, hint=hint, refused=is_refused)


def _parse_retry_after(response: requests.Response) -> float | None:
    """The seconds to wait, from a number or a date (RFC 9110, 10.2.3); 0 for a date in the past."""
    requested = response.headers.get("Retry-After", "").strip()
    if requested.isascii() and requested.isdecimal() and len(requested) < 10:
        return float(requested)
    try:
        return max(0.0, parsedate_to_datetime(requested).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _refuse_length(
    response: requests.Response, file: SourceFile, start: int, stop: int | None
) -> None:
    announced = response.headers.get("Content-Length", "")
    if len(announced) > _MOST_DIGITS:
        raise SizeError(f"announces a size of {len(announced)} digits")
    size = _parse_size(announced, response)
    if start or stop is not None:
        end = file.size if stop is None else stop
        if size is not None and end is not None and size != end - start:
            raise RangeMismatchError(f"announces {size} bytes for the rest from byte {start} on")
        return
    if size is not None and file.size not in (None, size):
        raise SizeError(f"announces {size} bytes, {file.size} are declared")
    if size is not None and size > file.read_limit:
        raise SizeError(f"announces {size} bytes, at most {file.read_limit} are expected")
    if file.size is None and not has_known_length(response):
        raise SourceError(
            "does not send the file's length, so an incomplete download could not be detected"
        )


def _parse_size(text: str, response: requests.Response) -> int | None:
    """A size in bytes that a header states; None if it is none, or that of a compressed body."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    if is_number and content_encoding(response) == "identity":
        return int(text)
    return None


def refuse_unsafe_url(url: str, file: SourceFile, download_options: DownloadOptions) -> None:
    """Raise a SourceError for a URL that is neither http nor https, or is plain http for an
    unpinned file.
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        raise SourceError(f"leads to {scheme[:16]!r}, which is neither http nor https")
    address = ip_address(_host(url))
    is_loopback = address is not None and address.is_loopback
    if scheme == "https" or download_options.allow_http or file.checksum or is_loopback:
        return
    raise SourceError(
        "uses plain http without a SHA-256 or SHA-384 checksum, so a changed file would not be"
        " noticed",
        hint="--allow_http allows it anyway",
    )


def refuse_unsafe_redirect(
    url: str, target: str, download_options: DownloadOptions, *, by_proxy: bool
) -> None:
    """Check that a redirect does not lead to an address that only this machine or network can
    reach.

    If a proxy makes the request, the address is not checked, because the proxy's network is not
    ours.

    Raises:
        SourceError: the redirect leads from https to http, or from a public host to an address of
            this machine or network.
    """
    if url.lower().startswith("https:") and target.lower().startswith("http:"):
        raise SourceError(
            "redirects from https to http, which is neither encrypted nor protected against changes"
        )
    if by_proxy or download_options.allow_private_redirects or is_private(_host(url)):
        return
    host = _host(target)
    if is_private(host):
        raise SourceError(
            f"redirects to {host}, an address of this machine or a private network",
            hint=PRIVATE_HINT,
        )


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
