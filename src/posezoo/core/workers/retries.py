"""Ask a source again after a temporary failure: how often, and after which pause."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from posezoo.core.errors import SourceError
from posezoo.core.values import frozen
from posezoo.core.workers.hedging import current_request

Result = TypeVar("Result")

# The first and the longest pause between attempts; a server may ask for a longer one.
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0

# The same problem is repeated only before a pause that a user notices.
_NOTICED_PAUSE_S = 1.0


@frozen
class RequestLimits:
    """How often a source is asked if it fails temporarily, and how long without data."""

    attempts: int
    timeout_s: float
    sleep: Callable[[float], None]  # waits between attempts; in seconds


class TransientSourceError(SourceError):
    """A temporary failure: another attempt may succeed. Its attributes are rules for ``ask_again``.

    Attributes:
        retry_after_s: how many seconds the source asked us to wait; None if it did not.
        at_most: the maximum number of attempts; None for as many as the user allows.
        new_limit: the new limit of simultaneous requests to the host; None if it has not changed.
        silent_host: the host, with the port, that does not answer at all; empty if it answered.
        is_offline: there was no connection, so the next attempt takes no time that a user notices.
    """

    is_offline = False
    new_limit: int | None = None
    silent_host = ""

    def __init__(
        self,
        problem: str,
        *,
        hint: str = "",
        retry_after_s: float | None = None,
        at_most: int | None = None,
    ) -> None:
        super().__init__(problem, hint=hint, temporary=True)
        self.retry_after_s = retry_after_s
        self.at_most = at_most


def ask_again(
    ask: Callable[[], Result],
    limits: RequestLimits,
    warn: Callable[[str], None] = lambda _problem: None,
) -> Result:
    """Ask a source, and again after temporary failures; ``warn`` is called with each new problem
    after a connection, and before each pause of a second or more.

    The error says how often its source may be asked, and when; an attempt after which the host gets
    fewer requests at a time is not counted.

    Raises:
        TransientSourceError: the last attempt failed temporarily, too.
    """
    attempt = 1
    last_problem = ""
    while True:
        try:
            return ask()
        except TransientSourceError as error:
            current_request().raise_if_cancelled()
            asked_s = error.retry_after_s or 0.0
            if asked_s > limits.timeout_s:
                error.problem += f", again in {asked_s:.0f} s"
                error.hint = (
                    f"the server asks to wait {asked_s:.0f} s (Retry-After): run the command again"
                    " after that, or with a longer --stall_timeout"
                )
                raise
            if error.new_limit is not None:
                warn(f"{error.problem}; now at most {error.new_limit} at a time")
                limits.sleep(_pause_s(1, error))
                continue
            allowed = min(limits.attempts, error.at_most or limits.attempts)
            if attempt >= allowed:
                error.problem += f" ({attempt} attempts)" if attempt > 1 else ""
                raise
            current_request().note_problem(error.problem)
            pause_s = _pause_s(attempt, error)
            attempt += 1
            is_new = error.problem != last_problem and not error.is_offline
            if is_new or pause_s >= _NOTICED_PAUSE_S:
                warn(f"{error.problem}; attempt {attempt} of {allowed} in {pause_s:.1f} s")
            last_problem = error.problem
            limits.sleep(pause_s)


def _pause_s(attempt: int, error: TransientSourceError) -> float:
    """Seconds before the next attempt: as the server asks, else a growing, random number."""
    if error.retry_after_s is not None:
        return error.retry_after_s
    from random import uniform

    pause_s = min(_FIRST_PAUSE_S * 2.0 ** (attempt - 1), _LONGEST_PAUSE_S)
    return pause_s * uniform(0.5, 1.0)  # so that many clients do not retry at the same time
