"""The process that reads published networks, so that a crash costs one model and not the run.

A frontend of OpenVINO, or a runtime that computes the outputs of the original, trusts the file that
it reads: one flipped bit can end the process by a signal. So posezoo calls them in a child process,
which serves one model after the other. The process can do what its parent can: it protects the run,
not the machine.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

from posezoo.errors import ConversionError
from posezoo.events import Event, Listener, StepStarted, ignore_event
from posezoo.workers.processes import (
    ChildPool,
    ProcessEndedError,
    is_child_process,
    never_cancelled,
)

Result = TypeVar("Result")

_HINT = "it was read; without its self-check (--self_check off), only the reading has to work"

# The process keeps OpenVINO in memory: it ends after this time without work.
_IDLE_S = 10.0


def start_reader_process() -> None:
    """Start the process, unless it runs already: it imports OpenVINO while the caller downloads a
    model.
    """
    if not is_child_process():
        with suppress(ProcessEndedError):  # the call raises it again
            _pool().start()


def run_in_reader_process(
    work: Callable[..., Result], *args: object, source: object, listener: Listener | None = None
) -> Result:
    """Call a function that reads published files in the process, and return its result.

    Args:
        work: a module-level function; the function, its arguments and its result are pickled.
        source: the file that it reads, for the error message.
        listener: receives the events that the function reports to its keyword argument
            ``listener``; None: it has no such argument.

    Raises:
        PosezooError: the error that the function raises; a ConversionError if its process ended
            early.
    """
    call = work, args, listener is not None
    if is_child_process():  # a crash already costs only this model
        return _call(call, listener or ignore_event)
    step = "reading it"

    def listen(event: Event) -> None:
        nonlocal step
        if isinstance(event, StepStarted):
            step = event.step
        if listener:
            listener(event)

    try:
        result: Result = _pool().call(listen, call, never_cancelled)
    except ProcessEndedError as error:
        hint = error.hint if step == "reading it" else _HINT
        raise ConversionError(f"{source}: {step} failed: {error.problem}", hint=hint) from error
    return result


@cache
def _pool() -> ChildPool[Any, Any]:
    return ChildPool(_call, idle_s=_IDLE_S, prepare=_import_libraries)


def _call(
    item: tuple[Callable[..., Result], tuple[object, ...], bool], listener: Listener
) -> Result:
    work, args, reports = item
    return work(*args, listener=listener) if reports else work(*args)


def _import_libraries() -> None:
    from posezoo.convert import publish  # noqa: F401
    from posezoo.ir.openvino_import import import_openvino

    import_openvino()


def _end_process() -> None:
    if _pool.cache_info().currsize:
        _pool().close()


atexit.register(_end_process)
if hasattr(os, "register_at_fork"):  # a forked process must not share the pipes of its parent
    os.register_at_fork(after_in_child=_pool.cache_clear)
