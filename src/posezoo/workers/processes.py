"""Python functions that run in child processes.

Conversions need the GIL, so threads would wait for each other; and OpenVINO and PyTorch return memory only
when their process ends. If a child crashes, for lack of memory or by an error in a library, only the item
that it worked on fails.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from posezoo.errors import ConversionError
from posezoo.events import Event, Listener
from posezoo.workers.signals import signals_raise
from posezoo.workers.threads import (
    CancelCheck,
    Cancelled,
    MemoryBudget,
    available_memory,
    limit_library_threads,
    map_ordered,
)

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")

# How often a thread that waits for its process checks whether the run was cancelled.
_POLL_S = 0.1
# How long a process may clean up before it is killed.
_GRACE_S = 2.0

_MEMORY_HINT = "is there enough memory?"


def run_in_child(work: Callable[..., Result], *args: object, of: str) -> Result:
    """Call a function in a new process and return its result; the process ends afterwards.

    Args:
        work: a module-level function; the function, its arguments and its result are pickled.
        of: the model that it works on, for the error message.

    Raises:
        PosezooError: the error that the function raises; a ConversionError if its process ended early.
    """
    process = ChildProcess(work)
    try:
        result: Result = process.call(args, never_cancelled)
    except (EOFError, ConnectionError) as error:
        raise ConversionError(f"{of}: its process ended early", hint=_MEMORY_HINT) from error
    finally:
        process.terminate()
    return result


def map_in_processes(
    work: Callable[[Item, Listener], Result],
    items: Sequence[Item],
    jobs: int,
    listener: Listener,
    lost: Callable[[Item, ConversionError], Result],
    memory: Callable[[Item], int] = lambda _item: 0,
) -> Iterator[Result]:
    """The result for each item, in the order of the items; each process works on one item at a time.

    Args:
        work: a module-level function; the function, the items and the results are pickled.
        jobs: how many processes run at once.
        listener: receives the events of all processes.
        lost: makes the result of an item that ended its process twice.
        memory: the bytes of memory that an item needs; those that run together need no more than there is.
    """
    pool, budget = ChildPool(work, lost), MemoryBudget(available_memory())

    def run(item: Item, check: CancelCheck) -> Result:
        with budget.claim(memory(item), check):
            return pool.call(listener, item, check)

    try:
        yield from map_ordered(run, items, jobs)
    finally:
        pool.close()


class ChildPool(Generic[Item, Result]):
    """Calls a function in child processes: each thread that calls it has a process of its own.

    A process computes with one thread, so that as many processes as cores use all cores.

    Args:
        work, lost: as for ``map_in_processes``.
        idle_s: a process ends after this many seconds without work; None: only ``close`` ends it.
    """

    def __init__(
        self,
        work: Callable[[Item, Listener], Result],
        lost: Callable[[Item, ConversionError], Result],
        *,
        idle_s: float | None = None,
    ) -> None:
        self._work, self._lost, self._idle_s = work, lost, idle_s
        self._own = threading.local()  # each thread starts a process when it first needs one
        self._processes: list[ChildProcess] = []

    def call(self, listener: Listener, item: Item, check: CancelCheck) -> Result:
        """The result for an item; if its process ends early, a second process tries it again."""
        for _ in range(2):
            check()
            if getattr(self._own, "process", None) is None:
                self._own.process = ChildProcess(self._work, threads=1, idle_s=self._idle_s)
                self._processes.append(self._own.process)
            try:
                result: Result = self._own.process.call((item,), check, listener)
            except (EOFError, ConnectionError, Cancelled) as error:
                self._processes.remove(self._own.process)
                self._own.process.terminate()
                self._own.process = None
                if isinstance(error, Cancelled):
                    raise
                continue
            return result
        return self._lost(item, ConversionError("its process ended early, twice", hint=_MEMORY_HINT))

    def close(self) -> None:
        """End all processes."""
        processes = list(self._processes)
        for process in processes:
            process.signal_end()
        for process in processes:
            process.terminate()


def never_cancelled() -> None:
    """The check for cancellation of a call that is only cancelled by ^C."""


class ChildProcess:
    """A process that calls one function.

    It ends with this process, even if this one is killed.

    Args:
        work: a function, or another callable that may keep a state between its calls; it is pickled.
        threads: how many threads the libraries that it uses may start; 0: as many as they like.
        idle_s: it ends after this many seconds without a call; None: it does not.
    """

    def __init__(self, work: Callable[..., Any], *, threads: int = 0, idle_s: float | None = None) -> None:
        from multiprocessing import get_context  # slow import, only needed with processes

        # Not forked, because OpenVINO and PyTorch have threads. A daemon ends with this process.
        context = get_context("spawn")
        self._connection, child_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(child_end, threads, idle_s), daemon=True)
        # The terminal sends ^C to all processes. The child inherits that it is ignored, which only the main
        # thread can set: the parent handles ^C, and ends the child.
        is_main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None
        try:
            self._process.start()
        finally:
            if is_main:
                signal.signal(signal.SIGINT, before)
        child_end.close()
        self._ending = threading.Lock()
        with suppress(ConnectionError):  # if it has ended, the first call reports this
            self._connection.send(work)

    def call(self, args: tuple[object, ...], check: CancelCheck, listener: Listener | None = None) -> Any:
        """Call the function in the process and return its result.

        Args:
            check: called regularly while the function runs; it may raise.
            listener: receives the events that the function reports to its last argument, which it gets in
                addition to ``args``; None: it gets no such argument.

        Raises:
            EOFError, ConnectionError: the process ended before it answered.
        """
        self._connection.send((args, listener is not None))
        while True:
            while not self._connection.poll(_POLL_S):
                check()
            kind, value = self._connection.recv()
            if kind == "event":
                assert listener is not None
                listener(value)
            elif kind == "error":
                raise value
            else:
                return value

    def signal_end(self) -> None:
        """Ask the process to end, and do not wait for it."""
        self._process.terminate()

    def terminate(self) -> int | None:
        """End the process, unless it has ended; returns its exit code."""
        with self._ending:  # the thread that calls it and the pool may both end it
            self._process.terminate()
            self._process.join(_GRACE_S)
            if self._process.exitcode is None:  # it computes in a library, and does not react
                self._process.kill()
                self._process.join()
            self._connection.close()
            return self._process.exitcode


def _serve(connection: Connection, threads: int, idle_s: float | None) -> None:
    import multiprocessing

    # For a process that another thread than the main one has started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    multiprocessing.current_process().daemon = False  # allows it to have child processes itself
    limit_library_threads(threads)
    lock = threading.Lock()

    def answer(kind: str, value: object) -> None:
        with lock:
            connection.send((kind, value))

    def report(event: Event) -> None:
        answer("event", event)

    with suppress(EOFError, BrokenPipeError):
        work = connection.recv()
        while connection.poll(idle_s):
            args, reports = connection.recv()
            with signals_raise("SIGTERM"):  # outside of the work nothing has to be removed
                try:
                    answer("result", work(*args, report) if reports else work(*args))
                except (SystemExit, BrokenPipeError):
                    raise
                except BaseException as error:  # noqa: BLE001 raised again by the caller
                    answer("error", error)


def _end_with_parent() -> None:
    """Wait for the end of the parent process, and end this one, even in the middle of a call."""
    from multiprocessing import connection, parent_process

    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)
