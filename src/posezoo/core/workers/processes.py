"""Python functions that run in child processes.

Conversions need the GIL, so threads would wait for each other; and OpenVINO and PyTorch return
memory only when their process ends. If a child crashes, only the item that it worked on fails.

``multiprocessing`` is not used: its children import the user's main script again, and processes of
its pools may have no children.
"""

from __future__ import annotations

import io
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Generic

from posezoo.core.errors import Advice, ConversionError, PosezooError
from posezoo.core.events import Listener
from posezoo.core.operating_system import (
    available_memory,
    kill_own_session,
    kill_session,
    used_cpu_s,
    used_memory,
)
from posezoo.core.values import frozen
from posezoo.core.workers.program import python_command, start_in_session
from posezoo.core.workers.signals import signals_raise
from posezoo.core.workers.threads import (
    CancelCheck,
    Item,
    MemoryBudget,
    Result,
    limit_library_threads,
    map_ordered,
)

# How often a thread that waits for its process checks whether the run was cancelled.
_POLL_S = 0.1
# How long a process may clean up before it is killed.
_GRACE_S = 2.0
# The clock runs on while a busy machine, or a slow disk, lets the work wait.
_CLOCK_PER_CPU = 10
# A message begins with its size.
_SIZE_BYTES = 8

_CRASHES = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP")
# Windows ends a process that crashes with an exit code of this size or more.
_WINDOWS_CRASH = 0xC0000000

_CRASH_HINT = (
    "the file may be damaged, or a library that reads it has a bug: try another version of"
    " OpenVINO, and report it"
)
_MEMORY_HINT = "is there enough memory?"

_RAISE_TIME_HINT = Advice(
    "if you trust the file, --conversion_timeout SECONDS allows more", "--conversion_timeout"
)
#: The hint if a file needs more memory than its limit.
RAISE_MEMORY_HINT = Advice(
    "if you trust the file, --conversion_memory GB allows more", "--conversion_memory"
)

_is_child = False
# The pipe of a child process to its parent; None in other processes.
_parent: _Messages | None = None
_own_limits: ResourceLimits | None = None


@frozen
class ResourceLimits:
    """What the work on one file may use before its process is ended."""

    seconds: float  # of the clock, while it computes; ten times as many in all
    memory_bytes: int  # of the process and those that it started, without mapped files


class ProcessEndedError(ConversionError):
    """A child process ended before it returned a result, or could not be started.

    Attributes:
        is_crash: whether the process ended itself by an error in a library, or had reached a
            limit: the same work would end another process, too.
    """

    is_crash = False


def is_child_process() -> bool:
    """Whether this process is one that ``ChildProcess`` started."""
    return _is_child


@contextmanager
def limited(limits: ResourceLimits) -> Iterator[None]:
    """In this context, the parent of this process ends it at the limits."""
    _announce(limits)
    try:
        yield
    finally:
        _announce(None)


def _announce(limits: ResourceLimits | None) -> None:
    global _own_limits
    _own_limits = limits
    if _parent:
        _parent.send(("limits", limits))


def own_limits() -> ResourceLimits | None:
    """The limits of the work that this process does; None without limits."""
    return _own_limits


def run_in_child(work: Callable[..., Result], *args: object, of: str) -> Result:
    """Call a module-level function in a new process, with pickled arguments, and return its pickled
    result; ``of`` is its model, for errors.

    Raises:
        PosezooError: the error that the function raises; a ConversionError if its process ended
            early.
    """
    try:
        process = ChildProcess(work)
        try:
            result: Result = process.call(args, never_cancelled)
        finally:
            process.terminate()
    except ProcessEndedError as error:
        raise ConversionError(f"{of}: {error.problem}", hint=error.hint) from error
    return result


