"""Run a task for several models in threads or processes; if it fails for one, the others still run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from posezoo.errors import PosezooError
from posezoo.workers.threads import CancelCheck, map_ordered

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """The result or the error of one item."""

    item: Item
    result: Result | None = None
    error: PosezooError | None = None


def for_each(
    items: Sequence[Item],
    task: Callable[[Item, CancelCheck], Result],
    *,
    jobs: int = 1,
    in_processes: bool = False,
) -> Iterator[Outcome[Item, Result]]:
    """Run a task for each item, several at the same time; the outcomes are in the items' order.

    Args:
        items: usually models.
        task: must call its second argument from time to time; that call raises if the run is cancelled.
        jobs: the number of items that are processed at the same time.
        in_processes: whether each job is a process instead of a thread; the task, the items and the results
            are then pickled.
    """
    attempt = partial(_attempt, task)
    if not in_processes:
        return map_ordered(attempt, items, jobs)
    from posezoo.workers.processes import map_in_processes

    return map_in_processes(attempt, items, jobs, lambda item, error: Outcome(item, error=error))


def _attempt(
    task: Callable[[Item, CancelCheck], Result], item: Item, check: CancelCheck
) -> Outcome[Item, Result]:
    try:
        return Outcome(item, task(item, check))
    except PosezooError as error:
        return Outcome(item, error=error)
    except OSError as error:  # for example, a folder that may not be read
        return Outcome(item, error=PosezooError(f"{error.filename or item}: {error.strerror or error}"))
