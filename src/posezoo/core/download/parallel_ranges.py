"""Download a large file in ranges over several connections, each in memory until it is written in
order, so that the download can be resumed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, islice

from posezoo.core.declarations.model import SourceFile
from posezoo.core.download.candidates import ByteStream, RangeMismatchError, ResumeState
from posezoo.core.download.context import DownloadContext
from posezoo.core.http_headers import HostHeader
from posezoo.core.workers.hedging import current_request
from posezoo.core.workers.threads import ThreadPool

#: 4 MiB: at 10 MB/s a range takes eight times as long as a round trip of 50 ms.
RANGE_BYTES = 4 << 20

#: Opens the range from the end of the downloaded bytes to a last byte (inclusive).
OpenRange = Callable[[ResumeState, int], AbstractContextManager[ByteStream]]


@contextmanager
def open_url(
    url: str,
    file: SourceFile,
    context: DownloadContext,
    resume: ResumeState,
    *,
    stop: int | None = None,
    headers: tuple[HostHeader, ...] = (),
) -> Iterator[ByteStream]:
    """Read an http(s) URL when its host's limit allows; raises the same errors as
    ``http.open_response``.

    Only the bytes before ``stop`` are requested; None stands for the end of the file. ``headers``
    are sent in addition to the user's headers, which have priority.
    """
    from posezoo.core.download import http

    options = context.options
    limiter = context.pool.limiter_for(url)
    if headers:
        options = replace(options, headers=(*headers, *options.headers))
    open_range = partial(http.open_response, context.pool.session(), url, file, options)
    # Without a digest, ranges of different versions of the file would not be detected.
    end = stop or file.size or 0
    is_split = file.checksum is not None and end - resume.size >= 2 * RANGE_BYTES
    with limiter.slot():
        is_single = options.connections == 1 or limiter.uses_single_connection or not is_split
        if context.is_probe or is_single:
            last = 0 if context.is_probe else (stop and stop - 1)
            with open_range(resume, last) as stream:
                yield stream
            return
        try:
            with open_in_ranges(open_range, end, resume, options.connections) as stream:
                yield stream
        except RangeMismatchError:
            # From now on, this host is asked for whole files.
            limiter.uses_single_connection = True
            raise


@contextmanager
def open_in_ranges(
    open_range: OpenRange, size: int, resume: ResumeState, connections: int
) -> Iterator[ByteStream]:
    """Read the missing bytes of a file, or of its first ``size`` bytes, in order; over one
    connection if the server has no range requests; the errors of ``open_range``.
    """

    def last_byte(start: int) -> int:
        return min(start + RANGE_BYTES, size) - 1

    with open_range(resume, last_byte(resume.size)) as first:
        if first.stop is None:
            yield first
            return
        thread_pool = ThreadPool(connections)
        state = replace(resume, etag=first.etag)
        request_of_all = current_request()

        def read_range(start: int) -> bytes:
            content = bytearray()
            state_there = replace(state, size=start)
            with (
                request_of_all.in_this_thread(),
                open_range(state_there, last_byte(start)) as stream,
            ):
                if stream.start != start or stream.stop is None:
                    raise RangeMismatchError("has a different version of the file now")
                for piece in stream.pieces:
                    thread_pool.raise_if_cancelled()
                    content += piece
            return bytes(content)

        def request(start: int) -> Future[bytes]:
            return thread_pool.submit(partial(read_range, start))

        starts = iter(range(first.stop, size, RANGE_BYTES))
        # More ranges than connections, so that no connection is idle while a range is written. They
        # are requested before the first range is read.
        at_once = connections + connections // 2
        ranges = deque(map(request, islice(starts, at_once)))

        def read_in_order() -> Iterator[bytes]:
            while ranges:
                content = ranges.popleft().result()
                ranges.extend(map(request, islice(starts, 1)))
                yield content

        try:
            yield replace(first, pieces=chain(first.pieces, read_in_order()), stop=size)
        finally:
            thread_pool.shutdown()
