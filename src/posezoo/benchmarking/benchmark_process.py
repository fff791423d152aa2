"""A process that loads one benchmark case and runs a round at each request of its parent.

It is a new process, so that the measured memory is only that of the case, and a crash ends only this case.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from posezoo.benchmarking.timed_round import BenchmarkRound, peak_memory_mib, run_timed
from posezoo.benchmarking.workloads import BenchmarkCase, WorkloadInfo
from posezoo.errors import InferenceError, PosezooError

# A process that is asked to end has no work to finish.
_END_TIMEOUT_S = 5


class BenchmarkProcess(AbstractContextManager["BenchmarkProcess"]):
    """A process that measures one case; a context manager that ends the process.

    Attributes:
        info: the loaded workload, and how it runs.

    Raises:
        PosezooError: the case cannot be loaded, or its process ended.
    """

    def __init__(self, case: BenchmarkCase) -> None:
        self.case = case
        # No fork: OpenVINO has threads, and a forked process would include our memory in its own.
        context = get_context("spawn")
        self._connection, child_connection = context.Pipe()
        self._process = context.Process(target=_serve, args=(case, child_connection), daemon=True)
        with _interrupts_ignored():  # inherited: only the parent handles ^C; it then ends the child
            self._process.start()
        child_connection.close()
        try:
            self.info: WorkloadInfo = self._answer()
        except BaseException:
            self._end()
            raise

    def run(self, seconds: float) -> BenchmarkRound:
        """Run one round.

        Raises:
            InferenceError: the device failed, or the process ended.
        """
        try:
            self._connection.send(seconds)
        except OSError:
            raise self._ended_early() from None
        result: BenchmarkRound = self._answer()
        return result

    def _answer(self) -> Any:
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise self._ended_early() from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ended_early(self) -> InferenceError:
        self._process.join(_END_TIMEOUT_S)
        return InferenceError(
            f"{self.case.label}: its process ended early (exit code {self._process.exitcode})",
            hint="is there enough memory? a smaller batch, or fewer requests, needs less",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.join(_END_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _serve(case: BenchmarkCase, connection: Connection) -> None:
    """Runs in the child: load the case, then run a round for each received number of seconds."""
    try:
        work, info = case.workload.load(case.runtime)
        connection.send(info)
        while True:
            rate, latencies_ms = run_timed(work, info.requests, connection.recv())
            connection.send(BenchmarkRound(rate * info.batch, latencies_ms, peak_memory_mib()))
    except (EOFError, BrokenPipeError):  # the parent ended
        return
    except PosezooError as error:
        connection.send(error)
    except MemoryError:
        connection.send(
            InferenceError(f"{case.label}: there is not enough memory", hint="try a smaller batch")
        )
    except Exception as error:  # noqa: BLE001 a bug, which the parent reports
        connection.send(RuntimeError(f"{case.label}: {type(error).__name__}: {error}"))


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # this is not the main thread, which receives ^C
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
