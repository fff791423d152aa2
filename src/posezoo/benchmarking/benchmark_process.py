"""A process in which one case is loaded and run, round by round, as its parent asks.

A fresh one, so that its memory is the case's own, and what crashes crashes alone.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from posezoo.benchmarking.machine_info import peak_memory_mib
from posezoo.benchmarking.timed_round import BenchmarkRound, run_timed
from posezoo.benchmarking.workloads import BenchmarkCase, LoadedWorkload
from posezoo.errors import InferenceError, PosezooError

# A process that is asked to end has nothing to put in order.
_PATIENCE_S = 5


class BenchmarkProcess(AbstractContextManager["BenchmarkProcess"]):
    """A process that measures one case; a context manager, after which it is gone.

    Attributes:
        case: what it measures.
        ready: what the case became there.

    Raises:
        PosezooError: the case cannot be loaded, or its process ended.
    """

    def __init__(self, case: BenchmarkCase) -> None:
        self.case = case
        # Not forked: OpenVINO has threads, and a fork would count our memory as its own.
        context = get_context("spawn")
        self._connection, reference = context.Pipe()
        self._process = context.Process(target=_serve, args=(case, reference), daemon=True)
        with _interrupts_ignored():  # handed on: ^C is for us alone, who then end it
            self._process.start()
        reference.close()
        try:
            self.ready: LoadedWorkload = self._answer()
        except BaseException:
            self._end()
            raise

    def run(self, seconds: float) -> BenchmarkRound:
        """One round.

        Raises:
            InferenceError: the device failed, or the process ended.
        """
        try:
            self._connection.send(seconds)
        except OSError:
            raise self._ended() from None
        found: BenchmarkRound = self._answer()
        return found

    def _answer(self) -> Any:
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ended(self) -> InferenceError:
        self._process.join(_PATIENCE_S)
        return InferenceError(
            f"{self.case.label}: its process ended early (exit code {self._process.exitcode})",
            hint="is there memory enough? a smaller batch, or fewer requests, takes less",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _serve(case: BenchmarkCase, connection: Connection) -> None:
    """Load, then run a round for each number of seconds that comes, until the parent is gone."""
    try:
        ready = case.subject.load(case.runtime)
        connection.send(replace(ready, work=_gone))
        while True:
            rate, latencies_ms = run_timed(ready.work, ready.requests, connection.recv())
            connection.send(BenchmarkRound(rate * ready.images, latencies_ms, peak_memory_mib()))
    except (EOFError, BrokenPipeError):
        return
    except PosezooError as error:
        connection.send(error)
    except MemoryError:
        connection.send(InferenceError(f"{case.label}: there is not memory enough", hint="a smaller batch?"))
    except Exception as error:  # noqa: BLE001 a bug: told by the parent, with what it was
        connection.send(RuntimeError(f"{case.label}: {type(error).__name__}: {error}"))


def _gone() -> None:
    """In place of work that another process does."""


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread, where no ^C arrives
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
