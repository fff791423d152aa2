"""Work that takes much memory, done by a process of its own, which gives all of it back."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from posezoo.errors import ConversionError

ResultT = TypeVar("ResultT")


def run_in_child(work: Callable[..., ResultT], *args: object, of: str) -> ResultT:
    """What a function of a module gives when a process of its own calls it.

    Args:
        work: the function; it, its arguments and its answer travel between the processes.
        of: whose work it is, where it has to be told that the process ended early.

    Raises:
        PosezooError: whatever the work raises; a ConversionError where its process ended early.
    """
    # Not forked: OpenVINO and PyTorch have threads. On ^C it ends at once, without a word.
    with ProcessPoolExecutor(1, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_DFL)) as pool:
        try:
            return pool.submit(work, *args).result()
        except BrokenExecutor as error:
            raise ConversionError(f"{of}: its process ended early", hint="is there memory enough?") from error
