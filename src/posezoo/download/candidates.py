"""Places that a file can be read from, and how it is read."""

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
    """The response of a candidate.

    Attributes:
        pieces: the bytes, in order.
        start: the position of the first of these bytes in the file.
        etag: the candidate's strong entity tag for this version of the file, or "".
        is_resumable: whether the rest alone can be requested if the stream is interrupted.
        stop: the position after the last of these bytes in the file; None for the end of the file.
        url: the final URL after all redirects, or "".
    """

    pieces: Iterator[bytes]
    start: int = 0
    etag: str = ""
    is_resumable: bool = False
    stop: int | None = None
    url: str = ""


#: Starts to read; the candidate may skip the bytes that were downloaded before.
OpenCandidate = Callable[[ResumeState], AbstractContextManager[ByteStream]]


class CandidateKind(Enum):
    """The kind of a candidate; provenance.json contains these values."""

    CACHE = "cache"
    MIRROR = "mirror"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that a file can be read from; its bytes are verified after the download.

    Attributes:
        name: the name that users see.
        kind: cache, mirror or source.
        open: starts to read, given the bytes that were downloaded before; raises DownloadError if the
            candidate does not send the file.
        path: the path, if the candidate is a file on a disk.
    """

    name: str
    kind: CandidateKind
    open: OpenCandidate
    path: Path | None = None


@contextmanager
def open_local_file(path: Path, _resume: ResumeState) -> Iterator[ByteStream]:
    """Read a regular file in pieces of 1 MiB, always from its beginning.

    Raises:
        NotFoundError: the file does not exist.
        SourceError: it cannot be read, or is not a regular file; reading the pieces can raise it too.
    """
    try:
        if path.exists() and not path.is_file():
            raise SourceError("is not a file")  # reading a pipe or a device may never end
        stream = open(path, "rb")  # noqa: SIM115 closed below: errors while reading are handled differently
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
