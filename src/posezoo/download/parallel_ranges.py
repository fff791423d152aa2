"""A large file by several connections at once: part by part, each in memory until its turn comes.

What is written stays the beginning of the file, so what breaks off is gone on with like any other.
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
from posezoo.workers.threads import Future, ThreadPool

#: 4 MiB: at 10 MB/s a part takes eight times as long as a round trip of 50 ms.
PART_BYTES = 4 << 20

#: Opens what follows the held bytes, up to a last one.
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
    """Read what lies behind an http(s) address when its host takes it; raises as ``http.open_response`` does.

    ``headers`` are sent besides the user's, which count before them.
    """
    from posezoo.download import http

    download_options, limiter = context.means, context.carrier.limiter_for(url)
    download_options = (
        replace(download_options, headers=(*headers, *download_options.headers))
        if headers
        else download_options
    )
    ask = partial(http.open_response, context.carrier.session(), url, file, download_options)
    with limiter.slot():
        if (
            download_options.connections == 1
            or limiter.uses_single_connection
            or not is_worth_splitting(file, resume)
        ):
            with ask(resume) as stream:
                yield stream
            return
        try:
            with open_in_ranges(ask, file, resume, download_options.connections) as stream:
                yield stream
        except RangeMismatchError:
            limiter.uses_single_connection = (
                True  # a host whose parts do not fit is asked for the whole next time
            )
            raise


def is_worth_splitting(file: SourceFile, resume: ResumeState) -> bool:
    """Whether what is missing of a file is worth several connections, and its digest tells if they fit."""
    return file.checksum is not None and (file.size or 0) - resume.size >= 2 * PART_BYTES


@contextmanager
def open_in_ranges(
    ask: OpenRange, file: SourceFile, resume: ResumeState, connections: int
) -> Iterator[ByteStream]:
    """What is missing of a file, in order; by one connection where the server gives no parts.

    Raises as ``ask`` does, the pieces too.
    """
    size = file.size or 0
    with ask(resume, _last(resume.size, size)) as first:
        if first.stop is None:
            yield first
            return
        thread_pool = ThreadPool(connections)
        try:
            known = replace(resume, etag=first.etag)
            others = _others(
                thread_pool, partial(_part, ask, thread_pool, known, size), first.stop, size, connections
            )
            yield replace(first, pieces=chain(first.pieces, others), stop=None)
        finally:
            thread_pool.shutdown()


def _last(start: int, size: int) -> int:
    return min(start + PART_BYTES, size) - 1


def _others(
    thread_pool: ThreadPool, part: Callable[[int], bytes], start: int, size: int, connections: int
) -> Iterator[bytes]:
    """All parts but the first; asked for before that one is read."""
    starts = iter(range(start, size, PART_BYTES))
    ahead = connections + connections // 2  # so that nobody idles while the next one is written
    start_time = deque(thread_pool.submit(partial(part, at)) for at in islice(starts, ahead))
    return _yield_in_order(thread_pool, part, starts, start_time)


def _yield_in_order(
    thread_pool: ThreadPool,
    part: Callable[[int], bytes],
    starts: Iterator[int],
    start_time: deque[Future[bytes]],
) -> Iterator[bytes]:
    while start_time:
        piece = start_time.popleft().result()
        if (at := next(starts, None)) is not None:
            start_time.append(thread_pool.submit(partial(part, at)))
        yield piece


def _part(ask: OpenRange, thread_pool: ThreadPool, known: ResumeState, size: int, start: int) -> bytes:
    last, gathered = _last(start, size), bytearray()
    with ask(replace(known, size=start), last) as stream:
        if stream.start != start or stream.stop is None:
            raise RangeMismatchError("has another version of the file by now")
        for piece in stream.pieces:
            thread_pool.raise_if_cancelled()
            gathered += piece
    return bytes(gathered)
