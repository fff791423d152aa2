"""The shared state of the downloads of one call: options, listener, connections, temporary folder."""

from __future__ import annotations

import tempfile
import threading
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


class DownloadContext:
    """A context manager that closes its connections and removes its temporary folder on exit.

    Args:
        model: the name in events.
        options: the options of the downloads.
        listener: receives the events.
        base: the folder for relative paths of file sources.
        first_use: receives the size and digest of a file without a pin; None if such files are refused.
        pool: the connections shared with other calls; None for a new pool.
        records_origins: whether to remember where each file came from, for provenance.json.
    """

    def __init__(
        self,
        model: str,
        options: DownloadOptions,
        listener: Listener,
        *,
        base: Path,
        first_use: Callable[[SourceFile, int, Digest], None] | None = None,
        pool: ConnectionPool | None = None,
        records_origins: bool = False,
    ) -> None:
        self.first_use = first_use
        self.model, self.options, self.base = model, options, base
        self.cache_dir = options.cache_dir  # None after a write failed
        self.records_origins = records_origins
        self._listener = listener
        self._exit_stack = ExitStack()
        self._lock = threading.RLock()  # files come in parallel; listeners need not be thread-safe
        self._temp_dir: Path | None = None
        self.pool = pool or self._exit_stack.enter_context(ConnectionPool(options))

    def __enter__(self) -> DownloadContext:
        return self

    def __exit__(self, *_: object) -> None:
        self._exit_stack.close()

    def emit(self, event: Event) -> None:
        """Pass an event to the listener, unless the run is being cancelled."""
        self.pool.raise_if_cancelled()
        with self._lock:
            self._listener(event)

    def warn(self, message: str) -> None:
        """Report something unexpected that does not stop the download."""
        self.emit(WarningIssued(message))

    def warnings_only(self) -> DownloadContext:
        """A copy of the context that passes on only warnings, for files that the user did not request."""
        listener, quiet = self._listener, copy(self)
        quiet._listener = lambda event: listener(event) if isinstance(event, WarningIssued) else None
        return quiet

    def temp_dir(self) -> Path:
        """A temporary folder that is removed on exit.

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
    pool: ConnectionPool | None = None,
    records_origins: bool = False,
) -> DownloadContext:
    """Create the context for the downloads of a model."""
    return DownloadContext(
        spec.full_name,
        options,
        listener,
        base=spec.path.parent,
        first_use=partial(options.first_use, spec) if options.first_use is not None else None,
        pool=pool,
        records_origins=records_origins,
    )
