"""A place that a file's bytes can come from, and how its pieces are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from posezoo.download.partial import ResumeState
from posezoo.download.source_errors import NotFoundError
from posezoo.errors import SourceError
from posezoo.files.verified_files import CHUNK


@dataclass(frozen=True, slots=True)
class ByteStream:
    """What a candidate sends.

    Attributes:
        pieces: the bytes, in order.
        start: how many bytes of the file come before them.
        etag: the candidate's name for this version of the file: a strong entity tag, or "".
        is_resumable: whether the candidate could be asked for the rest alone, if the stream breaks off.
        stop: how many bytes of the file there are with these; None for all.
        url: the URL that the bytes come from after all redirects, or "".
    """

    pieces: Iterator[bytes]
    start: int = 0
    etag: str = ""
    is_resumable: bool = False
    stop: int | None = None
    url: str = ""


#: Starts to read; the candidate may leave out the bytes that are here already.
OpenCandidate = Callable[[ResumeState], AbstractContextManager[ByteStream]]


class CandidateKind(Enum):
    """A sort of place; the values stand in provenance.json."""

    CACHE = "cache"
    MIRROR = "mirror"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that a file's bytes can come from; they are verified after the download.

    Attributes:
        name: the place as the user knows it.
        kind: what sort of place it is.
        open: starts to read, given what is here already; raises DownloadError if the place does not
            answer with the file.
        path: the path of the bytes, if they are on a disk.
    """

    name: str
    kind: CandidateKind
    open: OpenCandidate
    path: Path | None = None


@contextmanager
def open_local_file(path: Path, _resume: ResumeState) -> Iterator[ByteStream]:
    """Read a regular file in pieces of 1 MiB, always from its beginning.

    Raises:
        NotFoundError: there is none.
        SourceError: it cannot be read, or is no regular file; the pieces raise it too.
    """
    try:
        if path.exists() and not path.is_file():
            raise SourceError("is not a file")  # a pipe or a device could keep us waiting for ever
        stream = open(path, "rb")  # noqa: SIM115 closed below: errors while reading are others
    except FileNotFoundError as error:
        raise NotFoundError("does not exist") from error
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}") from error

    def read_pieces() -> Iterator[bytes]:
        try:
            while piece := stream.read(CHUNK):
                yield piece
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror or error}") from error

    with stream:
        yield ByteStream(read_pieces())
