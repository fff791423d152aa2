"""The bytes at an http address for OpenCV, which cannot be told to follow no redirect without an
environment variable of the whole process (docs/decisions/0035).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from posezoo.core.errors import SourceError


class HttpStream(io.BufferedIOBase):
    """The bytes that an address sends; each redirect is checked by the rules of downloads. A server
    that offers ranges is asked again for a place that is sought.

    Attributes:
        url: the address that sends them, after the redirects.
        is_playlist: whether it sends the addresses of pieces (HLS), which FFmpeg must read itself.

    Raises:
        SourceError: the server does not answer, refuses, or redirects too often; or a redirect
            leads from https to http, from a public host to this machine or a private network, or
            to a link-local address.
    """

    _response: Any = None  # of a server that answers
    _head = b""  # the first bytes, once they were waited for

    def __init__(self, url: str, timeout_s: float) -> None:
        # Only a stream needs an http client.
        from posezoo.core.download.http_connections import Session
        from posezoo.core.download.options import DownloadOptions

        # The login is sent if the server asks for it, and in the way that it asks for.
        self._address = urlsplit(url)
        self.url = self._address._replace(netloc=self._address.netloc.rpartition("@")[2]).geturl()
        self._options = DownloadOptions(None, timeout_s=timeout_s, named_urls=(self.url,))
        self._session = Session()
        self._place = self._sought = 0
        self._response = self._request({})
        headers = self._response.headers
        length = headers.get("Content-Length", "")
        has_ranges = headers.get("Accept-Ranges", "").lower() == "bytes"
        self._size = int(length) if has_ranges and length.isdecimal() else None
        self.is_playlist = "mpegurl" in headers.get("Content-Type", "").lower()
        self.is_playlist |= urlsplit(self.url).path.lower().endswith((".m3u8", ".m3u"))

    @property
    def url_with_login(self) -> str:
        """``url``, with the user's login if it is of the server for which the user gave it."""
        url, named = urlsplit(self.url), self._address
        if (url.scheme, url.hostname, url.port) != (named.scheme, named.hostname, named.port):
            return self.url
        return url._replace(netloc=named.netloc).geturl()

    def _request(self, headers: Mapping[str, str]) -> Any:
        from posezoo.core.download import http

        response, self.url = http.follow_redirects(
            self._session, self.url, self._options, headers=headers
        )
        if response.status_code == HTTPStatus.UNAUTHORIZED and self.url_with_login != self.url:
            response = self._log_in(response, headers)
        if not response.ok:
            response.close()
            self._session.close()
            raise SourceError(f"HTTP {response.status_code} {response.reason}")
        return response

    def _log_in(self, refused: Any, headers: Mapping[str, str]) -> Any:
        """The response to the login, sent as the server asks for it: by Digest, or as Basic."""
        from requests.auth import HTTPDigestAuth

        from posezoo.core.download import http

        if "digest" not in refused.headers.get("WWW-Authenticate", "").lower():
            refused.close()
            url = self.url_with_login
            return http.follow_redirects(self._session, url, self._options, headers=headers)[0]
        name, password = self._address.username or "", self._address.password or ""
        digest: Any = HTTPDigestAuth(unquote(name), unquote(password))
        digest(refused.request)
        return digest.handle_401(refused, stream=True, timeout=self._options.timeout_s)

    def wait_for_bytes(self) -> bool:
        """Wait for the first bytes; whether some came before the time limit."""
        with suppress(Exception):
            self._head = self._response.raw.read1(decode_content=False)
            self._place = len(self._head)
        return bool(self._head)

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, as soon as some arrive; none at the end, or if the connection broke."""
        # OpenCV cannot pass an exception on.
        if self._sought < len(self._head):
            stop = None if size is None or size < 0 else self._sought + size
            piece: bytes = self._head[self._sought : stop]
            self._sought += len(piece)
            return piece
        with suppress(Exception):
            if self._sought != self._place:
                self._response.close()
                self._response = self._request({"Range": f"bytes={self._sought}-"})
                self._place = self._sought
            piece = self._response.raw.read1(size, decode_content=False)
            self._place = self._sought = self._place + len(piece)
            return piece
        return b""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """The new place; -1 if the server offers no ranges."""
        if self._size is None:
            return -1
        self._sought = offset + (0, self._place, self._size)[whence]
        return self._sought

    def readable(self) -> bool:
        """Always."""
        return True

    def interrupt(self) -> None:
        """Let a read in another thread end at once."""
        with suppress(Exception):
            self._response.raw.shutdown()

    def close(self) -> None:
        """Close the connection."""
        if self._response is not None:
            self._response.close()
        self._session.close()
