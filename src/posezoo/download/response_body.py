"""The body of an answer: read piece by piece, given up where it drips, unpacked where it is packed."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

import requests

from posezoo.download.http_connections import ATTEMPTS_AT_SILENCE, translate_errors
from posezoo.download.source_errors import TransientSourceError
from posezoo.download.timers import ALARMS
from posezoo.errors import SizeError, SourceError
from posezoo.spec.model import SourceFile

# 512 KiB: twice as much would save another 4 % of CPU time, and be lost where the process is killed.
_PIECE = 1 << 19

# Less than this over a whole timeout is no download: 100 MB would take more than a day.
_LEAST_BYTES_PER_S = 1024

# What gzip and deflate add to bytes that cannot be packed is less than this, and a hundredth.
_PACKING_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


class StallDetectingReader:
    """Reads a body, and shuts its connection down where less than the least comes over a whole timeout.

    From beside, since a read that gets a byte now and then may never return: within the line that tells the
    size of a chunk, say.
    """

    _LOOKS = 4  # so often in a timeout: a drip that begins somewhere in between is not given two of them

    def __init__(self, response: requests.Response, timeout_s: float) -> None:
        self._response, self._timeout_s = response, timeout_s
        self._received, self._recent, self._reading = 0, 0, False
        self._seen: deque[int] = deque([0], maxlen=1 + self._LOOKS)
        self._ended, self._expired = False, False

    def __enter__(self) -> StallDetectingReader:
        self._alarm = ALARMS.call_later(self._timeout_s / self._LOOKS, self._check_rate)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._alarm.cancel()

    def read_chunk(self, when: str) -> bytes:
        """The next piece; empty at the end.

        Raises:
            TemporaryError: nothing or too little came in time, or the connection broke.
        """
        self._reading = True
        try:
            with translate_errors(self._timeout_s, when):
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
            raise TransientSourceError(problem if self._recent else silence, at_most=ATTEMPTS_AT_SILENCE)
        self._received += len(piece)
        return piece

    def _check_rate(self) -> None:
        if self._ended:
            return
        seen = self._seen
        if not self._reading:  # who is slow is our disk
            seen.clear()
        seen.append(self._received)
        self._recent = seen[-1] - seen[0]
        if len(seen) > self._LOOKS and self._recent < _LEAST_BYTES_PER_S * self._timeout_s:
            self._expired = True
            with suppress(OSError, ValueError, RuntimeError):  # it has ended meanwhile
                self._response.raw.shutdown()
            return
        self._alarm = ALARMS.call_later(self._timeout_s / self._LOOKS, self._check_rate)


def read_body(
    response: requests.Response, file: SourceFile, start: int, stop: int | None, watch: StallDetectingReader
) -> Iterator[bytes]:
    """What arrives, as it arrives: of all of a file, or of what lies between two places in it."""
    size, cap, end = start, file.read_limit if stop is None else stop, file.size if stop is None else stop
    while piece := watch.read_chunk(f" after {size} of {file.size or 'unknown'} bytes"):
        size += len(piece)
        # What is packed may unpack to nothing, for ever.
        if size > cap + cap // 100 + _PACKING_BYTES or (stop is not None and size > stop):
            raise SizeError(f"gives more than the expected {cap} bytes")
        yield piece
    if end is not None and size < end and (stop is not None or not has_known_length(response)):
        raise TransientSourceError(f"the connection broke after {size} of {end} bytes")


def decode_body(pieces: Iterator[bytes], response: requests.Response, file: SourceFile) -> Iterator[bytes]:
    """The file itself, where a server packs it though nobody asked; never more than one piece at once."""
    packing = content_encoding(response)
    if packing == "identity":
        yield from pieces
        return
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise SourceError(f"packs the file as {packing!r}, which was not asked for")
    first = next(pieces, b"")
    if _is_the_file(first, response, file):
        yield first
        yield from pieces
        return
    inflater = _make_inflater(first, packing)
    for packed in chain((first,), pieces):
        while packed:
            if inflater.eof:  # a gzip may have several members; what else follows is padding
                if not packed.startswith(_GZIP):
                    break
                inflater = _make_inflater(packed, packing)
            try:
                piece = inflater.decompress(packed, _PIECE)
            except zlib.error as error:
                raise SourceError(f"packs the file as {packing}, badly: {error}") from error
            packed = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            yield piece
    if not inflater.eof:
        raise TransientSourceError("the packed body is cut short")


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


def _make_inflater(first: bytes, encoding: str) -> zlib._Decompress:
    """Says deflate and means zlib's form, or, as some servers do, the bare one (RFC 9110, 8.4.1.2)."""
    if encoding == "deflate" and not _is_zlib(first):
        return zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    return zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # 32: gzip or zlib, as its first bytes say


def _is_zlib(first: bytes) -> bool:
    """Whether it begins with a header of zlib (RFC 1950, 2.2), or of gzip."""
    is_zlib = len(first) > 1 and first[0] & 15 == 8 and (first[0] << 8 | first[1]) % 31 == 0
    return is_zlib or first.startswith(_GZIP)


def has_known_length(response: requests.Response) -> bool:
    """Whether a body that was cut short would have been noticed by the lower layers."""
    return "Content-Length" in response.headers or "Transfer-Encoding" in response.headers


def content_encoding(response: requests.Response) -> str:
    """How the body is packed; ``identity`` where it is not."""
    return response.headers.get("Content-Encoding", "").strip().lower() or "identity"
