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

from posezoo.crew import Future, ThreadPool
from posezoo.fetch.errand import DownloadContext
from posezoo.fetch.faults import RangeMismatchError
from posezoo.fetch.origins import ByteStream
from posezoo.fetch.part import ResumeState
from posezoo.headers import HostHeader
from posezoo.spec.model import SourceFile

#: 4 MiB: at 10 MB/s a part takes eight times as long as a round trip of 50 ms.
PART_BYTES = 4 << 20

#: Opens what follows the held bytes, up to a last one.
OpenRange = Callable[[ResumeState, int], AbstractContextManager[ByteStream]]


@contextmanager
def open_url(
    url: str,
    file: SourceFile,
    errand: DownloadContext,
    held: ResumeState,
    *,
    headers: tuple[HostHeader, ...] = (),
) -> Iterator[ByteStream]:
    """Read what lies behind an http(s) address when its host takes it; raises as ``http.opened`` does.

    ``headers`` are sent besides the user's, which count before them.
    """
    from posezoo.fetch import http

    means, gate = errand.means, errand.carrier.limiter_for(url)
    means = replace(means, headers=(*headers, *means.headers)) if headers else means
    ask = partial(http.open_response, errand.carrier.session(), url, file, means)
    with gate.slot():
        if means.connections == 1 or gate.uses_single_connection or not is_worth_splitting(file, held):
            with ask(held) as body:
                yield body
            return
        try:
            with open_in_ranges(ask, file, held, means.connections) as body:
                yield body
        except RangeMismatchError:
            gate.uses_single_connection = (
                True  # a host whose parts do not fit is asked for the whole next time
            )
            raise


def is_worth_splitting(file: SourceFile, held: ResumeState) -> bool:
    """Whether what is missing of a file is worth several connections, and its digest tells if they fit."""
    return file.checksum is not None and (file.size or 0) - held.size >= 2 * PART_BYTES


@contextmanager
def open_in_ranges(
    ask: OpenRange, file: SourceFile, held: ResumeState, connections: int
) -> Iterator[ByteStream]:
    """What is missing of a file, in order; by one connection where the server gives no parts.

    Raises as ``ask`` does, the pieces too.
    """
    size = file.size or 0
    with ask(held, _last(held.size, size)) as first:
        if first.stop is None:
            yield first
            return
        crew = ThreadPool(connections)
        try:
            known = replace(held, etag=first.etag)
            others = _others(crew, partial(_part, ask, crew, known, size), first.stop, size, connections)
            yield replace(first, pieces=chain(first.pieces, others), stop=None)
        finally:
            crew.shutdown()


def _last(start: int, size: int) -> int:
    return min(start + PART_BYTES, size) - 1


def _others(
    crew: ThreadPool, part: Callable[[int], bytes], start: int, size: int, connections: int
) -> Iterator[bytes]:
    """All parts but the first; asked for before that one is read."""
    starts = iter(range(start, size, PART_BYTES))
    ahead = connections + connections // 2  # so that nobody idles while the next one is written
    begun = deque(crew.submit(partial(part, at)) for at in islice(starts, ahead))
    return _yield_in_order(crew, part, starts, begun)


def _yield_in_order(
    crew: ThreadPool, part: Callable[[int], bytes], starts: Iterator[int], begun: deque[Future[bytes]]
) -> Iterator[bytes]:
    while begun:
        piece = begun.popleft().result()
        if (at := next(starts, None)) is not None:
            begun.append(crew.submit(partial(part, at)))
        yield piece


def _part(ask: OpenRange, crew: ThreadPool, known: ResumeState, size: int, start: int) -> bytes:
    last, gathered = _last(start, size), bytearray()
    with ask(replace(known, size=start), last) as body:
        if body.start != start or body.stop is None:
            raise RangeMismatchError("has another version of the file by now")
        for piece in body.pieces:
            crew.raise_if_cancelled()
            gathered += piece
    return bytes(gathered)
