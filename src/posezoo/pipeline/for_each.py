"""The one loop over models: by threads or processes, and one model's failure never stops the others."""

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
    """What became of one item: a result or an error."""

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
    """Do a task for each item, several at once; the outcomes come in the items' order.

    Args:
        items: usually models.
        task: calls its second argument now and then, which raises if the run is being ended.
        jobs: how many items at once.
        in_processes: whether each job is a process of its own; then the task, the items and the results are
            pickled. Else each job is a thread.
    """
    attempt = partial(_attempt, task)
    if not in_processes or jobs == 1:
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
    except OSError as error:  # not translated below: a folder that may not be read, for example
        return Outcome(item, error=PosezooError(f"{error.filename or item}: {error.strerror or error}"))
