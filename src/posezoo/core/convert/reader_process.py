"""The process that reads published networks, so that a crash costs one model and not the run.

OpenVINO's frontends and the runtimes of originals trust the file that they read: one flipped bit
can end the process by a signal. The process can do what its parent can: it protects the run, not
the machine.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from posezoo.core.errors import ConversionError
from posezoo.core.events import Event, Listener, StepStarted, ignore_event
from posezoo.core.operating_system import call_in_forks, share_heap
from posezoo.core.workers.processes import (
    ChildPool,
    ProcessEndedError,
    ResourceLimits,
    is_child_process,
    limited,
    never_cancelled,
)

Result = TypeVar("Result")

_HINT = "the file was read, and only its self-check failed: --self_check off leaves that out"

# The process keeps OpenVINO in memory: it ends after this time without work.
_IDLE_S = 10.0

# The limits of time and memory: for any file, and for each byte of its size. Conversions of 14
# models of 2 to 275 MB needed 0.2 to 2.6 GB of memory (``memory_need``); a checkpoint of 115 MB
# took 71 s on two busy cores, and a small computer may need twenty times as long.
_BASE_S = 120.0
_S_PER_BYTE = 10e-6
_BASE_MEMORY = 4e9
_MEMORY_PER_BYTE = 16

#: The default limits of an empty file.
SMALLEST_LIMITS = ResourceLimits(_BASE_S, int(_BASE_MEMORY))


def start_reader_process() -> None:
    """Start the process, unless it runs already, while the caller downloads a model."""
    if not is_child_process():
        with suppress(ProcessEndedError):  # the call raises it again
            _pool().start()


def run_in_reader_process(
    work: Callable[..., Result],
    *args: object,
    source: Path,
    limits: ResourceLimits = SMALLEST_LIMITS,
    listener: Listener | None = None,
) -> Result:
    """Call a function that reads published files in the process, and return its result.

    Args:
        work: a module-level function; the function, its arguments and its result are pickled.
        limits: from ``limits_for``; the process is ended when it reaches one.
        listener: receives what the function reports to its keyword argument ``listener``, if it has
            one.

    Raises:
        PosezooError: the error that the function raises; a ConversionError if its process ended
            early.
    """
    call = work, args, listener is not None, limits
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
        hint = error.hint
        if step != "reading it":  # the limits have hints of their own
            hint = f"{hint}; {_HINT}" if error.flag else _HINT
        raise ConversionError(f"{source}: {step} failed: {error.problem}", hint=hint) from error
    return result


def limits_for(
    files: Iterable[Path], timeout_s: float | None, memory_gb: float | None
) -> ResourceLimits:
    """The limits for reading files, unless ``timeout_s`` and ``memory_gb`` (the settings
    ``conversion_timeout``, ``conversion_memory``) state others.
    """
    size = sum(path.stat().st_size for path in files if path.is_file())
    memory = memory_gb * 1e9 if memory_gb else _BASE_MEMORY + size * _MEMORY_PER_BYTE
    return ResourceLimits(timeout_s or _BASE_S + size * _S_PER_BYTE, int(memory))


@cache
def _pool() -> ChildPool[Any, Any]:
    return ChildPool(_call, idle_s=_IDLE_S, prepare=_import_libraries)


def _call(
    item: tuple[Callable[..., Result], tuple[object, ...], bool, ResourceLimits], listener: Listener
) -> Result:
    work, args, reports, limits = item
    share_heap()
    with limited(limits):
        return work(*args, listener=listener) if reports else work(*args)


def _import_libraries() -> None:
    from posezoo.core.convert import publish  # noqa: F401
    from posezoo.core.ir.openvino_import import import_openvino

    import_openvino()
    # The garbage collector would visit all that was imported again and again: 5 % of the CPU time
    # of a conversion.
    gc.freeze()


def _end_process() -> None:
    if _pool.cache_info().currsize:
        _pool().close()


atexit.register(_end_process)
call_in_forks(_pool.cache_clear)  # a forked process must not share the pipes of its parent
