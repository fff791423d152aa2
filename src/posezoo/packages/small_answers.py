"""Read small answers of servers into memory: index pages, documents, directories of packages.

A server can send few bytes that become many, or send them for ever: the decompressed bytes are
counted, and the whole answer has a time limit.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.download.candidates import ResumeState
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.parallel_ranges import open_url
from posezoo.core.errors import SizeError, SourceError
from posezoo.core.http_headers import HostHeader
from posezoo.core.values import frozen

# The time limit in stall timeouts. By default, 30 MB, the largest document of an npm package, may
# arrive at 100 kB/s.
_TOTAL_TIMEOUTS = 10


@frozen
class PackageLink:
    """Where a server has a package, and its digest; None if the server states none."""

    url: str  # http(s) or file
    digest: Digest | None


@frozen
class SmallAnswer:
    """The body of a response."""

    content: bytes
    url: str  # after redirects


def read_small(
    url: str,
    limit: int,
    context: DownloadContext,
    *,
    name: str,
    headers: tuple[HostHeader, ...] = (),
) -> SmallAnswer:
    """Read the answer for an http(s) URL.

    Args:
        limit: the most bytes, before and after decompression.
        name: such as ``the document``; a web page is accepted only for a name that ends with
            ``.html``.
        headers: are sent in addition to the user's headers, which have priority.

    Raises:
        SizeError: it has more bytes.
        TransientSourceError: it stalls, or the connection breaks; another attempt may succeed.
        SourceError: it takes longer than ten stall timeouts; or see ``open_url``.
    """
    file = SourceFile(name, max_size=limit)
    with open_url(url, file, context, ResumeState(), headers=headers) as stream:
        content = join_pieces(stream.pieces, limit, context.options.timeout_s, name)
    return SmallAnswer(content, stream.url)


def join_pieces(pieces: Iterable[bytes], limit: int, timeout_s: float, name: str) -> bytes:
    """The content of a small answer; raises the same errors as ``read_small``."""
    content = bytearray()
    total_s = _TOTAL_TIMEOUTS * timeout_s
    start_time = time.monotonic()
    for piece in pieces:
        content += piece
        if len(content) > limit:
            raise SizeError(f"{name} has more than {limit:,} bytes")
        if time.monotonic() - start_time > total_s:
            problem = f"sent only {len(content):,} bytes of {name} in {total_s:g} s"
            raise SourceError(problem, hint="a longer --stall_timeout allows more time")
    return bytes(content)
