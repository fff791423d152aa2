"""What the downloads of one call share: options, listener, connections, temporary folder."""

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
    """A context manager that closes and removes at its end what was opened on the way.

    Args:
        model: the name that events carry.
        options: what may be used.
        listener: receives the events.
        base: the folder that relative paths of file sources start at.
        sleep: how to wait, in seconds.
        first_use: receives what a file without a pin holds; None if such files are refused.
        pool: the connections that it shares with other calls; None for its own.
        records_origins: whether to remember where each file came from, for provenance.json.
    """

    def __init__(
        self,
        model: str,
        options: DownloadOptions,
        listener: Listener,
        *,
        base: Path,
        sleep: Sleep = time.sleep,
        first_use: Callable[[SourceFile, int, Digest], None] | None = None,
        pool: ConnectionPool | None = None,
        records_origins: bool = False,
    ) -> None:
        self.first_use = first_use
        self.model, self.options, self.base, self.sleep = model, options, base, sleep
        self.cache_dir = options.cache_dir  # None from the moment that it cannot be written
        self.records_origins = records_origins
        self._listener = listener
        self._exit_stack = ExitStack()
        self._lock = threading.RLock()  # several files may come at once, and listeners need not expect it
        self._temp_dir: Path | None = None
        self.pool = pool or self._exit_stack.enter_context(ConnectionPool(options.jobs, options.connections))

    def __enter__(self) -> DownloadContext:
        return self

    def __exit__(self, *_: object) -> None:
        self._exit_stack.close()

    def emit(self, event: Event) -> None:
        """Pass an event on, unless the run is being ended."""
        self.pool.raise_if_cancelled()
        with self._lock:
            self._listener(event)

    def warn(self, message: str) -> None:
        """Report something unexpected that does not stop the download."""
        self.emit(WarningIssued(message))

    def warnings_only(self) -> DownloadContext:
        """The same context, which passes on warnings alone: for files that the user did not ask for."""
        listener, quiet = self._listener, copy(self)
        quiet._listener = lambda event: listener(event) if isinstance(event, WarningIssued) else None
        return quiet

    def temp_dir(self) -> Path:
        """A folder that is removed after the call.

        Raises:
            OutputError: it cannot be created.
        """
        with self._lock:
            if self._temp_dir is None:
                try:
                    folder = tempfile.TemporaryDirectory(prefix="posezoo-", ignore_cleanup_errors=True)
                except OSError as error:
                    raise OutputError(
                        f"cannot create a temporary folder: {error.strerror or error}",
                        hint="set TMPDIR to a folder with free space",
                    ) from error
                self._temp_dir = Path(self._exit_stack.enter_context(folder))
            return self._temp_dir


def create_context(
    spec: ModelSpec,
    options: DownloadOptions,
    listener: Listener = ignore_event,
    *,
    sleep: Sleep = time.sleep,
    pool: ConnectionPool | None = None,
    records_origins: bool = False,
) -> DownloadContext:
    """The context in which a model's files are downloaded."""
    return DownloadContext(
        spec.full_name,
        options,
        listener,
        base=spec.path.parent,
        sleep=sleep,
        first_use=partial(options.first_use, spec) if options.first_use is not None else None,
        pool=pool,
        records_origins=records_origins,
    )
