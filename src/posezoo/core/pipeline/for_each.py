"""Run a task for several models in threads or processes; if it fails for one, the others still
run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Generic

from posezoo.core.errors import PosezooError, os_reason
from posezoo.core.events import Event, Listener, WorkFinished, WorkStarted, ignore_event
from posezoo.core.plugins import Hook
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.core.workers.threads import CancelCheck, Item, Result, map_ordered


@frozen
class Outcome(Generic[Item, Result]):
    """The result or the error of one item."""

    item: Item
    result: Result | None = None
    error: PosezooError | None = None


#: Does the task for one item, and returns its outcome; errors of the task are in it.
Attempt = Callable[[Item, Listener], Outcome[Item, Result]]


@frozen
class Executor:
    """Where the tasks of ``for_each`` run: here, in threads, or in child processes.

    Attributes:
        jobs: how many items are processed at once.
        in_processes: whether jobs are processes, for which task, items, events and results are
            pickled.
        on_machines: whether they may be on other machines.
    """

    jobs: int = 1
    in_processes: bool = False
    on_machines: bool = False

    def with_files(self, files: Sequence[Path]) -> Executor:  # noqa: ARG002
        """The executor of tasks that read these files, too, wherever they run."""
        return self

    def map(
        self,
        attempt: Attempt[Item, Result],
        items: Sequence[Item],
        listener: Listener,
        memory: Callable[[Item], int],
    ) -> Iterator[Outcome[Item, Result]]:
        """The outcomes of the items in their order."""
        if self.in_processes:
            from posezoo.core.workers.processes import map_in_processes

            return map_in_processes(
                attempt, items, self.jobs, listener, lost=report_lost, memory=memory
            )

        def work(item: Item, check: CancelCheck) -> Outcome[Item, Result]:
            def listen(event: Event) -> None:
                check()
                listener(event)

            return attempt(item, listen)

        return map_ordered(work, items, self.jobs)


class Cluster:
    """Has no workers; a feature overrides the method."""

    def executor(
        self,
        address: str,  # noqa: ARG002
        context: Context,  # noqa: ARG002
        folders: Sequence[Path],  # noqa: ARG002
    ) -> Executor:
        """The executor of ``--cluster ADDRESS``, with these folders and files."""
        return Executor()


CLUSTER = Hook(Cluster())


def for_each(
    items: Sequence[Item],
    task: Callable[[Item, Listener], Result],
    *,
    executor: Executor = Executor(),
    listener: Listener = ignore_event,
    memory: Callable[[Item], int] = lambda _item: 0,
) -> Iterator[Outcome[Item, Result]]:
    """Run a task for each item, several at the same time; the outcomes are in the items' order.

    Args:
        task: must report events to its second argument, whose call raises if the run is cancelled.
        listener: receives the events of all tasks, from several threads.
        memory: the bytes that an item needs.
    """
    attempt = partial(_attempt, task)
    if executor == Executor():  # one after the other
        return map(partial(attempt, listener=listener), items)
    return executor.map(attempt, items, listener, memory)


def _attempt(
    task: Callable[[Item, Listener], Result], item: Item, listener: Listener
) -> Outcome[Item, Result]:
    name = _name(item)
    listener(WorkStarted(name, f"{os.getpid()}"))
    result = None
    failure = None
    try:
        result = task(item, listener)
    except PosezooError as error:
        failure = error
    except MemoryError:
        failure = PosezooError(f"{name}: there is not enough memory")
    except OSError as error:  # for example, a folder that may not be read
        failure = PosezooError(f"{error.filename or item}: {os_reason(error)}")
    listener(WorkFinished(name, failure is None, failure.problem if failure else ""))
    return Outcome(item, result, failure)


def report_lost(item: Item, error: PosezooError, listener: Listener) -> Outcome[Item, Result]:
    """The outcome of an item whose process or worker ended early."""
    listener(WorkFinished(_name(item), False, error.problem))
    return Outcome(item, error=error.within(_name(item)))


def _name(item: object) -> str:
    # Of a model, or of a case.
    name = getattr(item, "full_name", None) or getattr(item, "label", item)
    return f"{name}"
