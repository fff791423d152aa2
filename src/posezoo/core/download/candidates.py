"""Places that a file can be read from, and their errors, which decide how the download
continues.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from posezoo.core.errors import SourceError, os_reason
from posezoo.core.files.verified_files import CHUNK
from posezoo.core.regular_files import is_lfs_pointer, open_regular
from posezoo.core.values import frozen
from posezoo.core.workers.retries import TransientSourceError

MIRROR_HINT = "give a folder with a copy: --mirror DIR, or POSEZOO_MIRROR=DIR"


class RateLimitedError(TransientSourceError):
    """The source received too many requests (429), at once or over time."""


class LocalSettingsError(SourceError):
    """A setting on this machine, such as one of npm, cannot be used; no request was sent."""


class NotFoundError(SourceError):
    """The source answered that it does not have the file."""


class RangeMismatchError(SourceError):
    """The partial file of an earlier attempt or run does not match the file that the source has
    now.
    """


class HtmlResponseError(SourceError):
    """The source sent a web page instead of the file; ``page`` is its beginning."""

    def __init__(self, page: str) -> None:
        super().__init__(
            "returns a web page (HTML) instead of the file", hint="open the URL in a browser"
        )
        self.page = page


@frozen
class ResumeState:
    """The beginning of a file that an earlier attempt or run downloaded."""

    size: int = 0  # in bytes
    source: str = ""  # the name of the candidate that sent it
    #: The source's strong entity tag for this version of the file (RFC 9110, 8.8.3), or "".
    etag: str = ""


@frozen
class ByteStream:
    """The response of a candidate."""

    pieces: Iterator[bytes]  # in order
    start: int = 0  # the position of the first of these bytes in the file
    etag: str = ""  # the candidate's strong entity tag for this version of the file, or ""
    #: Whether the rest alone can be requested if the stream is interrupted.
    is_resumable: bool = False
    #: The position after the last of these bytes; None for the end of the file.
    stop: int | None = None
    url: str = ""  # the final URL after all redirects, or ""
    size: int | None = None  # of the whole file in bytes, as its source states it


#: Starts to read; the candidate may skip the bytes that were downloaded before. It raises a
#: DownloadError if it does not send the file.
OpenCandidate = Callable[[ResumeState], AbstractContextManager[ByteStream]]


class CandidateKind(Enum):
    """The kind of a candidate; provenance.json contains these values."""

    CACHE = "cache"
    MIRROR = "mirror"
    SOURCE = "source"


@frozen
class Candidate:
    """A place that a file can be read from; its bytes are verified after the download."""

    name: str  # the name that users see
    kind: CandidateKind
    open: OpenCandidate
    path: Path | None = None  # if the candidate is a file on a disk
    #: What is asked: the host of a URL, with its port, or the kind of index of a package. Empty on
    #: this machine.
    host: str = ""


def network_host(url: str) -> str:
    """The host of a URL, with its port and without a login; empty if it has none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:  # an invalid URL, which the request reports
        return ""


#: When a host did not answer, by its name without the port: monotonic seconds of this process.
_REFUSALS: dict[str, float] = {}
_MOMENT_S = 60.0


def remember_refusal(host: str) -> None:
    """A host or package index did not answer."""
    _REFUSALS[without_port(host)] = time.monotonic()


def remember_answer(host: str) -> None:
    """A host or package index sent a file."""
    _REFUSALS.pop(without_port(host), None)


def refused_a_moment_ago(host: str) -> bool:
    """Whether a host or package index did not answer this process in the last minute."""
    refused_at = _REFUSALS.get(host)
    return refused_at is not None and time.monotonic() - refused_at < _MOMENT_S


def without_port(host: str) -> str:
    """A host without its port, or the name of a package index."""
    return urlsplit(f"//{host}").hostname or host


def refuse_lfs_pointer(beginning: bytes) -> None:
    """Raise a SourceError if a source sends a pointer of Git LFS instead of the file."""
    if is_lfs_pointer(beginning):
        raise SourceError(
            "is a Git LFS pointer, not the file",
            hint="in a folder: git lfs pull; on a server, name the address of the file itself",
        )


@contextmanager
def open_local_file(path: Path, _resume: ResumeState) -> Iterator[ByteStream]:
    """Read a regular file in pieces of 1 MiB, always from its beginning.

    Raises:
        NotFoundError: the file does not exist.
        SourceError: it cannot be read, or is not a regular file; reading the pieces can raise it
            too.
    """
    with reading():
        if path.exists() and not path.is_file():
            raise SourceError("is not a file")  # reading a pipe or a device may never end
        stream = open_regular(path)  # closed below: the caller's errors are not ours
        assert isinstance(stream, io.BufferedReader)  # no pipe
        refuse_lfs_pointer(stream.peek())

    def read_pieces() -> Iterator[bytes]:
        with reading():
            while piece := stream.read(CHUNK):
                yield piece

    with stream:
        yield ByteStream(read_pieces(), size=os.fstat(stream.fileno()).st_size)


@contextmanager
def reading() -> Iterator[None]:
    """Raise a SourceError if the system reports an error while a file is read."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError("does not exist") from error
    except OSError as error:
        raise SourceError(f"cannot be read: {os_reason(error)}") from error
