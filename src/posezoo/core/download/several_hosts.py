"""What hosts share that are asked for one file at once."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from posezoo.core.declarations.model import SourceFile
from posezoo.core.download.candidates import Candidate, CandidateKind
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.partial import PartialFile
from posezoo.core.events import (
    CachedFileUsed,
    FileDownloadFinished,
    FileDownloadProgress,
    FileDownloadStarted,
)


class HostParts:
    """The part of a file and its forks, one for each host that is asked at once; on exit it has the
    bytes of the host that sent the file, else the most that one sent.
    """

    def __init__(self, part: PartialFile) -> None:
        self._part = part
        self._forks: list[PartialFile] = []
        self._stack = ExitStack()

    def __enter__(self) -> HostParts:
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self._keep_most()

    def choose(self, *, is_alone: bool) -> PartialFile:
        """The part for the next host; ``is_alone``: no other host is being asked."""
        if is_alone:
            self._keep_most()
            return self._part
        fork = self._stack.enter_context(self._part.fork())
        self._forks.append(fork)
        return fork

    def keep(self, filled: PartialFile) -> None:
        """Keep the bytes of one part."""
        if filled is not self._part:
            self._part.take_over(filled)
        self._forks.clear()

    def _keep_most(self) -> None:
        self.keep(max((self._part, *self._forks), key=lambda part: part.size))


class DownloadReport:
    """Reports the download of one file as from one source at a time, the last that was asked, with
    the most bytes of one of them.
    """

    def __init__(self, file: SourceFile, context: DownloadContext) -> None:
        self.context = context
        self._file = file
        self._lock = threading.RLock()
        self._shown: Candidate | None = None
        self._sizes: dict[str, int] = {}  # by the names of candidates

    def start(self, candidate: Candidate) -> None:
        """A candidate is asked."""
        if candidate.kind is not CandidateKind.SOURCE:
            return
        context = self.context
        with self._lock:
            if self._shown:
                self.fail(self._shown, "another source is asked, too")
            size = self._file.size or 0
            context.emit(FileDownloadStarted(context.model, self._file.name, size, candidate.name))
            self._shown = candidate

    def show_progress(self, candidate: Candidate, size: int) -> None:
        """A candidate has sent so many bytes."""
        context = self.context
        with self._lock:
            self._sizes[candidate.name] = size
            most = max(self._sizes.values())
            if not self._shown:
                self.start(candidate)
            if self._shown:
                context.emit(FileDownloadProgress(context.model, self._file.name, most))

    def fail(self, candidate: Candidate, reason: str) -> None:
        """A candidate did not send the file."""
        context = self.context
        with self._lock:
            self._sizes.pop(candidate.name, None)
            if candidate is self._shown:
                self._shown = None
                context.emit(FileDownloadFinished(context.model, self._file.name, False, reason))

    def succeed(self, candidate: Candidate) -> None:
        """A candidate sent the file; the others do not matter any more."""
        context = self.context
        name = self._file.name
        with self._lock:
            if candidate.kind is not CandidateKind.SOURCE:
                context.emit(CachedFileUsed(context.model, name, candidate.name))
                return
            if candidate is not self._shown:
                self.start(candidate)
            context.emit(FileDownloadFinished(context.model, name, True))
