"""Read the body of a response in pieces, detect a stall, and decompress the body if necessary."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

import requests

from posezoo.core.declarations.model import SourceFile
from posezoo.core.download.http_connections import ATTEMPTS_AT_SILENCE, TIMERS, translate_errors
from posezoo.core.errors import SizeError, SourceError, sanitize
from posezoo.core.workers.hedging import current_request
from posezoo.core.workers.retries import TransientSourceError

# 512 KiB: 1 MiB would save another 4 % of CPU time, but more bytes are lost if the process is
# killed.
_PIECE = 1 << 19

# At a lower rate, 100 MB would take more than a day.
_MIN_BYTES_PER_S = 1024

# gzip and deflate add less than this plus 1 % to bytes that cannot be compressed.
_COMPRESSION_OVERHEAD = 1 << 20
_GZIP = b"\x1f\x8b"


class StallDetectingReader:
    """Reads a body, and shuts its connection down if it is slower than the minimum rate for one
    timeout, or if its request is cancelled.

    A timer does that, because a read that receives single bytes may never return.
    """

    _CHECKS = 4  # per timeout, so that a stall is detected before two timeouts have passed

    def __init__(self, response: requests.Response, timeout_s: float) -> None:
        self._response = response
        self._timeout_s = timeout_s
        self._received = 0
        self._recent = 0
        self._reading = False
        self._seen: deque[int] = deque([0], maxlen=1 + self._CHECKS)
        self._ended = False
        self._expired = False

    def __enter__(self) -> StallDetectingReader:
        self._timer = TIMERS.call_later(self._timeout_s / self._CHECKS, self._check_rate)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._timer.cancel()

    def read_chunk(self, when: str) -> bytes:
        """The next piece, empty at the end; a TransientSourceError if too few bytes arrive in
        time.
        """
        request = current_request()
        self._reading = True
        try:
            with request.closing_with(self._expire), translate_errors(self._timeout_s, when):
                piece: bytes = self._response.raw.read1(_PIECE, decode_content=False)
        # AttributeError: ssl forgets its object on a shutdown.
        except (SourceError, AttributeError):
            if not self._expired:
                raise
            piece = b""
        finally:
            self._reading = False
        if self._expired:
            problem = f"no answer within {self._timeout_s:g} s{when}"
            if self._recent:
                problem = f"sent only {self._recent} bytes in {self._timeout_s:g} s{when}"
            raise TransientSourceError(problem, at_most=ATTEMPTS_AT_SILENCE)
        request.note_data(len(piece))
        self._received += len(piece)
        return piece

    def _expire(self) -> None:
        self._expired = True
        # The response may have ended in the meantime.
        with suppress(OSError, ValueError, RuntimeError):
            self._response.raw.shutdown()

    def _check_rate(self) -> None:
        if self._ended:
            return
        seen = self._seen
        if not self._reading:  # the time was spent on our own disk
            seen.clear()
        seen.append(self._received)
        self._recent = seen[-1] - seen[0]
        if len(seen) > self._CHECKS and self._recent < _MIN_BYTES_PER_S * self._timeout_s:
            self._expire()
            return
        self._timer = TIMERS.call_later(self._timeout_s / self._CHECKS, self._check_rate)


def read_body(
    response: requests.Response,
    file: SourceFile,
    start: int,
    stop: int | None,
    reader: StallDetectingReader,
) -> Iterator[bytes]:
    """The received pieces of a whole file or of a range of it."""
    size = start
    cap = stop or file.read_limit
    end = stop or file.size
    # Of a range, such as a part of a package, its own bytes count.
    first = 0 if stop is None else start
    expected = end - first if end else "unknown"
    while piece := reader.read_chunk(f" after {size - first} of {expected} bytes"):
        size += len(piece)
        # An endless compressed stream may decompress to nothing, so the compressed bytes are
        # limited too.
        if size > cap + cap // 100 + _COMPRESSION_OVERHEAD or (stop is not None and size > stop):
            raise SizeError(f"sends more than the expected {cap} bytes")
        yield piece
    if end is not None and size < end and (stop is not None or not has_known_length(response)):
        raise TransientSourceError(f"the connection broke after {size - first} of {expected} bytes")


def decode_body(
    pieces: Iterator[bytes], response: requests.Response, file: SourceFile
) -> Iterator[bytes]:
    """The file; if a server compresses it without request, it is decompressed in limited pieces."""
    encoding = content_encoding(response)
    if encoding == "identity":
        yield from pieces
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise SourceError(
            f"sends the file with Content-Encoding {sanitize(encoding)}, which was not requested"
        )
    first = next(pieces, b"")
    if _is_the_file(first, response, file):
        yield first
        yield from pieces
        return
    inflater = _make_inflater(first, encoding)
    for compressed in chain((first,), pieces):
        while compressed:
            # A gzip stream may have several members; other bytes after the end are padding.
            if inflater.eof:
                if not compressed.startswith(_GZIP):
                    break
                inflater = _make_inflater(compressed, encoding)
            try:
                piece = inflater.decompress(compressed, _PIECE)
            except zlib.error as error:
                raise SourceError(f"sends invalid {encoding} data: {error}") from error
            compressed = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            yield piece
    if not inflater.eof:
        raise TransientSourceError("the compressed response body is incomplete")


def _is_the_file(first: bytes, response: requests.Response, file: SourceFile) -> bool:
    """Whether the file itself is the compressed data: many servers send Content-Encoding for any
    .tar.gz.
    """
    announced = response.headers.get("Content-Length", "")
    if announced:
        return announced == str(file.size)
    if not file.name.endswith((".gz", ".tgz")):
        return False
    try:
        return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(first, 2) != _GZIP
    except zlib.error:
        return False


def _make_inflater(first: bytes, encoding: str) -> zlib._Decompress:
    """A decompressor; deflate means the zlib format, from some servers raw deflate (RFC 9110,
    8.4.1.2).
    """
    # RFC 1950, 2.2
    is_zlib = len(first) > 1 and first[0] & 15 == 8 and (first[0] << 8 | first[1]) % 31 == 0
    if encoding == "deflate" and not is_zlib and not first.startswith(_GZIP):
        return zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    return zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # 32: detects gzip or zlib by the header


def has_known_length(response: requests.Response) -> bool:
    """Whether the HTTP library detects an incomplete body."""
    return "Content-Length" in response.headers or "Transfer-Encoding" in response.headers


def content_encoding(response: requests.Response) -> str:
    """How the body is compressed; ``identity`` if it is not."""
    return response.headers.get("Content-Encoding", "").strip().lower() or "identity"
