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

from posezoo.crew import Crew, Task
from posezoo.fetch.errand import Errand
from posezoo.fetch.faults import StaleError
from posezoo.fetch.origins import Body
from posezoo.fetch.part import Held
from posezoo.headers import Header
from posezoo.spec.model import SourceFile

#: 4 MiB: at 10 MB/s a part takes eight times as long as a round trip of 50 ms.
PART_BYTES = 4 << 20

#: Opens what follows the held bytes, up to a last one.
Ask = Callable[[Held, int], AbstractContextManager[Body]]


@contextmanager
def open_url(
    url: str, file: SourceFile, errand: Errand, held: Held, *, headers: tuple[Header, ...] = ()
) -> Iterator[Body]:
    """Read what lies behind an http(s) address when its host takes it; raises as ``http.opened`` does.

    ``headers`` are sent besides the user's, which count before them.
    """
    from posezoo.fetch import http

    means, gate = errand.means, errand.carrier.gate(url)
    means = replace(means, headers=(*headers, *means.headers)) if headers else means
    ask = partial(http.opened, errand.carrier.session(), url, file, means)
    with gate.passed():
        if means.connections == 1 or gate.is_narrow or not has_parts(file, held):
            with ask(held) as body:
                yield body
            return
        try:
            with opened_in_parts(ask, file, held, means.connections) as body:
                yield body
        except StaleError:
            gate.is_narrow = True  # a host whose parts do not fit is asked for the whole next time
            raise


def has_parts(file: SourceFile, held: Held) -> bool:
    """Whether what is missing of a file is worth several connections, and its digest tells if they fit."""
    return file.checksum is not None and (file.size or 0) - held.size >= 2 * PART_BYTES


@contextmanager
def opened_in_parts(ask: Ask, file: SourceFile, held: Held, connections: int) -> Iterator[Body]:
    """What is missing of a file, in order; by one connection where the server gives no parts.

    Raises as ``ask`` does, the pieces too.
    """
    size = file.size or 0
    with ask(held, _last(held.size, size)) as first:
        if first.stop is None:
            yield first
            return
        crew = Crew(connections)
        try:
            known = replace(held, etag=first.etag)
            others = _others(crew, partial(_part, ask, crew, known, size), first.stop, size, connections)
            yield replace(first, pieces=chain(first.pieces, others), stop=None)
        finally:
            crew.dismiss()


def _last(start: int, size: int) -> int:
    return min(start + PART_BYTES, size) - 1


def _others(
    crew: Crew, part: Callable[[int], bytes], start: int, size: int, connections: int
) -> Iterator[bytes]:
    """All parts but the first; asked for before that one is read."""
    starts = iter(range(start, size, PART_BYTES))
    ahead = connections + connections // 2  # so that nobody idles while the next one is written
    begun = deque(crew.begin(partial(part, at)) for at in islice(starts, ahead))
    return _in_turn(crew, part, starts, begun)


def _in_turn(
    crew: Crew, part: Callable[[int], bytes], starts: Iterator[int], begun: deque[Task[bytes]]
) -> Iterator[bytes]:
    while begun:
        piece = begun.popleft().result()
        if (at := next(starts, None)) is not None:
            begun.append(crew.begin(partial(part, at)))
        yield piece


def _part(ask: Ask, crew: Crew, known: Held, size: int, start: int) -> bytes:
    last, gathered = _last(start, size), bytearray()
    with ask(replace(known, size=start), last) as body:
        if body.start != start or body.stop is None:
            raise StaleError("has another version of the file by now")
        for piece in body.pieces:
            crew.check()
            gathered += piece
    return bytes(gathered)