def map_in_processes(
    work: Callable[[Item, Listener], Result],
    items: Sequence[Item],
    jobs: int,
    listener: Listener,
    lost: Callable[[Item, ConversionError, Listener], Result],
    memory: Callable[[Item], int] = lambda _item: 0,
) -> Iterator[Result]:
    """The result for each item, in the order of the items; each process works on one item at a
    time.

    Args:
        work: a module-level function; the function, the items and the results are pickled.
        jobs: the number of processes.
        lost: makes the result of an item that ended its process, and may report it.
        memory: the bytes of memory that an item needs; those that run together need no more than
            there is.
    """
    pool = ChildPool(work, threads=1)
    budget = MemoryBudget(available_memory())

    def run(item: Item, check: CancelCheck) -> Result:
        with budget.claim(memory(item), check):
            try:
                return pool.call(listener, item, check)
            except ProcessEndedError as error:
                return lost(item, error, listener)

    try:
        yield from map_ordered(run, items, jobs)
    finally:
        pool.close()


class ChildPool(Generic[Item, Result]):
    """Calls a function in idle or new child processes, for several threads at a time; arguments as
    for ``ChildProcess``.
    """

    def __init__(
        self,
        work: Callable[[Item, Listener], Result],
        *,
        threads: int = 0,
        idle_s: float | None = None,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        self._start_process = partial(
            ChildProcess, work, threads=threads, idle_s=idle_s, prepare=prepare
        )
        self._idle: list[ChildProcess] = []
        self._busy: list[ChildProcess] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start a process, if none is idle, so that the next call need not wait for its start."""
        self._give_back(self._take())

    def call(self, listener: Listener, item: Item, check: CancelCheck) -> Result:
        """The result for an item; if the process ends early without a crash, a second one tries
        again.

        Raises:
            ProcessEndedError: the process ended by a crash, or two processes ended early.
        """
        for is_last in (False, True):
            check()
            process = self._take()
            try:
                result: Result = process.call((item,), check, listener)
            except ProcessEndedError as error:
                if error.is_crash:
                    raise
                if is_last:
                    raise ProcessEndedError(f"{error.problem}, twice", hint=error.hint) from error
            else:
                return result
            finally:
                self._give_back(process)
        raise AssertionError("the second attempt returns or raises")

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            processes = [*self._idle, *self._busy]
            self._idle.clear()
        for process in processes:
            process.signal_end()
        for process in processes:
            process.terminate()

    def _take(self) -> ChildProcess:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.is_ready():
                    break
                process.terminate()  # it has ended: it had no work for a while
            else:
                process = self._start_process()
            self._busy.append(process)
            return process

    def _give_back(self, process: ChildProcess) -> None:
        if not process.is_ready():  # it has ended, or the call was interrupted
            process.terminate()
        with self._lock:
            self._busy.remove(process)
            if process.is_ready():
                self._idle.append(process)


def never_cancelled() -> None:
    """The check for cancellation of a call that is only cancelled by ^C."""


class ChildProcess:
    """A process that calls one function, ends with this process, even if this one is killed, and
    has its folder, environment and output.

    Args:
        work: a function, or another callable that may keep a state between its calls; it is
            pickled.
        threads: how many threads the libraries that it uses may start; 0: as many as they like.
        idle_s: it ends after this many seconds without a call; None: it does not.
        prepare: a module-level function that is called first, for imports.

    Raises:
        ProcessEndedError: the process could not be started.
    """

    def __init__(
        self,
        work: Callable[..., Any],
        *,
        threads: int = 0,
        idle_s: float | None = None,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        # In a session of its own, since the terminal sends ^C to all processes of a session's
        # group: the parent handles ^C, and ends the child.
        try:
            self._process, self._lifeline = start_in_session(python_command(__name__, "serve"))
            assert self._process.stdin and self._process.stdout
            self._messages = _Messages(self._process.stdout, self._process.stdin)
        except (OSError, RuntimeError) as error:  # no more processes, or no more threads
            raise ProcessEndedError(
                f"no process could be started: {error}", hint=_MEMORY_HINT
            ) from error
        self._ending = threading.Lock()
        self._is_waiting = False  # for the answer of a call
        self._messages.send((work, threads, idle_s, prepare))

    def is_ready(self) -> bool:
        """Whether the process runs, and waits for a call."""
        return self._process.poll() is None and not self._is_waiting

    def call(
        self, args: tuple[object, ...], check: CancelCheck, listener: Listener | None = None
    ) -> Any:
        """Call the function in the process and return its result.

        Args:
            check: called regularly; it may raise.
            listener: receives what the function reports to an additional last argument.

        Raises:
            ProcessEndedError: the process ended before it answered.
        """
        self._is_waiting = True
        self._messages.send((args, listener is not None, _working_folder(), dict(os.environ)))
        monitor = _LimitMonitor(self._process.pid)
        kind, value = self._receive(check, monitor)
        while kind in ("event", "output", "limits"):
            if kind == "output":
                with suppress(BrokenPipeError):  # the reader has ended; the work has not
                    sys.stdout.write(value)
                    sys.stdout.flush()
            elif kind == "limits":
                monitor.set_limits(value)
            else:
                assert listener
                listener(value)
            kind, value = self._receive(check, monitor)
        self._is_waiting = False
        if kind == "result":
            return value
        error, trace = value
        if not isinstance(error, PosezooError):  # a bug, or a limit of the system
            error.__cause__ = RuntimeError(f"in the child process:\n{trace}")
        raise error

    def _receive(self, check: CancelCheck, monitor: _LimitMonitor) -> Any:
        while True:
            if problem := monitor.find_excess():
                self.kill()
                raise problem
            try:
                return self._messages.receive(_POLL_S)
            except queue.Empty:
                check()
            except EOFError as error:
                raise _explain_end(self.terminate()) from error

    def signal_end(self) -> None:
        """Ask the process to end, and do not wait for it."""
        self._process.terminate()

    def kill(self) -> None:
        """End the process, and what it started, at once."""
        kill_session(self._process)
        self.terminate()

    def terminate(self) -> int:
        """End the process, unless it has ended; returns its exit code."""
        with self._ending:  # the thread that calls it and the pool may both end it
            if not self._messages.have_ended:  # else the process ends, and this would hide why
                self._process.terminate()
            try:
                exit_code = self._process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:  # it computes in a library, and does not react
                kill_session(self._process)
                exit_code = self._process.wait()
            self._messages.close()
            self._lifeline.close()
            return exit_code


class _Messages:
    """Sends and receives pickled values through two pipes.

    A thread receives them: only so waiting can have a time limit on each system.

    Args:
        at_end: called in that thread when the other process has closed its pipe, mostly since it
            has ended.
    """

    def __init__(
        self,
        incoming: IO[bytes],
        outgoing: IO[bytes],
        *,
        at_end: Callable[[], object] | None = None,
    ) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._at_end = at_end
        self._received: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self.have_ended = False
        threading.Thread(target=self._receive_all, daemon=True).start()

    def send(self, value: object) -> None:
        """Send a value; if the other process has ended, only ``receive`` reports it."""
        content = pickle.dumps(value)
        with self._sending, suppress(OSError):
            self._outgoing.write(len(content).to_bytes(_SIZE_BYTES, "little") + content)
            self._outgoing.flush()

    def receive(self, timeout_s: float | None) -> Any:
        """The next value; raises queue.Empty at the time limit, EOFError if there will be none."""
        content = self._received.get(timeout=timeout_s)
        if content:
            return pickle.loads(content)
        self._received.put(b"")  # for the next call
        raise EOFError

    def close(self) -> None:
        with suppress(OSError):
            self._outgoing.close()

    def _receive_all(self) -> None:
        with self._incoming as stream, suppress(OSError):
            while size := stream.read(_SIZE_BYTES):
                self._received.put(stream.read(int.from_bytes(size, "little")))
        self.have_ended = True
        self._received.put(b"")
        if self._at_end:
            self._at_end()


class _LimitMonitor:
    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._limits: ResourceLimits | None = None
        self._started_s = self._looked_s = self._cpu_s = self._computed_s = 0.0

    def set_limits(self, limits: ResourceLimits | None) -> None:
        self._limits = limits
        self._started_s = self._looked_s = time.monotonic()
        self._cpu_s = used_cpu_s(self._pid)
        self._computed_s = 0.0

    def find_excess(self) -> ProcessEndedError | None:
        """The error of a process that has reached a limit; looks at most every 0.1 s."""
        now_s = time.monotonic()
        limits = self._limits
        if limits is None or now_s - self._looked_s < _POLL_S:
            return None
        cpu_s = used_cpu_s(self._pid)
        # Threads that compute at the same time count once.
        self._computed_s += min(now_s - self._looked_s, cpu_s - self._cpu_s)
        self._looked_s = now_s
        self._cpu_s = cpu_s
        if self._computed_s > limits.seconds:
            return _limit_error(f"needed more than its limit of {limits.seconds:.0f} s")
        longest_s = _CLOCK_PER_CPU * limits.seconds
        if now_s - self._started_s > longest_s:
            return _limit_error(f"computed little, and did not end within {longest_s:.0f} s")
        if used_memory(self._pid) > limits.memory_bytes:
            memory = f"{limits.memory_bytes / 1e9:.1f} GB of memory"
            return _limit_error(f"needed more than its limit of {memory}", RAISE_MEMORY_HINT)
        return None


def _limit_error(problem: str, hint: str = _RAISE_TIME_HINT) -> ProcessEndedError:
    error = ProcessEndedError(f"its process {problem}", hint=hint)
    error.is_crash = True
    return error


def _explain_end(exit_code: int) -> ProcessEndedError:
    """The error for a process that ended with this exit code; a negative one is the number of a
    signal.
    """
    name = f"exit code {exit_code:#x}" if exit_code >= _WINDOWS_CRASH else f"exit code {exit_code}"
    ending = f"ended early, with {name}"
    with suppress(ValueError):
        name = signal.Signals(-exit_code).name
        ending = f"was ended by {name}"
    is_crash = name in _CRASHES or exit_code >= _WINDOWS_CRASH
    error = ProcessEndedError(
        f"its process {ending}", hint=_CRASH_HINT if is_crash else _MEMORY_HINT
    )
    error.is_crash = is_crash
    return error


def _working_folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def serve() -> int:
    """The main function of a child process, which answers one call after the other; returns the
    exit code.
    """
    global _is_child, _parent
    _is_child = True
    # On Windows, ^C reaches all processes of a terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    messages = _Messages(
        os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"), at_end=_end_with_parent
    )
    _parent = messages
    # Keep the messages apart from what libraries print, and from what programs read that the work
    # starts.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.dup2(2, 1)
    except OSError:  # the standard error is closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stdout = _ForwardedOutput(messages)
    work, threads, idle_s, prepare = messages.receive(None)
    limit_library_threads(threads)
    if prepare is not None:
        with suppress(Exception):  # the call raises it again
            prepare()
    while True:
        try:
            args, reports, folder, environment = messages.receive(idle_s)
        except queue.Empty:
            os._exit(0)  # at once: a thread waits for messages
        if folder:
            os.chdir(folder)
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
            limit_library_threads(threads)
        if reports:
            args = (*args, lambda event: messages.send(("event", event)))
        with signals_raise("SIGTERM"):  # outside of the work nothing has to be removed
            try:
                messages.send(("result", work(*args)))
            except SystemExit:
                raise
            except BaseException as error:  # noqa: BLE001 raised again by the caller
                messages.send(("error", (_to_sendable(error), traceback.format_exc())))


def _to_sendable(error: BaseException) -> BaseException:
    """The error, or one with its text if it cannot be pickled, or not made again from its
    arguments.
    """
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 whatever a foreign class raises
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class _ForwardedOutput(io.TextIOBase):
    """What a child process prints; its parent writes it to its own standard output."""

    def __init__(self, messages: _Messages) -> None:
        self._messages = messages

    def write(self, text: str) -> int:
        self._messages.send(("output", text))
        return len(text)


def _end_with_parent() -> None:
    """End this process, even in the middle of a call, and what it started, since its parent has
    ended.
    """
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    kill_own_session()
    os._exit(1)
