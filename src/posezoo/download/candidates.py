"""One place that a file's bytes can come from, and how its pieces are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from posezoo.download.partial import ResumeState
from posezoo.download.source_errors import NotFoundError
from posezoo.errors import SourceError
from posezoo.files.verified_files import CHUNK


@dataclass(frozen=True, slots=True)
class ByteStream:
    """What an origin gives.

    Attributes:
        pieces: the bytes, one after the other.
        start: how many bytes of the file come before them.
        etag: what the origin calls the whole file: a strong entity tag, or nothing.
        is_resumable: whether the origin could be asked for the rest alone, if they break off.
        stop: how many bytes of the file there are with them; None for all.
        url: the address that they come from in the end, if from one.
    """

    pieces: Iterator[bytes]
    start: int = 0
    etag: str = ""
    is_resumable: bool = False
    stop: int | None = None
    url: str = ""


#: Starts to read; what of the file is held already may be left out.
OpenCandidate = Callable[[ResumeState], AbstractContextManager[ByteStream]]


class CandidateKind(Enum):
    """What sort of place it is."""

    CACHE = "cache"
    MIRROR = "mirror"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that a file's bytes can come from; whether they are the right ones shows when they came.

    Attributes:
        name: the place as the user knows it.
        kind: what sort of place it is.
        open: starts to read, and is told what is held already; raises FetchError where the place does not
            answer with the file.
        path: where the bytes lie, if that is on a disk.
    """

    name: str
    kind: CandidateKind
    open: OpenCandidate
    path: Path | None = None


@contextmanager
def open_local_file(path: Path, _held: ResumeState) -> Iterator[ByteStream]:
    """Read a regular file in pieces of 1 MiB, always from its beginning.

    Raises:
        MissingError: there is none.
        SourceError: it cannot be read, or is no regular file; the pieces raise it too.
    """
    with _stream(path) as stream:
        yield ByteStream(_pieces(stream))


def _stream(path: Path) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():
            raise SourceError("is not a file")  # a pipe or a device could keep us waiting for ever
        return open(path, "rb")
    except FileNotFoundError as error:
        raise NotFoundError("is not there") from error
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}") from error


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while True:
        try:
            piece = stream.read(CHUNK)
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror or error}") from error
        if not piece:
            return
        yield piece
