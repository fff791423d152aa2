"""Python functions that run in child processes.

Conversions need the GIL, so threads would wait for each other; and OpenVINO and PyTorch return memory only
when their process ends. If a child crashes, for lack of memory or by an error in a library, only the item
that it worked on fails.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from posezoo.errors import ConversionError
from posezoo.workers.threads import CancelCheck, map_ordered

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")

# How often a thread that waits for its process checks whether the run was cancelled.
_POLL_S = 0.1

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
    work: Callable[[Item, CancelCheck], Result],
    items: Sequence[Item],
    jobs: int,
    lost: Callable[[Item, ConversionError], Result],
) -> Iterator[Result]:
    """The result for each item, in the order of the items; each process works on one item at a time.

    Args:
        work: a module-level function; the function, the items and the results are pickled.
        jobs: how many processes run at once; 1: all work is done in this process.
        lost: makes the result of an item whose process ended early.
    """
    if jobs == 1 or len(items) < 2:
        yield from map_ordered(work, items, 1)
        return
    own = threading.local()  # each thread starts a process when it first needs one
    processes: list[ChildProcess] = []

    def run(item: Item, check: CancelCheck) -> Result:
        if getattr(own, "process", None) is None:
            own.process = ChildProcess(work)
            processes.append(own.process)
        try:
            result: Result = own.process.call((item, never_cancelled), check)
        except (EOFError, ConnectionError):
            own.process.terminate()
            own.process = None
            return lost(item, ConversionError("its process ended early", hint=_MEMORY_HINT))
        return result

    try:
        yield from map_ordered(run, items, jobs)
    finally:
        for process in processes:
            process.terminate()


def never_cancelled() -> None:
    """The check in a child process, which is not needed, because its parent ends it."""


class ChildProcess:
    """A process that calls one function.

    Args:
        work: a function, or another callable that may keep a state between its calls; it is pickled.
    """

    def __init__(self, work: Callable[..., Any]) -> None:
        from multiprocessing import get_context  # slow import, only needed with processes

        # Not forked, because OpenVINO and PyTorch have threads. A daemon ends with this process.
        context = get_context("spawn")
        self._connection, child_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(child_end, work), daemon=True)
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

    def call(self, args: tuple[object, ...], check: CancelCheck) -> Any:
        """Call the function in the process and return its result.

        Raises:
            EOFError, ConnectionError: the process ended before it answered.
        """
        self._connection.send(args)
        while not self._connection.poll(_POLL_S):
            check()
        result, error = self._connection.recv()
        if error is not None:
            raise error
        return result

    def terminate(self) -> int | None:
        """End the process, unless it has ended; returns its exit code."""
        self._process.terminate()
        self._process.join()
        self._connection.close()
        return self._process.exitcode


def _serve(connection: Connection, work: Callable[..., Any]) -> None:
    # For a process that another thread than the main one has started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError):
        while True:
            args = connection.recv()
            answer: tuple[Any, BaseException | None]
            try:
                answer = work(*args), None
            except BaseException as error:  # noqa: BLE001 raised again by the caller
                answer = None, error
            connection.send(answer)
