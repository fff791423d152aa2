"""What the files of one call share: the means, whom to tell, one scratch folder."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from copy import copy
from functools import partial
from pathlib import Path

from posezoo.download.connection_pool import ConnectionPool
from posezoo.download.options import DownloadOptions
from posezoo.errors import OutputError
from posezoo.events import Event, Listener, WarningIssued, ignore_event
from posezoo.spec.model import Digest, ModelSpec, SourceFile

Sleep = Callable[[float], None]


class DownloadContext:
    """One call's surroundings; a context manager that closes and removes what was opened on the way.

    Args:
        model: the name that events carry.
        download_options: what may be used.
        listener: whom to tell.
        base: the folder that relative paths of file sources start at.
        sleep: how to wait, in seconds.
        first_use: told what a file without a pin held.
        pool: what it shares with other calls; one of its own where None.
        writes_journal: whether to note where each file came from, for ``journal.update_provenance_json``.
    """

    def __init__(
        self,
        model: str,
        download_options: DownloadOptions,
        listener: Listener,
        *,
        base: Path,
        sleep: Sleep = time.sleep,
        first_use: Callable[[SourceFile, int, Digest], None] | None = None,
        pool: ConnectionPool | None = None,
        writes_journal: bool = False,
    ) -> None:
        self.first_use = first_use
        self.model, self.means, self.base, self.sleep = model, download_options, base, sleep
        self.cache_dir = download_options.cache_dir  # None from the moment that it proves not to be writable
        self.writes_journal = writes_journal
        self._listener = listener
        self._opened = ExitStack()
        self._alone = threading.RLock()  # several files may come at once, and listeners need not know
        self._scratch: Path | None = None
        if pool is None:
            pool = self._opened.enter_context(
                ConnectionPool(download_options.jobs, download_options.connections)
            )
        self.carrier = pool

    def __enter__(self) -> DownloadContext:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def emit(self, event: Event) -> None:
        """Pass an event on, unless the run is being ended."""
        self.carrier.raise_if_cancelled()
        with self._alone:
            self._listener(event)

    def warn(self, message: str) -> None:
        """Something is odd, but work goes on."""
        self.emit(WarningIssued(message))

    def warnings_only(self) -> DownloadContext:
        """The same, but only warnings are told: for files that nobody asked for by name."""
        loud, same = self._listener, copy(self)
        same._listener = lambda event: loud(event) if isinstance(event, WarningIssued) else None
        return same

    def temp_dir(self) -> Path:
        """A folder that is gone after the call.

        Raises:
            OutputError: it cannot be made.
        """
        with self._alone:
            if self._scratch is None:
                self._scratch = Path(self._opened.enter_context(_temporary_folder()))
            return self._scratch


def create_context(
    spec: ModelSpec,
    download_options: DownloadOptions,
    listener: Listener = ignore_event,
    *,
    sleep: Sleep = time.sleep,
    pool: ConnectionPool | None = None,
    writes_journal: bool = False,
) -> DownloadContext:
    """The errand that brings a model's files."""
    return DownloadContext(
        spec.full_name,
        download_options,
        listener,
        base=spec.path.parent,
        sleep=sleep,
        first_use=partial(download_options.first_use, spec)
        if download_options.first_use is not None
        else None,
        pool=pool,
        writes_journal=writes_journal,
    )


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="posezoo-", ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(
            f"no temporary folder can be made: {error.strerror or error}",
            hint="set TMPDIR to a folder with free space",
        ) from error
