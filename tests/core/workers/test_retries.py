"""One rule for all who ask a server: how often, and after which pause."""

import pytest

from posezoo.core.download.candidates import RateLimitedError
from posezoo.core.workers.retries import RequestLimits, TransientSourceError, ask_again

pytestmark = pytest.mark.usefixtures("pauses_of_users")


class Source:
    """Fails with each of its errors, and then answers."""

    def __init__(self, *errors):
        self.errors = [*errors]
        self.pauses = []
        self.warnings = []

    def ask(self):
        if self.errors:
            raise self.errors.pop(0)
        return "answer"

    def ask_again(self, attempts=5):
        limits = RequestLimits(attempts, timeout_s=30, sleep=self.pauses.append)
        return ask_again(self.ask, limits, self.warnings.append)


def busy(**rules):
    return TransientSourceError("busy", **rules)


def refused(new_limit):
    error = RateLimitedError("too many", retry_after_s=2)
    error.new_limit = new_limit
    return error


def test_a_problem_is_told_again_only_before_a_long_pause():
    other = TransientSourceError("no answer", retry_after_s=0.5)
    source = Source(busy(), busy(retry_after_s=0.5), other, busy(retry_after_s=2), busy())
    assert source.ask_again(attempts=6) == "answer"
    told = [warning.partition(" in ")[0] for warning in source.warnings]
    assert told == [
        "busy; attempt 2 of 6",
        "no answer; attempt 4 of 6",
        "busy; attempt 5 of 6",
        "busy; attempt 6 of 6",
    ]


def test_fewer_requests_at_a_time_are_no_failed_attempt():
    source = Source(*(refused(new_limit) for new_limit in (4, 2, 1)), refused(None))
    assert source.ask_again(attempts=2) == "answer"
    assert source.warnings == [
        "too many; now at most 4 at a time",
        "too many; now at most 2 at a time",
        "too many; now at most 1 at a time",
        "too many; attempt 2 of 2 in 2.0 s",
    ]
