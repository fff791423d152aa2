"""Download a large file over several connections: range by range, each in memory until its turn comes.

What is written is always the beginning of the file, so a download that breaks off is resumed like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, islice

from posezoo.download.candidates import ByteStream
from posezoo.download.context import DownloadContext
from posezoo.download.partial import ResumeState
from posezoo.download.source_errors import RangeMismatchError
from posezoo.http_headers import HostHeader
from posezoo.spec.model import SourceFile
from posezoo.workers.threads import ThreadPool

#: 4 MiB: at 10 MB/s a range takes eight times as long as a round trip of 50 ms.
RANGE_BYTES = 4 << 20

#: Opens what follows the bytes that are here, up to a last byte.
OpenRange = Callable[[ResumeState, int], AbstractContextManager[ByteStream]]


@contextmanager
def open_url(
    url: str,
    file: SourceFile,
    context: DownloadContext,
    resume: ResumeState,
    *,
    headers: tuple[HostHeader, ...] = (),
) -> Iterator[ByteStream]:
    """Read an http(s) URL as soon as its host's limit allows; raises as ``http.open_response`` does.

    ``headers`` are sent besides the user's, which win over them.
    """
    from posezoo.download import http

    options, limiter = context.options, context.pool.limiter_for(url)
    options = replace(options, headers=(*headers, *options.headers)) if headers else options
    open_range = partial(http.open_response, context.pool.session(), url, file, options)
    # Without a digest nothing would show that the ranges fit together.
    is_split = file.checksum is not None and (file.size or 0) - resume.size >= 2 * RANGE_BYTES
    with limiter.slot():
        if options.connections == 1 or limiter.uses_single_connection or not is_split:
            with open_range(resume) as stream:
                yield stream
            return
        try:
            with open_in_ranges(open_range, file.size or 0, resume, options.connections) as stream:
                yield stream
        except RangeMismatchError:
            # The next time this host is asked for the whole file.
            limiter.uses_single_connection = True
            raise


@contextmanager
def open_in_ranges(
    open_range: OpenRange, size: int, resume: ResumeState, connections: int
) -> Iterator[ByteStream]:
    """What is missing of a file of this size, in order; over one connection if the server gives no ranges.

    Raises as ``open_range`` does; so do the pieces.
    """

    def last_byte(start: int) -> int:
        return min(start + RANGE_BYTES, size) - 1

    with open_range(resume, last_byte(resume.size)) as first:
        if first.stop is None:
            yield first
            return
        thread_pool, state = ThreadPool(connections), replace(resume, etag=first.etag)

        def read_range(start: int) -> bytes:
            content = bytearray()
            with open_range(replace(state, size=start), last_byte(start)) as stream:
                if stream.start != start or stream.stop is None:
                    raise RangeMismatchError("has a different version of the file now")
                for piece in stream.pieces:
                    thread_pool.raise_if_cancelled()
                    content += piece
            return bytes(content)

        starts = iter(range(first.stop, size, RANGE_BYTES))
        # More than one range for each connection, so that none is idle while a range is written. They are
        # requested before the first range is read.
        at_once = connections + connections // 2
        ranges = deque(thread_pool.submit(partial(read_range, start)) for start in islice(starts, at_once))

        def read_in_order() -> Iterator[bytes]:
            while ranges:
                content = ranges.popleft().result()
                if (start := next(starts, None)) is not None:
                    ranges.append(thread_pool.submit(partial(read_range, start)))
                yield content

        try:
            yield replace(first, pieces=chain(first.pieces, read_in_order()), stop=None)
        finally:
            thread_pool.shutdown()
