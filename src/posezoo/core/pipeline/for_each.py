"""Run a task for several models in threads or processes; if it fails for one, the others still
run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Generic

from posezoo.core.errors import PosezooError, import_optional, os_reason
from posezoo.core.events import Listener, WarningIssued, WorkFinished, WorkStarted, ignore_event
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.core.workers.threads import CancelCheck, Item, Result, cancellable, map_ordered


@frozen
class Outcome(Generic[Item, Result]):
    """The result or the error of one item."""

    item: Item
    result: Result | None = None
    error: PosezooError | None = None


@frozen
class Executor:
    """Where the tasks of ``for_each`` run: here, in threads, in child processes, or on a Dask
    cluster.

    Attributes:
        jobs: the number of items that are processed at the same time.
        in_processes: whether each job is a process instead of a thread; the task, the items, the
            events and the results are then pickled.
        scheduler: the address of a Dask scheduler, whose workers then run the tasks.
        folders: the folders that the workers of the scheduler must share with this machine; or
            existing files in folders that are only read.
        cluster_wait_s: how long a run waits for a worker of the scheduler, if there is none.
        warning: what the user should know about these workers.
    """

    jobs: int = 1
    in_processes: bool = False
    scheduler: str = ""
    folders: tuple[Path, ...] = ()
    cluster_wait_s: float = 60.0
    warning: str = ""


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
        items: usually models.
        task: must report events to its second argument from time to time; that call raises if the
            run is cancelled.
        executor: where the tasks run.
        listener: receives the events of all tasks, also from several threads at the same time.
        memory: the bytes of memory that an item needs, so that processes and workers are not
            overfilled.
    """
    attempt = partial(_attempt, task)
    if executor == Executor():  # one after the other
        return (attempt(item, listener) for item in items)
    if not executor.in_processes:

        def work(item: Item, check: CancelCheck) -> Outcome[Item, Result]:
            return attempt(item, cancellable(listener, check))

        return map_ordered(work, items, executor.jobs)
    if executor.scheduler:
        import_optional("distributed", extra="cluster")
        from posezoo.core.pipeline.zoo_context import reduce_for_worker
        from posezoo.scale.cluster import map_on_cluster

        if executor.warning:
            listener(WarningIssued(executor.warning))
        results = map_on_cluster(
            attempt,
            items,
            executor.scheduler,
            listener,
            lost=_lost,
            folders=executor.folders,
            memory=memory,
            wait_s=executor.cluster_wait_s,
            reducers={Context: reduce_for_worker},
        )
        return starmap(_name_worker, results)
    from posezoo.core.workers.processes import map_in_processes

    return map_in_processes(attempt, items, executor.jobs, listener, lost=_lost, memory=memory)


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


def _lost(item: Item, error: PosezooError, listener: Listener) -> Outcome[Item, Result]:
    listener(WorkFinished(_name(item), False, error.problem))
    return Outcome(item, error=type(error)(f"{_name(item)}: {error.problem}", hint=error.hint))


def _name_worker(worker: str, outcome: Outcome[Item, Result]) -> Outcome[Item, Result]:
    """The outcome; an error also says on which worker of the cluster it happened."""
    if outcome.error:
        outcome.error.problem += f" (on the worker {worker})"
    return outcome


def _name(item: object) -> str:
    # Of a model, or of a case.
    name = getattr(item, "full_name", None) or getattr(item, "label", item)
    return f"{name}"
